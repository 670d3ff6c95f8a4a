import { kyselyOverPool } from '../postgres/kysely.ts'
import { openPool, type PoolOptions, type PostgresConnection } from '../postgres/pool.ts'
import { openPostgres } from '../postgres/open-postgres.ts'
import { TransferError } from './format.ts'
import { movedTables, type TransferSource, type TransferTarget } from './tables.ts'
import { postgresVariant } from '../sql/sql-variant.ts'

type PostgresPlace = Pick<PoolOptions, 'url' | 'extraCa'>

/** Shown to operators in pg_stat_activity. */
const applicationName = 'watchbell transfer'
/** Reading and writing files may take longer than the timeouts of a hub's transactions. */
const unhurried = 'SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0'
const lockTimeoutMs = 10_000

/**
 * A PostgreSQL database as of one moment; hubs on it do not wait.
 * @throws HubError `hub.unavailable` when it cannot be reached
 */
export async function openPostgresSource(url: string, extraCa?: readonly string[]): Promise<TransferSource> {
  const { source } = await begin(
    { url, extraCa },
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${unhurried}`,
  )
  return source
}

/**
 * A PostgreSQL database under exclusive locks; migrated when it has not been.
 * @throws HubError `hub.unavailable` when it cannot be reached or others hold its locks; Error when a newer Watchbell
 *   made it
 */
export async function openPostgresTarget(
  url: string,
  now: Date,
  extraCa?: readonly string[],
): Promise<TransferTarget> {
  const place = { url, extraCa }
  const migrated = await openPostgres({ ...place, connectionsMax: 1, migrateAt: now })
  await migrated[Symbol.asyncDispose]()
  const tables = Object.keys(movedTables).join(', ')
  const { connection, source } = await begin(
    place,
    `BEGIN; ${unhurried}; SET LOCAL lock_timeout = ${lockTimeoutMs}; LOCK TABLE ${tables} IN ACCESS EXCLUSIVE MODE`,
  )
  return {
    ...source,
    async commit() {
      const command = await connection.runAll('COMMIT')
      if (command !== 'COMMIT') throw new TransferError('PostgreSQL undid the import.')
      await connection.runAll(`ANALYZE ${tables}`) // otherwise the first hub's plans assume empty tables
    },
  }
}

async function begin(
  place: PostgresPlace,
  statements: string,
): Promise<{ readonly connection: PostgresConnection; readonly source: TransferSource }> {
  await using opened = new AsyncDisposableStack()
  const pool = openPool({ ...place, connectionsMax: 1, applicationName, patient: true })
  opened.defer(() => pool.close())
  const connection = await pool.connect()
  opened.defer(async () => {
    // The end of the connection rolls back what is not committed.
    await connection.runAll('ROLLBACK').catch(() => undefined)
    connection.release()
  })
  await connection.runAll(statements)
  const kept: PostgresConnection = { ...connection, release: () => undefined }
  const held = opened.move()
  return {
    connection,
    source: {
      kind: 'postgres',
      db: kyselyOverPool({ ...pool, connect: async () => kept }),
      variant: postgresVariant,
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    },
  }
}
