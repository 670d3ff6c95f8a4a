import type { Command } from 'commander'
import type { LogEntryBody, LogPartyBody } from '../wire/system-log.ts'
import { jsonText, printResult, printLine, wrongUsage, type CliIo } from './cli-io.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { followEntries, newestEntries } from './log-pages.ts'
import { integerFrom, timeAsIso } from './option-readers.ts'
import { lineWidth, oneLine, painter, wrap, type Style } from './table.ts'

interface LogOptions extends HubOptions {
  readonly filter?: string
  readonly search?: string
  readonly since?: string
  readonly until?: string
  readonly limit: number
  readonly follow?: boolean
  readonly interval: number
}

const limitDefault = 20
const intervalSDefault = 1

/** `watchbell log`: the System Log, as a SIEM reads it. */
export function registerLog(program: Command, io: CliIo): void {
  const time = timeAsIso(() => io.world.now())
  hubOptions(program.command('log'))
    .description('List the System Log, newest first: what happened, who did it, and what the hub decided.')
    .helpGroup('Commands that talk to a running hub:')
    .option(
      '--filter <expression>',
      'only entries that match this filter of Okta’s System Log API (examples below)',
    )
    .option('--search <words>', 'only entries that contain all of these words')
    .option(
      '--since <time>',
      'only entries since a time, 2026-01-31T12:00:00Z, or a duration, 15m, 2h, 3d; 7d unless given',
      time,
    )
    .option('--until <time>', 'only entries before this time', time)
    .option(
      '--limit <count>',
      'number of entries; with --follow, number of earlier entries',
      integerFrom(0, 100_000),
      limitDefault,
    )
    .option('-f, --follow', 'keep showing new entries, oldest first, until Ctrl-C')
    .option('--interval <seconds>', 'how often --follow polls', integerFrom(1, 3_600), intervalSDefault)
    .addHelpText('after', logExamples)
    .action(async (options: LogOptions) => {
      if (options.follow === true && options.until !== undefined) {
        throw wrongUsage('--until ends a list, and --follow has no end: give one of them.')
      }
      const hub = openHub(io, options)
      await (options.follow === true ? follow(io, hub, options) : list(io, hub, options))
    })
}

const logExamples = `
Examples:
  $ watchbell log --filter 'eventType eq "user.risk.detect"' --since 1h
  $ watchbell log --filter 'target.id eq "sse1Ab2Cd3Ef4Gh5Ij6K"'
  $ watchbell log --follow --filter 'outcome.result eq "DENY"'`

function filtersOf({ filter, search, since, until }: LogOptions): URLSearchParams {
  const filters = new URLSearchParams()
  for (const [name, value] of Object.entries({ filter, q: search, since, until })) {
    if (value !== undefined) filters.set(name, value)
  }
  return filters
}

async function list(io: CliIo, hub: HubClient, options: LogOptions): Promise<void> {
  const entries = await newestEntries(hub, filtersOf(options), options.limit)
  printResult(io, options, entries, () =>
    entries.length === 0 ? 'There are no such entries.' : entries.map((entry) => brief(io, entry)).join('\n'),
  )
}

async function follow(io: CliIo, hub: HubClient, options: LogOptions): Promise<void> {
  const coming = followEntries(hub, {
    filters: filtersOf(options),
    limit: options.limit,
    intervalMs: options.interval * 1_000,
    stopped: io.stopSignal(),
    onTrouble: (trouble) => {
      printLine(io.stderr, trouble === undefined ? 'The hub answers again.' : `${trouble} Trying again …`)
    },
  })
  for await (const entry of coming) {
    printLine(io.stdout, options.json === true ? jsonText(entry) : brief(io, entry))
  }
}

const good: ReadonlySet<string> = new Set(['SUCCESS', 'ALLOW'])
const bad: ReadonlySet<string> = new Set(['FAILURE', 'DENY'])
const indent = '    '

/** Two or three lines: when, how it ended and what happened; why; by whom to whom. */
function brief(io: CliIo, entry: LogEntryBody): string {
  const { published, outcome, eventType, displayMessage, actor, target } = entry
  const paint = painter(io)
  const width = lineWidth(io)
  const time = published.replace(/\.\d+Z$/, 'Z')
  const result = oneLine(outcome.result, 20)
  const style: Style = good.has(result) ? 'green' : bad.has(result) ? 'red' : 'yellow'
  const head = `${time}  ${paint(style, result.padEnd(9))}  `
  const lines = [
    head + oneLine(`${eventType}: ${displayMessage}`, width - time.length - 4 - Math.max(9, result.length)),
  ]
  if (outcome.reason !== null && outcome.reason !== '') lines.push(wrap(outcome.reason, width, indent))
  const targets = (target ?? []).map(nameText).join(', ')
  const names = `by ${nameText(actor)}${targets === '' ? '' : ` to ${targets}`}`
  lines.push(paint('dim', indent + oneLine(names, width - indent.length)))
  return lines.join('\n')
}

/** The names of somebody or something, each once. */
function nameText({ type, id, alternateId, displayName }: LogPartyBody): string {
  const names = [displayName, alternateId].filter((name) => name !== '' && name !== 'unknown' && name !== id)
  const [name = id, ...more] = new Set(names)
  const others = [...more, ...(name === id ? [] : [id])]
  return `${type} ${name}${others.length === 0 ? '' : ` (${others.join(', ')})`}`
}
