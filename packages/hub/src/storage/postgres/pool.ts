import { getCACertificates } from 'node:tls'
import pg from 'pg'
import type { PoolStats } from '../../stores.ts'
import { SqlError, type SqlResult } from '../sql/sql-sessions.ts'
import { fromPostgresError, isStalePlan, retried, unreachable } from './errors.ts'

export interface PoolOptions {
  /** `postgres://…`, as node-postgres and libpq read it. */
  readonly url: string
  readonly connectionsMax: number
  /** Shown to operators in pg_stat_activity. */
  readonly applicationName: string
  /** No timeouts of statements and locks: for migrations. */
  readonly patient?: boolean
  /** For statements that join the rows of a batch with each other, instead of looking up each by key. */
  readonly joinsBatches?: boolean
  /** Called when an idle connection breaks; the next caller gets a new one. */
  readonly onBroken?: (error: Error) => void
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly extraCa?: readonly string[] | undefined
}

/** A borrowed connection. */
export interface PostgresConnection {
  run(sql: string, parameters: readonly unknown[]): Promise<SqlResult>
  /** Runs statements without parameters in one round trip. @returns the last one's command, for example `COMMIT` */
  runAll(sql: string): Promise<string>
  /** The id of the server process. */
  pid(): Promise<number>
  /** Returns the connection to the pool, or ends it after a failure that was not the statement's. */
  release(): void
}

export interface PostgresPool {
  /** @throws HubError `hub.unavailable` when no connection is free in time */
  connect(): Promise<PostgresConnection>
  /** For one statement outside transactions; passing failures are retried. */
  run<T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T>
  /** For several statements in one transaction that needs no turn. */
  transaction<T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T>
  stats(): PoolStats
  close(): Promise<void>
}

/** How long to wait for a connection, new or in use. */
const connectTimeoutMs = 5_000
const statementTimeoutMs = 30_000
/** A vanished node may hold the turn; the next limit frees it, so this limit is longer. */
const lockTimeoutMs = 15_000
export const idleInTransactionTimeoutMs = 10_000
/** For a server that vanished without closing the connection. */
const answerTimeoutMs = statementTimeoutMs + 5_000
const idleTimeoutMs = 30_000
const keepAliveDelayMs = 10_000
/** Prepared statements kept on each connection; the hub has about a hundred different ones. */
const preparedMax = 500

const numbers: ReadonlySet<number> = new Set([pg.types.builtins.INT8, pg.types.builtins.INT4])
const json: ReadonlySet<number> = new Set([pg.types.builtins.JSON, pg.types.builtins.JSONB])

/** Rows as SQLite returns them: whole numbers are numbers, and JSON is text. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (numbers.has(oid)) return Number
    if (json.has(oid)) return String
    return format === 'binary' ? pg.types.getTypeParser(oid, format) : pg.types.getTypeParser(oid)
  },
}

/** Connections to PostgreSQL with the session settings that the hub relies on, and prepared statements on each. */
export function openPool(options: PoolOptions): PostgresPool {
  const { patient = false } = options
  const pool = new pg.Pool({
    ...sessionSettings(options.url, options.applicationName, options),
    max: options.connectionsMax,
    types,
    idleTimeoutMillis: idleTimeoutMs,
    ...(!patient && {
      statement_timeout: statementTimeoutMs,
      lock_timeout: lockTimeoutMs,
      query_timeout: answerTimeoutMs,
    }),
  })
  pool.on('error', (error) => {
    // The driver attaches the whole connection with its cancel key: not for logs.
    Reflect.deleteProperty(error, 'client')
    options.onBroken?.(error)
  })
  // A borrowed connection may break between two statements: the next one fails, and the error must not end the process.
  pool.on('connect', (client) => client.on('error', () => undefined))

  let generation = 0
  let names = new Map<string, string>()
  const nameOf = (sql: string): string | undefined => {
    let name = names.get(sql)
    if (name === undefined && names.size < preparedMax) {
      name = `w${generation}_${names.size}`
      names.set(sql, name)
    }
    return name
  }
  /** A table has changed: every connection prepares its statements again. */
  const forgetPlans = (): void => {
    generation += 1
    names = new Map()
  }

  const unbound = new WeakSet<pg.PoolClient>()
  const pids = new WeakMap<pg.PoolClient, number>()
  const connectClient = async (): Promise<pg.PoolClient> => {
    const client = await pool.connect()
    if (!patient || unbound.has(client)) return client
    try {
      await client.query(noTransactionTimeout)
    } catch (error) {
      client.release(true)
      throw error
    }
    unbound.add(client)
    return client
  }

  const connect = async (): Promise<PostgresConnection> => {
    const client = await connectClient().catch((error: unknown) => {
      throw unreachable(error)
    })
    let broken = false
    const fail = (thrown: unknown): never => {
      const error = fromPostgresError(thrown)
      if (!(error instanceof SqlError)) broken = true
      if (isStalePlan(error)) forgetPlans()
      throw error
    }
    return {
      async run(sql, parameters) {
        const name = nameOf(sql)
        const query = { text: sql, values: parameters.map(storable), ...(name !== undefined && { name }) }
        const { rows, rowCount, command } = await client.query<object>(query).catch(fail)
        return { rows, changes: command === 'SELECT' ? 0 : (rowCount ?? 0) }
      },
      async runAll(sql) {
        if (broken) throw unreachable(new Error('The connection is gone.')) // a ROLLBACK would wait for the hanging statement
        // The driver's types omit that several statements return several results.
        const results = [await client.query(sql).catch(fail)].flat() as readonly pg.QueryResult[]
        return results.at(-1)?.command ?? ''
      },
      async pid() {
        const known = pids.get(client)
        if (known !== undefined) return known
        // The id of the server process, not of a pooler in between, which is what the driver would give.
        const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid').catch(fail)
        const [{ pid }] = rows as [{ pid: number }] // the statement returns one row
        pids.set(client, pid)
        return pid
      },
      release: () => client.release(broken),
    }
  }

  const onLoan = async <T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T> => {
    const connection = await connect()
    try {
      return await work(connection)
    } finally {
      connection.release()
    }
  }

  let ended: Promise<void> | undefined
  return {
    connect,
    run: (work) => retried(() => onLoan(work)),
    transaction: (work) =>
      retried(() =>
        onLoan(async (connection) => {
          try {
            await connection.runAll('BEGIN')
            const result = await work(connection)
            await connection.runAll('COMMIT')
            return result
          } catch (error) {
            await connection.runAll('ROLLBACK').catch(() => undefined) // the pool ends a broken connection
            throw error
          }
        }),
      ),
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => (ended ??= pool.end()),
  }
}

