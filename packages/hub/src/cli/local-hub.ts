import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { loadSettings } from '../config/load-settings.ts'
import type { Settings } from '../config/settings.ts'
import type { Stores } from '../stores.ts'
import { CliError, printLine, type CliIo } from './cli-io.ts'

/** What the options of `localOptions` give. */
export interface LocalOptions {
  readonly data?: string
  readonly envFile?: string
  readonly json?: boolean
}

/** A hub's database, opened in this process, whether or not a hub is running on it. */
export interface LocalHub extends AsyncDisposable {
  readonly stores: Stores
  transaction<T>(work: (stores: Stores) => Promise<T>): Promise<T>
}

export const localGroup = 'Commands on the database of a hub, on its own machine:'

/** Adds the options of every command that works on the database. */
export function localOptions(command: Command): Command {
  return command
    .option('--data <folder>', "the hub's folder (WATCHBELL_DATA, else ./watchbell-data)")
    .option('--env-file <file>', "a file with the hub's settings, a NAME=value on each line")
    .option('--json', 'print JSON for machines')
}

/** The settings of a hub whose data a command works on. @throws SettingsError */
export function localSettings({ env }: Pick<CliIo, 'env'>, { data, envFile }: LocalOptions): Settings {
  return loadSettings({ environment: env, flags: { data }, file: envFile, listens: false })
}

/**
 * Opens the database that the settings name, also while hubs run on it.
 * @throws SettingsError, CliError when it cannot be used, or when the folder has no database
 */
export async function openLocalHub(io: CliIo, options: LocalOptions): Promise<LocalHub> {
  const { databaseUrl, extraCa, folder } = databasePlace(io, options)
  if (databaseUrl !== undefined) return openPostgresHub(databaseUrl, { now: io.world.now(), extraCa })
  if (await hasNoDatabase(folder)) {
    throw new CliError(
      `There is no database in ${resolve(folder)}: it holds no file watchbell.db. The first start of a hub makes one; ` +
        "give the hub's folder with --data or WATCHBELL_DATA.",
    )
  }
  return openFolder(folder, io.world.now())
}

/**
 * The same for commands that may run before the first start of a hub: makes a missing database. Prints the folder,
 * because the hub does not know a token that was made in another folder.
 */
export async function openOrMakeLocalHub(io: CliIo, options: LocalOptions): Promise<LocalHub> {
  const { databaseUrl, extraCa, folder } = databasePlace(io, options)
  if (databaseUrl !== undefined) return openPostgresHub(databaseUrl, { now: io.world.now(), extraCa })
  const isNew = await hasNoDatabase(folder)
  const hub = await openFolder(folder, io.world.now())
  printLine(
    io.stderr,
    isNew
      ? `There was no database in ${resolve(folder)}: a new one was made, for a hub that will start there.`
      : `The hub's folder is ${resolve(folder)}.`,
  )
  return hub
}

/** `--data` overrides WATCHBELL_DATABASE_URL, as for export and import. */
function databasePlace(
  io: CliIo,
  options: LocalOptions,
): {
  readonly databaseUrl: string | undefined
  readonly extraCa: readonly string[]
  readonly folder: string
} {
  const { data, caFile, secrets } = localSettings(io, options)
  const databaseUrl = options.data === undefined ? secrets.databaseUrl : undefined
  return { databaseUrl, extraCa: caFile, folder: data }
}

/** Other problems are reported when the database is opened. */
async function hasNoDatabase(folder: string): Promise<boolean> {
  const { databaseFile } = await import('../storage/sqlite/connection.ts') // loads the driver
  try {
    await stat(databaseFile(folder))
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}

async function openFolder(folder: string, now: Date): Promise<LocalHub> {
  const { openSqliteInThread } = await import('../storage/sqlite/in-thread.ts') // loads the driver
  try {
    const { storage } = await openSqliteInThread(folder, now)
    return storage
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(
      `The database in ${folder} cannot be opened: ${reason}. Give the hub's folder with --data, and run this as ` +
        'the user that runs the hub.',
    )
  }
}

async function openPostgresHub(
  url: string,
  { now, extraCa }: { readonly now: Date; readonly extraCa: readonly string[] },
): Promise<LocalHub> {
  const { openPostgres } = await import('../storage/postgres/open-postgres.ts') // loads the driver
  try {
    return await openPostgres({ url, extraCa, connectionsMax: 2, migrateAt: now })
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error))
  }
}
