import { sql, type Kysely } from 'kysely'
import type { DatabaseSchema } from '../sql/schema.ts'
import type { ColumnType, SqlVariant } from '../sql/sql-variant.ts'

/** A database that rows are moved out of or into, within the one transaction that its opener has begun. */
export interface TransferDatabase {
  readonly kind: 'sqlite' | 'postgres'
  readonly db: Kysely<DatabaseSchema>
  readonly variant: SqlVariant
}

/** Disposing it closes it. */
export type TransferSource = TransferDatabase & AsyncDisposable

/** Disposing it rolls back what is not committed. */
export interface TransferTarget extends TransferSource {
  /** Resolves when all of it is on disk. */
  commit(): Promise<void>
}

/** Tables that are not moved, and why. */
export const unmovedTables = {
  leases: 'Which node works on what, for the next seconds: nodes on another database are others.',
  rate_counts: 'Who called how often in the current minute.',
  migrations: 'The header of an export names the steps; an import takes them itself.',
} as const

type MovedTable = Exclude<keyof DatabaseSchema, keyof typeof unmovedTables>

/** Every table that is moved, with its primary key, in the order of an export. */
export const movedTables: {
  readonly [Table in MovedTable]: readonly (keyof DatabaseSchema[Table] & string)[]
} = {
  providers: ['number'],
  issuers: ['iss'],
  provider_actions: ['provider_id'],
  provider_trust: ['provider_id'],
  provider_dialects: ['provider_id'],
  streams: ['number'],
  stream_states: ['stream_id', 'hash'],
  risk_providers: ['number'],
  api_tokens: ['id'],
  service_apps: ['client_id'],
  signing_keys: ['kid'],
  used_once: ['key'],
  sign_in_marks: ['user_key', 'mark_key'],
  counters: ['name', 'shard'],
  signals: ['sequence'],
  signal_tokens: ['sequence'],
  signal_keys: ['key'],
  signal_repeats: ['sequence'],
  signal_terms: ['term', 'sequence'],
  signal_failures: ['sequence'],
  signal_unmatched: ['sequence', 'event'],
  inbox: ['sequence'],
  refusals: ['sequence'],
  identifiers: ['node'],
  loaded_users: ['node'],
  claims: ['key'],
  claim_identifiers: ['node', 'claim'],
  endings: ['node', 'source', 'ended_at'],
  memberships: ['node', 'source', 'lasts_until'],
  rejoins: ['source'],
  risk_reasons: ['node', 'source', 'slot'],
  risk_history: ['sequence'],
  revocations: ['node', 'user_node', 'device_node', 'session_node', 'provider_id'],
  erasures: ['number'],
  log_events: ['sequence'],
  hub_marks: ['name'],
}

export interface TransferColumn {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
}

export interface TransferTable {
  readonly name: string
  readonly key: readonly string[]
  readonly columns: readonly TransferColumn[]
}

const typeNames: ReadonlyMap<string, ColumnType> = new Map([
  ['TEXT', 'text'],
  ['INTEGER', 'integer'],
  ['BLOB', 'bytes'],
  ['text', 'text'],
  ['int8', 'integer'],
  ['bytea', 'bytes'],
])

/** The moved tables, with their columns from the database's catalogue. */
export async function readTables({ kind, db }: TransferDatabase): Promise<readonly TransferTable[]> {
  const schema = kind === 'postgres' ? await currentSchema(db) : undefined
  const found = (await db.introspection.getTables()).filter((table) => table.schema === schema)
  return Object.entries(movedTables).map(([name, key]: [string, readonly string[]]) => {
    const columns = found.find((table) => table.name === name)?.columns ?? []
    return {
      name,
      key,
      columns: columns.map((column) => {
        const type = typeNames.get(column.dataType)
        if (type === undefined) throw new Error(`${name}.${column.name} has the type ${column.dataType}.`)
        // SQLite reports a primary key as nullable, and stores no NULL in it.
        return { name: column.name, type, nullable: column.isNullable && !key.includes(column.name) }
      }),
    }
  })
}

async function currentSchema(db: Kysely<DatabaseSchema>): Promise<string | undefined> {
  const { rows } = await sql<{ schema: string }>`SELECT current_schema() AS schema`.execute(db)
  return rows[0]?.schema
}