/** Settings of every session, whatever the defaults of the server or the role are. */
export function sessionSettings(
  url: string,
  applicationName: string,
  {
    joinsBatches = false,
    patient = false,
    extraCa,
  }: Pick<PoolOptions, 'joinsBatches' | 'patient' | 'extraCa'> = {},
): pg.ClientConfig {
  const parsed = new URL(url)
  const given = parsed.searchParams.get('options') ?? ''
  const plans = joinsBatches ? batchPlans : keyPlans
  const ours = [...sessionOptions, ...plans, ...(patient ? noTimeouts : [])]
    .map((option) => `-c ${option}`)
    .join(' ')
  parsed.searchParams.set('options', `${given} ${ours}`.trim())
  const ssl = takeSsl(parsed, extraCa ?? [])
  return {
    connectionString: parsed.href,
    ...(ssl !== undefined && { ssl }),
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
  }
}

/** Modes that the driver treats as verify-full, with a warning; `require` is the most common one. */
const verifiedModes: ReadonlySet<string> = new Set(['prefer', 'require', 'verify-ca', 'verify-full'])
/** With one of these parameters the URL alone configures SSL. */
const ownSslSettings = ['sslrootcert', 'sslcert', 'sslkey', 'uselibpqcompat'] as const

/** Removes the SSL mode from the URL, so that the server is verified against the configured authorities as well. */
function takeSsl({ searchParams }: URL, extraCa: readonly string[]): { readonly ca?: string[] } | undefined {
  const mode = searchParams.get('sslmode') ?? ''
  const wanted =
    verifiedModes.has(mode) || (mode === '' && /^(?:true|1)$/.test(searchParams.get('ssl') ?? ''))
  if (!wanted || ownSslSettings.some((name) => searchParams.has(name))) return undefined
  searchParams.delete('sslmode')
  searchParams.delete('ssl')
  return extraCa.length === 0 ? {} : { ca: [...getCACertificates('default'), ...extraCa] }
}

const sessionOptions = [
  'synchronous_commit=on',
  'default_transaction_isolation=read\\ committed', // a turn must see the work of earlier turns
  'timezone=UTC',
  'jit=off',
]

const noTimeouts = ['statement_timeout=0', 'lock_timeout=0']
/** Servers before 17 do not know the setting, and would refuse a connection that requests it. */
const noTransactionTimeout = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'`

/**
 * Plans made while the tables of a new hub were empty would scan whole tables, until an ANALYZE hours later: at 500,000
 * identifiers the query at sign-in took 650 ms with such a plan, and takes 0.7 ms with the indexes.
 */
const keyPlans = [
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  // With a year of weekly parts, planning takes longer than execution, and every value gets the same plan.
  'plan_cache_mode=force_generic_plan',
]

/** The planner cannot know the length of a batch: with nested loops, 5,000 SETs took ten seconds. */
const batchPlans = ['enable_nestloop=off']

/** PostgreSQL's texts cannot hold NUL: a lookup with one finds nothing, which is right. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD')
  return Array.isArray(value) ? value.map(storable) : value
}
