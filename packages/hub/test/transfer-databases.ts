import { openPostgresSource, openPostgresTarget } from '../src/storage/transfer/postgres.ts'
import { openSqliteSource, openSqliteTarget } from '../src/storage/transfer/sqlite.ts'
import { dump } from '../src/storage/transfer/dump.ts'
import { load, type Loaded } from '../src/storage/transfer/load.ts'
import type { TransferSource, TransferTarget } from '../src/storage/transfer/tables.ts'
import { emptyDatabase } from './postgres-database.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A database that rows are moved into and out of, empty at first. */
export interface TransferSite extends AsyncDisposable {
  /** The data folder, or the URL. */
  readonly at: string
  source(): Promise<TransferSource>
  target(): Promise<TransferTarget>
}

const now = new Date('2026-01-01T12:00:00Z')

export async function sqliteSite(): Promise<TransferSite> {
  const folder = await temporaryFolder()
  return {
    at: folder.path,
    source: () => openSqliteSource(folder.path),
    target: () => openSqliteTarget(folder.path, now),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

export async function postgresSite(): Promise<TransferSite> {
  const url = await emptyDatabase()
  return {
    at: url,
    source: () => openPostgresSource(url),
    target: () => openPostgresTarget(url, now),
    async [Symbol.asyncDispose]() {},
  }
}

export const sites = [
  ['SQLite', sqliteSite],
  ['PostgreSQL', postgresSite],
] as const

/** All lines of an export. */
export async function exported({ source }: Pick<TransferSite, 'source'>): Promise<readonly string[]> {
  await using database = await source()
  let text = ''
  for await (const lines of dump(database, { version: '0', now })) text += lines.text
  return text.trimEnd().split('\n')
}

/** Loads lines and commits, or throws and leaves nothing. */
export async function imported(
  { target }: Pick<TransferSite, 'target'>,
  lines: readonly string[],
): Promise<Loaded> {
  await using database = await target()
  const loaded = await load(database, chunksOf(lines))
  await database.commit()
  return loaded
}

async function* chunksOf(lines: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(`${line}\n`)
}
