import { StorageError } from '../../base/storage-error.ts'

/** The result of a statement. `changes` counts the rows that it inserted, updated or deleted. */
export interface SqlResult {
  readonly rows: readonly unknown[]
  readonly changes: number
}

/** Runs statements one after the other. */
export interface SqlSession {
  run(sql: string, parameters: readonly unknown[]): Promise<SqlResult>
  begin(): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** Provides sessions: one for each statement, or one for a whole transaction. */
export interface SqlSessions {
  open(): SqlSession
  close(): Promise<void>
}

/** Prefixes of codes, of either database, that blame the data of the statement. */
const dataFaults = [
  'SQLITE_CONSTRAINT',
  'SQLITE_MISMATCH',
  'SQLITE_TOOBIG',
  '22', // data exceptions
  '23', // constraint violations
  '54', // a limit of the server, for example a value too long for an index
]

/** A statement that failed in the database. `code` is the driver's own. */
export class SqlError extends StorageError {
  override readonly name = 'SqlError'
  readonly code: string
  /** The `table.column` of a violated unique constraint, when the driver gives it apart from the message. */
  readonly unique: string | undefined

  constructor(code: string, message: string, unique?: string) {
    super(message)
    this.code = code
    this.unique = unique
  }

  get blamesData(): boolean {
    return dataFaults.some((prefix) => this.code.startsWith(prefix))
  }
}

/** The `table.column` of a violated unique constraint; undefined for any other error. */
export function brokenUniqueness(error: unknown): string | undefined {
  if (!(error instanceof SqlError)) return undefined
  if (!error.code.startsWith('SQLITE_CONSTRAINT')) return error.unique
  return /^UNIQUE constraint failed: (\S+)/.exec(error.message)?.[1]
}
