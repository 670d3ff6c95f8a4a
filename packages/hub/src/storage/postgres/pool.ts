import { getCACertificates } from 'node:tls'
import pg from 'pg'
import type { PoolStats } from '../../stores.ts'
import { SqlError, type SqlResult } from '../sql/sql-sessions.ts'
import { fromPostgresError, isStalePlan, retried, unreachable } from './errors.ts'

export interface PoolOptions {
  /** `postgres://…`, as node-postgres and libpq read it. */
  readonly url: string
  readonly connectionsMax: number
  /** What an operator sees in pg_stat_activity. */
  readonly applicationName: string
  /** Without limits on how long a statement or a lock may take: for migrations. */
  readonly patient?: boolean
  /** For statements that join the rows of a batch with each other, instead of looking each of them up by key. */
  readonly joinsBatches?: boolean
  /** Told of idle connections that broke; whoever needs one next gets a new one. */
  readonly onBroken?: (error: Error) => void
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly extraCa?: readonly string[] | undefined
}

/** A connection on loan. */
export interface PostgresConnection {
  run(sql: string, parameters: readonly unknown[]): Promise<SqlResult>
  /** Statements without parameters, in one round trip. @returns the last one's command, `COMMIT` say */
  runAll(sql: string): Promise<string>
  /** Of the server's process behind it. */
  pid(): Promise<number>
  /** Gives it back, or ends it after a failure that was not the statement's. */
  release(): void
}

export interface PostgresPool {
  /** @throws HubError `hub.unavailable` when none is to be had in time */
  connect(): Promise<PostgresConnection>
  /** For one statement, which stands for itself; tried again when it fails in passing. */
  run<T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T>
  /** For several statements that happen together, but wait for nobody's turn. */
  transaction<T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T>
  stats(): PoolStats
  close(): Promise<void>
}

/** How long to wait for a connection, be it a new one or one that others use. */
const connectTimeoutMs = 5_000
const statementTimeoutMs = 30_000
/** The turn may be held by a node that vanished; the next limit frees it, so this one is longer. */
const lockTimeoutMs = 15_000
export const idleInTransactionTimeoutMs = 10_000
/** When the server is gone without a word. */
const answerTimeoutMs = statementTimeoutMs + 5_000
const idleTimeoutMs = 30_000
const keepAliveDelayMs = 10_000
/** Statements kept ready on each connection; the hub has about a hundred different ones. */
const preparedMax = 500

const numbers: ReadonlySet<number> = new Set([pg.types.builtins.INT8, pg.types.builtins.INT4])
const json: ReadonlySet<number> = new Set([pg.types.builtins.JSON, pg.types.builtins.JSONB])

/** Rows as SQLite gives them: whole numbers are numbers, and JSON is text. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (numbers.has(oid)) return Number
    if (json.has(oid)) return String
    return format === 'binary' ? pg.types.getTypeParser(oid, format) : pg.types.getTypeParser(oid)
  },
}

/** Connections to PostgreSQL with the settings our promises rest on, and statements kept ready on each of them. */
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
    // The driver hangs the whole connection on it, with all that was prepared and the key that cancels: nothing for logs.
    Reflect.deleteProperty(error, 'client')
    options.onBroken?.(error)
  })
  // One on loan may break between two statements: the next of them says so, and it must not end the process.
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
  /** What was prepared fits the tables no more: every connection prepares anew. */
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
        if (broken) throw unreachable(new Error('The connection is gone.')) // a ROLLBACK would wait behind what it waits for
        // Several statements give several results, which the driver's types do not know.
        const results = [await client.query(sql).catch(fail)].flat() as readonly pg.QueryResult[]
        return results.at(-1)?.command ?? ''
      },
      async pid() {
        const known = pids.get(client)
        if (known !== undefined) return known
        // Of the server, and not of a pooler before it, which the driver would know.
        const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid').catch(fail)
        const [{ pid }] = rows as [{ pid: number }] // one row, as the statement has it
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
            await connection.runAll('ROLLBACK').catch(() => undefined) // the pool lets go of a broken connection
            throw error
          }
        }),
      ),
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => (ended ??= pool.end()),
  }
}

/** What every session has, whatever the defaults of the server or the role are. */
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

/** Modes that the driver takes for verify-full, with a warning on the way; `require` is what most people write. */
const verifiedModes: ReadonlySet<string> = new Set(['prefer', 'require', 'verify-ca', 'verify-full'])
/** Where one of these stands, the URL says all about SSL by itself. */
const ownSslSettings = ['sslrootcert', 'sslcert', 'sslkey', 'uselibpqcompat'] as const

/** Takes out of the URL that the server is to prove who it is, to have it checked with the authorities of the settings too. */
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
  'default_transaction_isolation=read\\ committed', // what a turn is given must show what earlier turns did
  'timezone=UTC',
  'jit=off',
]

const noTimeouts = ['statement_timeout=0', 'lock_timeout=0']
/** Servers before 17 do not know it, and would refuse a connection that asks for it. */
const noTransactionTimeout = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'`

/**
 * Plans that were made while the tables of a new hub were empty would read them whole, and stay until somebody analyses
 * the tables, hours later: at 500,000 identifiers the question at sign-in took 650 ms by such a plan, and takes 0.7 ms by
 * the indexes.
 */
const keyPlans = [
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  // With a year of weeks planning takes longer than what is planned, and comes out the same for all values.
  'plan_cache_mode=force_generic_plan',
]

/** Nothing tells the planner how long a batch is; joined by nested loops, 5,000 SETs took ten seconds. */
const batchPlans = ['enable_nestloop=off']

/** PostgreSQL's texts cannot hold NUL: a lookup with one finds nothing, as it should. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD')
  return Array.isArray(value) ? value.map(storable) : value
}
