import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { Client } from 'pg'
import type { TestHub } from '../../src/testing/start-test-hub.ts'
import { migrations } from '../../src/storage/migrations/index.ts'
import { databaseFile } from '../../src/storage/sqlite/connection.ts'
import { openPostgresSource } from '../../src/storage/transfer/postgres.ts'
import { openSqliteSource } from '../../src/storage/transfer/sqlite.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { exported } from '../transfer-databases.ts'
import { fill, startHub, startSurroundings } from '../transfer/full-hub.ts'

// Databases as a version of Watchbell left them: test/upgrade/<version>/, made by `npm run upgrade-fixture`.

export const databases = ['sqlite', 'postgres'] as const
export type DatabaseKind = (typeof databases)[number]

/** What is known of a kept database, to be found in it again. */
export interface FixtureContent {
  readonly secretKey: string
  /** Rows by table. */
  readonly counts: Readonly<Record<string, number>>
  readonly tokens: { readonly live: string; readonly revoked: string }
  /** What is asked of the API, and what of its answers does not change with time. */
  readonly shown: Shown
}

export interface Shown {
  readonly providers: readonly { readonly name: string; readonly status: string }[]
  readonly clients: number
  readonly signals: readonly { readonly jti: string | null; readonly outcome: string }[]
  readonly subjects: readonly string[]
  readonly stream: { readonly connected: boolean; readonly delivery: string }
}

const fileOf: Readonly<Record<DatabaseKind, string>> = {
  sqlite: 'watchbell.db.gz',
  postgres: 'watchbell.sql.gz',
}

/** Fills a hub with one of everything, on each database, and keeps what it leaves in `folder`. */
export async function makeFixture(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const kind of databases) {
    await using temporary = await temporaryFolder()
    const place = kind === 'sqlite' ? temporary.path : await emptyDatabase()
    await using around = await startSurroundings()
    let shown: Shown
    {
      await using hub = await startHub(around, kind === 'sqlite' ? { folder: place } : { databaseUrl: place })
      await fill(hub, around)
      shown = await readShown(hub)
    }
    const content: FixtureContent = {
      secretKey: around.settings.secretKey ?? '',
      counts: await countsOf(kind, place),
      tokens: {
        live: around.credentials.get('live') ?? '',
        revoked: around.credentials.get('revoked') ?? '',
      },
      shown,
    }
    const bytes = kind === 'sqlite' ? await sqliteFile(place) : Buffer.from(await postgresDump(place))
    await writeFile(join(folder, fileOf[kind]), gzipSync(bytes, { level: 9 }))
    await writeFile(join(folder, `${kind}.json`), `${JSON.stringify(content, undefined, 2)}\n`)
  }
}

export async function contentOf(folder: string, kind: DatabaseKind): Promise<FixtureContent> {
  return JSON.parse(await readFile(join(folder, `${kind}.json`), 'utf8')) as FixtureContent // made above
}

/** Puts a kept database into a data folder, or into an empty database of PostgreSQL. */
export async function unpackFixture(folder: string, kind: DatabaseKind, place: string): Promise<void> {
  const bytes = gunzipSync(await readFile(join(folder, fileOf[kind])))
  if (kind === 'sqlite') return writeFile(databaseFile(place), bytes, { mode: 0o600 })
  const client = new Client({ connectionString: place })
  await client.connect()
  try {
    await client.query(bytes.toString())
  } finally {
    await client.end()
  }
}

/** Rows by table, as an export has them. */
export async function countsOf(kind: DatabaseKind, place: string): Promise<FixtureContent['counts']> {
  const source = () => (kind === 'sqlite' ? openSqliteSource(place) : openPostgresSource(place))
  const last = (await exported({ source })).at(-1) ?? ''
  return (JSON.parse(last) as { end: { counts: Record<string, number> } }).end.counts // the closing line
}

