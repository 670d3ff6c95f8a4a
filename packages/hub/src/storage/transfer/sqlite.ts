import { existsSync } from 'node:fs'
import { databaseFile, openConnection, type SqliteConnection } from '../sqlite/connection.ts'
import { kyselyOverSessions } from '../sqlite/kysely.ts'
import { lockFolder } from '../sqlite/folder-lock.ts'
import { openSqliteInThread } from '../sqlite/in-thread.ts'
import { readSessions } from '../sqlite/read-sessions.ts'
import { TransferError } from './format.ts'
import type { TransferSource, TransferTarget } from './tables.ts'
import { sqliteVariant } from '../sql/sql-variant.ts'

/**
 * The embedded database of a data folder as of one moment, with or without a hub on it. Read-only.
 * @throws TransferError when there is none
 */
export async function openSqliteSource(folder: string): Promise<TransferSource> {
  const connection = openConnection({ file: existingDatabase(folder), readOnly: true })
  connection.run('BEGIN', [])
  return transferOver(connection)
}

/**
 * The embedded database of a data folder without a hub on it; created and migrated when it does not exist.
 * @throws Error when a hub runs on it, or a newer Watchbell made it
 */
export async function openSqliteTarget(folder: string, now: Date): Promise<TransferTarget> {
  using opened = new DisposableStack()
  opened.use(lockFolder(folder))
  const { storage } = await openSqliteInThread(folder, now)
  await storage[Symbol.asyncDispose]()
  const connection = openConnection({ file: databaseFile(folder), readOnly: false })
  opened.defer(() => connection.close())
  connection.run('BEGIN IMMEDIATE', [])
  const held = opened.move()
  return {
    ...transferOver(connection),
    commit: async () => void connection.run('COMMIT', []),
    [Symbol.asyncDispose]: async () => held.dispose(), // closing rolls back what is not committed
  }
}

/** @throws TransferError */
export function existingDatabase(folder: string): string {
  const file = databaseFile(folder)
  if (existsSync(file)) return file
  throw new TransferError(`There is no database in ${folder}: it holds no file watchbell.db.`)
}

function transferOver(connection: SqliteConnection): TransferSource {
  return {
    kind: 'sqlite',
    db: kyselyOverSessions(readSessions(connection)),
    variant: sqliteVariant,
    [Symbol.asyncDispose]: async () => connection.close(),
  }
}
