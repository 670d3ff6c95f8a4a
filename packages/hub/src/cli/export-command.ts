import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import { ownVersion } from '../base/version.ts'
import type { DumpedLines } from '../storage/transfer/dump.ts'
import { CliError, printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { localGroup, localOptions, type LocalOptions } from './local-hub.ts'
import { newFile } from './new-file.ts'
import { countOf, megabytes, progressOn } from './progress.ts'
import { transferFailure, openSource, transferPlace, type TransferPlace } from './transfer-place.ts'

const help = `
Each line is a JSON object: first a header, then one for each row, and last the counts, so that a truncated file is
noticed. The export is a consistent snapshot; hubs may run meanwhile and are not delayed. Temporary data, such as the
locks of nodes, is not exported.

It holds the hub's secrets: hashes of API tokens, and keys and passwords encrypted with the hub's secret key. Only its
owner can read the file (mode 0600). The secret key is not in it; the new hub needs the same secret key.

--data overrides WATCHBELL_DATABASE_URL, so that you can move from one database to the other.

Examples:
  $ watchbell export --data /var/lib/watchbell hub.jsonl
  $ watchbell export --env-file hub.env - | gzip > hub.jsonl.gz
  $ watchbell export --data /var/lib/watchbell - | watchbell import --env-file postgres.env -`

/** `watchbell export`: all data of a hub as JSON Lines, from either database. */
export function registerExport(program: Command, io: CliIo): void {
  localOptions(program.command('export'))
    .description(
      'Export all data of the hub as JSON Lines, for `watchbell import` into the same or the other kind of database.',
    )
    .helpGroup(localGroup)
    .argument('[file]', 'a new file, or - for standard output, which is the default')
    .addHelpText('after', help)
    .action((file: string | undefined, options: LocalOptions) => exportAll(io, file, options))
}

/** Where lines go: a file, or standard output. */
type Sink = (text: string) => Promise<void>

interface Exported {
  readonly bytes: number
  readonly counts: Readonly<Record<string, number>>
}

async function exportAll(io: CliIo, path: string | undefined, options: LocalOptions): Promise<void> {
  const place = transferPlace(io, options)
  if (path === undefined || path === '-') {
    if (path === undefined && io.stdout.isTTY) {
      throw wrongUsage('Name a file, or - for standard output: an export is long, and holds secrets.')
    }
    const exported = await writeAll(io, place, async (text) => {
      ;(io.stdout.raw ?? io.stdout.write)(text)
      await io.stdout.drained()
    })
    return tell(io.stderr, place, options, '-', exported)
  }
  const stop = io.stopSignal()
  await using file = await newFile(io, path)
  const handle = await open(file.temporaryPath, 'a')
  let exported: Exported
  try {
    exported = await writeAll(io, place, async (text) => {
      if (stop.aborted) throw new CliError('Stopped; there is no export.')
      await handle.appendFile(text)
    })
  } finally {
    await handle.close()
  }
  await file.keep()
  tell(io.stdout, place, options, path, exported)
}

async function writeAll(io: CliIo, place: TransferPlace, write: Sink): Promise<Exported> {
  const say = progressOn(io)
  await using source = await openSource(place)
  const { dump } = await import('../storage/transfer/dump.ts') // loads Kysely, which most commands do without
  const about = { version: ownVersion(), now: io.world.now() }
  let bytes = 0
  let counts: DumpedLines['counts'] = {}
  try {
    for await (const lines of dump(source, about)) {
      await write(lines.text)
      bytes += Buffer.byteLength(lines.text)
      counts = lines.counts
      say(() => `${rowsIn(counts)}, ${megabytes(bytes)} so far; now ${lines.table} …`)
    }
  } catch (error) {
    throw transferFailure(error)
  }
  return { bytes, counts }
}

function tell(
  output: CliIo['stdout'],
  place: TransferPlace,
  options: LocalOptions,
  file: string,
  { bytes, counts }: Exported,
): void {
  printResult({ stdout: output }, options, { file, bytes, counts }, () => {
    const subject = file === '-' ? 'That' : file
    return (
      `${subject} is all of ${place.name}: ${rowsIn(counts)}, ${megabytes(bytes)}.\n` +
      'The secret key is not in it; whoever imports it needs the same one. See `watchbell import --help`.'
    )
  })
}

export function rowsIn(counts: Readonly<Record<string, number>>): string {
  return countOf(
    Object.values(counts).reduce((sum, count) => sum + count, 0),
    'row',
  )
}
