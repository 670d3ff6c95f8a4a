import { HubError } from '../../base/hub-error.ts'
import { atMost } from '../../base/at-most.ts'
import type { PoolStats, Storage } from '../../stores.ts'
import { migrate } from '../migrations/migrate.ts'
import { accessProcedures } from './access-procedures.ts'
import { alone } from './alone.ts'
import { connectionProblem } from './connection-problem.ts'
import { listenForChanges } from './changes.ts'
import { kyselyOverPool } from './kysely.ts'
import { retried } from './errors.ts'
import { openPool, type PostgresPool } from './pool.ts'
import { readPostgresRisks } from './risk-procedures.ts'
import { signalProcedures } from './signal-procedures.ts'
import { makeRoom, makeWeeks, raisePostgresLogNumbers, serverClock, weeklyDeletions } from './weeks.ts'
import { sqlStorage, type SqlStorage } from '../stores/sql-storage.ts'
import { postgresVariant } from '../sql/sql-variant.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`, with node-postgres' parameters after a question mark. */
  readonly url: string
  /** Certificate authorities to trust besides the system's when the URL asks for SSL, PEM. */
  readonly extraCa?: readonly string[] | undefined
  /** The maximum number of connections. */
  readonly connectionsMax: number
  /** Brings the schema up to date first, and records this time for it. */
  readonly migrateAt?: Date
  /** Called when an idle connection breaks. New ones are opened automatically. */
  readonly onBroken?: (error: Error) => void
  /** Called with server settings that let a crash or a power cut lose accepted data. Only with `migrateAt`. */
  readonly onUnsafe?: (settings: readonly string[]) => void
  /** Called with the server's process ids of idle sessions that blocked SETs and were ended. */
  readonly onEnded?: (pids: readonly number[]) => void
}

export interface PostgresStorage extends Required<Omit<Storage, 'dropOverwritten'>> {
  /** For a hub that starts: see numberAt. */
  raiseLogNumbers(now: Date): Promise<void>
}

const applicationName = 'watchbell'
const serverVersionMin = 12

/**
 * PostgreSQL 12 or newer. Any number of processes may use one database, and may open it at once.
 * @throws Error when it cannot be reached or used, or when a newer Watchbell wrote it
 */
export async function openPostgres(options: PostgresOptions): Promise<PostgresStorage> {
  const { url, connectionsMax, migrateAt, onBroken } = options
  const broken = { ...(onBroken !== undefined && { onBroken }), extraCa: options.extraCa }
  if (migrateAt !== undefined) {
    const pool = openPool({ url, connectionsMax: 1, applicationName, patient: true, ...broken })
    await using migrating = storageOver(pool)
    try {
      const unsafe = await requireUsable(pool)
      if (unsafe.length > 0) options.onUnsafe?.(unsafe)
      await retried(() => migrate(migrating.db, 'postgres', migrateAt)) // other nodes may migrate at the same time
      await makeWeeks(pool, migrateAt)
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      throw new Error(`${databaseName(url)} cannot be used: ${connectionProblem(error.cause)}`, {
        cause: error,
      })
    }
  }
  const pool = openPool({ url, connectionsMax, applicationName, ...broken })
  const appending = openPool({ url, connectionsMax: 1, applicationName, joinsBatches: true, ...broken })
  const storage = storageOver(pool, appending, Math.max(1, Math.floor(connectionsMax / 2)), options.onEnded)
  return {
    ...storage,
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await appending.close()
    },
    alone: (task, work) => alone(pool, task, work),
    makeRoom: (now) => makeRoom(pool, now),
    raiseLogNumbers: (now) => raisePostgresLogNumbers(pool, now),
    clock: () => serverClock(pool),
    poolStats: () => sumOf(pool.stats(), appending.stats()),
    onChange: (tell) => listenForChanges({ url, applicationName, tell, ...broken }),
  }
}

/**
 * @param appending - for SETs, one batch at a time; the same pool for a caller that does not append
 * @param turnsMax - concurrent transactions; each holds a connection while it waits for its turn, and the remaining
 *   connections serve statements that need no turn
 */
function storageOver(
  pool: PostgresPool,
  appending: PostgresPool = pool,
  turnsMax = 1,
  onEnded?: PostgresOptions['onEnded'],
): SqlStorage {
  const inTurn = atMost(turnsMax)
  return sqlStorage({
    db: kyselyOverPool(pool),
    variant: postgresVariant,
    close: () => pool.close(),
    procedures: {
      ...signalProcedures(pool, appending, onEnded),
      ...accessProcedures(pool),
      readRisks: (questions) => pool.run((connection) => readPostgresRisks(connection, questions)),
    },
    deletions: (db) => weeklyDeletions(pool, db),
    retried: (work) => inTurn(() => retried(work)),
  })
}

function sumOf(one: PoolStats, other: PoolStats): PoolStats {
  return {
    total: one.total + other.total,
    idle: one.idle + other.idle,
    waiting: one.waiting + other.waiting,
  }
}

function databaseName(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url)
  const host = searchParams.get('host') ?? decodeURIComponent(hostname)
  return `The PostgreSQL database ${pathname.slice(1)} at ${host || 'the local socket'}${port && `:${port}`}`
}

/** @returns server settings that may lose committed data; a database for tests may have them, so they are no error */
async function requireUsable(pool: PostgresPool): Promise<readonly string[]> {
  const { rows } = await pool.run((connection) =>
    connection.run(
      `SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_encoding') AS encoding,
         ARRAY(SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name) AS unsafe`,
      [],
    ),
  )
  const [{ version, encoding, unsafe }] = rows as [{ version: number; encoding: string; unsafe: string[] }] // the statement returns one row
  if (version < serverVersionMin) {
    throw new Error(
      `The PostgreSQL server is version ${version}; Watchbell needs ${serverVersionMin} or newer.`,
    )
  }
  if (encoding !== 'UTF8') {
    throw new Error(
      `The PostgreSQL database has the encoding ${encoding}; create it again with ENCODING 'UTF8'.`,
    )
  }
  return unsafe
}
