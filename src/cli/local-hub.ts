import type { Command } from 'commander'
import { loadSettings } from '../config/load-settings.ts'
import type { Settings } from '../config/settings.ts'
import type { Stores } from '../stores.ts'
import { CliError, type CliIo } from './cli-io.ts'

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

/** The options of every command that works on the database itself. */
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
 * Opens the database that the settings name; both kinds let that happen beside running hubs.
 * @throws SettingsError, CliError when it cannot be used
 */
export async function openLocalHub(io: CliIo, options: LocalOptions): Promise<LocalHub> {
  const settings = localSettings(io, options)
  const { databaseUrl } = settings.secrets
  // What stands on the command line is meant: `--data` beats WATCHBELL_DATABASE_URL, as it does for export and import.
  if (databaseUrl !== undefined && options.data === undefined)
    return openPostgresHub(databaseUrl, io.world.now())
  const { openSqliteInThread } = await import('../storage/sqlite/in-thread.ts') // loads the driver
  try {
    const { storage } = await openSqliteInThread(settings.data, io.world.now())
    return storage
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(
      `The database in ${settings.data} cannot be opened: ${reason}. Give the hub's folder with --data, and run this as ` +
        'the user that runs the hub.',
    )
  }
}

async function openPostgresHub(url: string, now: Date): Promise<LocalHub> {
  const { openPostgres } = await import('../storage/postgres.ts') // loads the driver
  try {
    return await openPostgres({ url, connectionsMax: 2, migrateAt: now })
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error))
  }
}