/** Every column of every table, parts of weekly tables apart. */
export async function columnsOf(kind: DatabaseKind, place: string): Promise<readonly unknown[]> {
  if (kind === 'postgres') {
    return runOn(
      place,
      `SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
          AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2`,
    )
  }
  const database = new Database(databaseFile(place), { readonly: true })
  try {
    return database
      .prepare(
        `SELECT t.name AS "table", c.name AS "column", c.type, c."notnull" AS required
          FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, 2`,
      )
      .all()
  } finally {
    database.close()
  }
}

/** @see Shown */
export async function readShown(hub: TestHub): Promise<Shown> {
  const get = async (path: string): Promise<unknown> => (await hub.api('GET', path)).json()
  const providers = (await get('/api/v1/security-events-providers')) as readonly (Shown['providers'][0] & {
    readonly id: string
  })[]
  const streaming = providers.find(({ name }) => name === 'Streaming')?.id ?? ''
  const { signals } = (await get('/v1/signals?limit=200')) as { signals: Shown['signals'] }
  const { subjects } = (await get('/v1/subjects?limit=200')) as { subjects: readonly { id: string }[] }
  const { connected, delivery } = (await get(`/v1/providers/${streaming}/stream`)) as Shown['stream']
  return {
    providers: providers.map(({ name, status }) => ({ name, status })),
    clients: ((await get('/oauth2/v1/clients')) as readonly object[]).length,
    signals: signals.map(({ jti, outcome }) => ({ jti, outcome })),
    subjects: subjects.map((subject) => subject.id),
    stream: { connected, delivery },
  }
}

async function sqliteFile(folder: string): Promise<Buffer> {
  await using temporary = await temporaryFolder()
  const copy = databaseFile(temporary.path)
  const database = new Database(databaseFile(folder), { readonly: true })
  try {
    database.prepare('VACUUM INTO ?').run(copy)
  } finally {
    database.close()
  }
  return readFile(copy)
}

/** The schema as the migrations of this version make it, and every row: a text that needs nothing of ours to be run. */
async function postgresDump(url: string): Promise<string> {
  const taken = await runOn(url, 'SELECT name, applied_at FROM migrations ORDER BY name')
  const at = new Date(Number(taken[0]?.['applied_at'] ?? 0)).toISOString()
  const schema = migrations.flatMap((step) =>
    // The first week of the weekly tables is that of the migration.
    step.postgres.map((statement) =>
      statement.trimStart().startsWith('DO $$')
        ? statement.replaceAll('now()', `TIMESTAMPTZ '${at}'`)
        : statement,
    ),
  )
  const statements = [
    'SET session_replication_role = replica',
    'CREATE TABLE migrations (name TEXT COLLATE "C" PRIMARY KEY, applied_at BIGINT NOT NULL)',
    ...schema,
  ]
  const tables = await runOn(
    url,
    `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
      AND relnamespace = 'public'::regnamespace ORDER BY relname`,
  )
  for (const { relname } of tables) {
    const table = String(relname)
    const columns = await runOn(
      url,
      `SELECT quote_ident(column_name) AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = '${table}' AND is_generated = 'NEVER' ORDER BY ordinal_position`,
    )
    const names = columns.map(({ name }) => String(name))
    const values = names.map((name) => `quote_nullable(${name}::text)`).join(` || ', ' || `)
    const rows = await runOn(
      url,
      `SELECT 'INSERT INTO ${table} (${names.join(', ')}) OVERRIDING SYSTEM VALUE VALUES (' || ${values} || ')' AS row
        FROM ${table} ORDER BY 1`,
    )
    if (rows.length > 0) statements.push(`DELETE FROM ${table}`) // what migrations put there themselves
    statements.push(...rows.map(({ row }) => String(row)))
  }
  const sequences = await runOn(
    url,
    `SELECT format('SELECT setval(%L, %s)', quote_ident(sequencename), last_value) AS set FROM pg_sequences
      WHERE schemaname = 'public' AND last_value IS NOT NULL ORDER BY 1`,
  )
  statements.push(...sequences.map(({ set }) => String(set)), 'RESET session_replication_role')
  return statements.map((statement) => `${statement};\n`).join('')
}
