import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Loaded } from '../storage/transfer/load.ts'
import { CliError, printResult, printLine, wrongUsage, type CliIo } from './cli-io.ts'
import { rowsIn } from './export-command.ts'
import { localGroup, localOptions, type LocalOptions } from './local-hub.ts'
import { progressOn } from './progress.ts'
import {
  transferFailure,
  keyFit,
  openTarget,
  transferPlace,
  type KeyFit,
  type TransferPlace,
} from './transfer-place.ts'

const help = `
The database must be empty: a new folder for the embedded database, or a new PostgreSQL database. The command makes its
tables. No hub may run on it meanwhile; a hub that starts waits, and then gives up.

All or nothing: every line is checked and all rows are stored in one transaction, so a failure leaves the database empty.
Standard input must therefore end.

The new hub needs the secret key of the exported hub: as secret.key in the new folder, or in WATCHBELL_SECRET_KEY. With
another secret key nothing is imported, unless --other-secret-key says that the right one is lost.
The new hub does not have what the old hub received after the export, so stop the old hub first when you move.

Examples:
  $ watchbell import --data /var/lib/watchbell-new hub.jsonl
  $ watchbell import --env-file postgres.env hub.jsonl
  $ gunzip -c hub.jsonl.gz | watchbell import --env-file postgres.env -`

const readBytes = 1_048_576

/** `watchbell import`: an export into an empty database of either kind. */
export function registerImport(program: Command, io: CliIo): void {
  localOptions(program.command('import'))
    .description('Import the file of `watchbell export` into an empty database.')
    .helpGroup(localGroup)
    .argument('<file>', 'the export, or - for standard input')
    .option(
      '--other-secret-key',
      'import although the secret key is not that of the exported hub: encrypted data stays unreadable',
    )
    .addHelpText('after', help)
    .action((file: string, options: ImportOptions) => importAll(io, file, options))
}

interface ImportOptions extends LocalOptions {
  readonly otherSecretKey?: true
}

async function importAll(io: CliIo, file: string, options: ImportOptions): Promise<void> {
  const place = transferPlace(io, options)
  const tell = progressOn(io)
  await using input = file === '-' ? undefined : await openInput(file)
  const chunks: AsyncIterable<Uint8Array> = input === undefined ? io.stdin : bytesOf(input, file)
  await using target = await openTarget(place, io)
  const { load } = await import('../storage/transfer/load.ts') // loads Kysely, which most commands do without
  let loaded: Loaded
  try {
    loaded = await load(target, chunks, ({ counts }, table) =>
      tell(() => `${rowsIn(counts)} so far; now ${table} …`),
    )
  } catch (error) {
    const refusal = transferFailure(error)
    if (!(refusal instanceof CliError)) throw refusal
    throw new CliError(`${refusal.message} Nothing was imported.`, refusal.exitCode)
  }
  const key = await keyFit(place, target)
  if (key === 'other' && options.otherSecretKey !== true) {
    const advice = keyAdvice(key, place)
    throw new CliError(
      `${advice.charAt(0).toUpperCase()}${advice.slice(1)}. Nothing was imported. If that key is gone for good, give --other-secret-key.`,
    )
  }
  await target.commit()
  const text = (): string => `${rowsIn(loaded.counts)} are in ${place.name}.`
  printResult(io, options, { ...loaded, secret_key: key }, text)
  if (key !== 'fits' && options.json !== true) printLine(io.stderr, `watchbell: ${keyAdvice(key, place)}`)
}

function openInput(file: string): Promise<FileHandle> {
  return open(file).catch((error: unknown) => {
    throw unreadable(file, error)
  })
}

async function* bytesOf(input: FileHandle, file: string): AsyncGenerator<Uint8Array> {
  const stream: AsyncIterable<Buffer> = input.createReadStream({ autoClose: false, highWaterMark: readBytes })
  try {
    yield* stream
  } catch (error) {
    throw unreadable(file, error)
  }
}

function unreadable(file: string, error: unknown): CliError {
  return wrongUsage(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
}

function keyAdvice(key: Exclude<KeyFit, 'fits'>, { databaseUrl, folder }: TransferPlace): string {
  const where =
    databaseUrl === undefined
      ? `${join(folder, 'secret.key')} or WATCHBELL_SECRET_KEY`
      : 'WATCHBELL_SECRET_KEY'
  return key === 'missing'
    ? `before the hub starts, put the secret key of the hub that was exported into ${where}: a new one opens nothing that is encrypted`
    : `the secret key in ${where} is not the one of the hub that was exported, and opens nothing that is encrypted: put that one there before the hub starts`
}
