import { join } from 'node:path'
import type { Command } from 'commander'
import { CliError, printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { localGroup, localOptions, type LocalOptions } from './local-hub.ts'
import { newFile } from './new-file.ts'
import { megabytes, progressOn } from './progress.ts'
import { transferFailure, transferPlace } from './transfer-place.ts'

const help = `
The copy is a consistent snapshot. A hub may run meanwhile and is not delayed; its write-ahead log grows until the copy is
done.

The copy holds the hub's secrets: hashes of API tokens, and keys and passwords encrypted with the hub's secret key. Only
its owner can read it (mode 0600). Keep the secret key with your secrets, not beside the copy; without it the encrypted
data is lost. The secret key is the file secret.key in the hub's folder, or the value of WATCHBELL_SECRET_KEY.

A hub that starts on the copy is a standby: it does not contact transmitters, change streams or delete old data, so that a
drill does not disturb the original hub. --standby false makes it the active hub, permanently.

To restore: stop the hub; make an empty folder; put the copy there as watchbell.db and the secret key as secret.key,
readable by the hub's user; start the hub with that folder.

Examples:
  $ watchbell backup --data /var/lib/watchbell /backup/watchbell-$(date +%F).db
  $ install -d -m 700 restored && cp /backup/watchbell-2026-01-31.db restored/watchbell.db
  $ cp secret.key restored/ && watchbell serve --data restored                   # a drill
  $ watchbell serve --data restored --standby false                              # the hub from now on`

/** `watchbell backup`: a copy of the embedded database while a hub runs on it. */
export function registerBackup(program: Command, io: CliIo): void {
  localOptions(program.command('backup'))
    .description('Copy the embedded database to a new file; the hub may run meanwhile.')
    .helpGroup(localGroup)
    .argument('<file>', 'file of the copy; an existing file is never overwritten')
    .addHelpText('after', help)
    .action((file: string, options: LocalOptions) => backup(io, file, options))
}

async function backup(io: CliIo, path: string, options: LocalOptions): Promise<void> {
  const { databaseUrl, folder, secretKey } = transferPlace(io, options)
  if (databaseUrl !== undefined) {
    throw wrongUsage(
      'WATCHBELL_DATABASE_URL is set, so the hub is on PostgreSQL: back it up with pg_dump, or with `watchbell export`. For an embedded database name its folder with --data.',
    )
  }
  const stop = io.stopSignal()
  const tell = progressOn(io)
  await using file = await newFile(io, path)
  const { backUp } = await import('../storage/sqlite/backup.ts') // loads the driver
  const { bytes } = await backUp(folder, file.temporaryPath, io.world.now(), ({ bytes, bytesDone }) => {
    if (stop.aborted) throw new CliError('Stopped; there is no backup.')
    tell(() => `${megabytes(bytesDone)} of ${megabytes(bytes)} …`)
  }).catch((error: unknown) => {
    throw transferFailure(error)
  })
  await file.keep()
  const key = secretKey === undefined ? join(folder, 'secret.key') : 'WATCHBELL_SECRET_KEY'
  printResult(io, options, { file: path, bytes, secret_key: key }, () => {
    const done = `${path} is a backup of ${folder} (${megabytes(bytes)}).`
    return `${done}\nKeep the secret key (${key}) too: without it, what is encrypted is lost. \`watchbell backup --help\` says how to restore.`
  })
}
