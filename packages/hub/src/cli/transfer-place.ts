import { isHubError } from '../base/hub-error.ts'
import { createSecretBox } from '../base/secret-box.ts'
import { hasSecretKey, secretKey } from '../config/secret-key.ts'
import { SettingsError } from '../config/settings.ts'
import { connectionProblem } from '../storage/postgres/connection-problem.ts'
import { TransferError } from '../storage/transfer/format.ts'
import type { TransferSource, TransferTarget } from '../storage/transfer/tables.ts'
import { CliError, type CliIo } from './cli-io.ts'
import { localSettings, type LocalOptions } from './local-hub.ts'

/** Where the rows of a hub are. */
export interface TransferPlace {
  /** Of PostgreSQL; undefined for the embedded database in the folder. */
  readonly databaseUrl: string | undefined
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly extraCa: readonly string[]
  readonly folder: string
  /** In words, without secrets. */
  readonly name: string
  readonly secretKey: Uint8Array | undefined
}

/** The database that the settings name; `--data` overrides WATCHBELL_DATABASE_URL. */
export function transferPlace(io: Pick<CliIo, 'env'>, options: LocalOptions): TransferPlace {
  const settings = localSettings(io, options)
  const databaseUrl = options.data === undefined ? settings.secrets.databaseUrl : undefined
  return {
    databaseUrl,
    extraCa: settings.caFile,
    folder: settings.data,
    name: databaseUrl === undefined ? `the data folder ${settings.data}` : databaseName(databaseUrl),
    secretKey: settings.secrets.secretKey,
  }
}

function databaseName(databaseUrl: string): string {
  const { hostname, pathname, searchParams } = new URL(databaseUrl)
  const host = searchParams.get('host') ?? hostname
  return `the PostgreSQL database ${pathname.slice(1)}${host === '' ? '' : ` at ${host}`}`
}

export async function openSource({
  databaseUrl,
  extraCa,
  folder,
  name,
}: TransferPlace): Promise<TransferSource> {
  return opened(name, async () => {
    if (databaseUrl === undefined) {
      const { openSqliteSource } = await import('../storage/transfer/sqlite.ts') // loads the driver
      return openSqliteSource(folder)
    }
    const { openPostgresSource } = await import('../storage/transfer/postgres.ts') // loads the driver
    return openPostgresSource(databaseUrl, extraCa)
  })
}

export async function openTarget(
  { databaseUrl, extraCa, folder, name }: TransferPlace,
  { world }: Pick<CliIo, 'world'>,
): Promise<TransferTarget> {
  return opened(name, async () => {
    if (databaseUrl === undefined) {
      const { openSqliteTarget } = await import('../storage/transfer/sqlite.ts') // loads the driver
      return openSqliteTarget(folder, world.now())
    }
    const { openPostgresTarget } = await import('../storage/transfer/postgres.ts') // loads the driver
    return openPostgresTarget(databaseUrl, world.now(), extraCa)
  })
}

async function opened<T>(name: string, open: () => Promise<T>): Promise<T> {
  return open().catch((error: unknown) => {
    if (error instanceof TransferError) throw new CliError(error.message)
    const cause = isHubError(error) && error.cause instanceof Error ? error.cause : error
    throw new CliError(`It is not possible to use ${name}: ${connectionProblem(cause)}.`)
  })
}

/** Converts a TransferError to a message for the user; other errors stay. */
export function transferFailure(error: unknown): unknown {
  return error instanceof TransferError ? new CliError(error.message) : error
}

/** Whether the secret key of a place decrypts the data in its database. */
export type KeyFit = 'fits' | 'missing' | 'other'

export async function keyFit(place: TransferPlace, { db }: TransferSource): Promise<KeyFit> {
  const sealed = await db.selectFrom('signing_keys').select('sealed_private_jwk').limit(1).executeTakeFirst()
  if (sealed === undefined) return 'fits' // The database has no encrypted data.
  if (!hasSecretKey(place.secretKey, place.folder)) return 'missing'
  try {
    await createSecretBox(secretKey(place.secretKey, place.folder)).open(sealed.sealed_private_jwk)
    return 'fits'
  } catch (error) {
    if (isHubError(error) || error instanceof SettingsError) return 'other'
    throw error
  }
}
