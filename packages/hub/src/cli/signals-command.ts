import { Option, type Command } from 'commander'
import { isJsonObject } from '@watchbell/receiver/base'
import type { SignalBody } from '../wire/signals.ts'
import { jsonText, printResult, printLine, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { integerFrom, timeAsIso } from './option-readers.ts'
import { findProvider, providerNames } from './provider-command.ts'
import { followSignals, newestSignals, outcomeText, shownReasons } from './signal-pages.ts'
import { facts, lineWidth, oneLine, painter, wrap, type Style } from './table.ts'
import { typeUri } from './event-types.ts'

interface SignalsOptions extends HubOptions {
  readonly provider?: string
  readonly iss?: string
  readonly jti?: string
  readonly type?: string
  readonly subject?: string
  readonly outcome?: string
  readonly proven?: string
  readonly since?: string
  readonly until?: string
  readonly limit: number
  readonly follow?: boolean
  readonly interval: number
}

interface ShowOptions extends HubOptions {
  readonly includeToken?: boolean
}

const limitDefault = 20
const intervalSDefault = 1

export function registerSignals(program: Command, io: CliIo): void {
  const time = timeAsIso(() => io.world.now())
  const signals = hubOptions(program.command('signals'))
    .description('List signals: every SET that reached the hub, accepted or refused, and why.')
    .helpGroup('Commands that talk to a running hub:')
    .enablePositionalOptions()
    .option('--provider <provider>', `only signals of this provider: ${providerNames}`)
    .option('--iss <issuer>', 'only signals with this issuer')
    .option('--jti <id>', 'only the signal with this jti')
    .option(
      '--type <event>',
      'only signals with an event of this type: a name such as session-revoked, or a URI',
    )
    .option('--subject <identifier>', 'only signals about this subject: an address, a sub, an opaque id …')
    .addOption(
      new Option('--outcome <outcome>', 'only with this outcome').choices([
        'pending',
        'handled',
        'failed',
        'refused',
      ]),
    )
    .addOption(
      new Option(
        '--proven <yes-or-no>',
        'only refused signals whose signature proves the provider (yes), or that anybody may have sent (no)',
      ).choices(['yes', 'no']),
    )
    .option(
      '--since <time>',
      'only signals received since a time, 2026-01-31T12:00:00Z, or a duration, 15m, 2h, 3d',
      time,
    )
    .option('--until <time>', 'only signals received before this time', time)
    .option(
      '--limit <count>',
      'number of signals; with --follow, number of earlier signals',
      integerFrom(0, 100_000),
      limitDefault,
    )
    .option('-f, --follow', 'keep showing new signals, oldest first, until Ctrl-C')
    .option('--interval <seconds>', 'how often --follow polls', integerFrom(1, 3_600), intervalSDefault)
    .addHelpText('after', signalExamples)
    .action(async (options: SignalsOptions) => {
      const hub = openHub(io, options)
      const filters = await filtersOf(hub, options)
      await (options.follow === true ? follow(io, hub, filters, options) : list(io, hub, filters, options))
    })

  hubOptions(signals.command('show'))
    .description('Show one signal in full.')
    .addHelpText(
      'after',
      examples(
        'watchbell signals show rfsXz1a2B3c4D5e6F7g8',
        'watchbell signals show rfsXz1a2B3c4D5e6F7g8 --include-token',
      ),
    )
    .argument('<id>', 'id of the signal, as `watchbell signals` shows it')
    .option('--include-token', 'also show the received token, as evidence')
    .action(async (id: string, options: ShowOptions) => {
      const signal = await openHub(io, options).call('GET /v1/signals/:id', {
        params: { id },
        query: { include: options.includeToken === true ? 'token' : undefined },
      })
      printResult(io, options, signal, () => whole(io, signal))
    })
}

const signalExamples = `
Examples:
  $ watchbell signals --outcome refused --since 1h
  $ watchbell signals --follow --subject ada@example.com
  $ watchbell signals show rfsXz1a2B3c4D5e6F7g8`

async function filtersOf(hub: HubClient, options: SignalsOptions): Promise<URLSearchParams> {
  const filters = new URLSearchParams()
  for (const name of ['iss', 'jti', 'subject', 'outcome', 'since', 'until'] as const) {
    if (options[name] !== undefined) filters.set(name, options[name])
  }
  if (options.proven !== undefined) filters.set('proven', options.proven === 'yes' ? 'true' : 'false')
  if (options.type !== undefined) filters.set('type', typeUri(options.type))
  if (options.provider !== undefined) filters.set('provider', (await findProvider(hub, options.provider)).id)
  return filters
}

async function list(
  io: CliIo,
  hub: HubClient,
  filters: URLSearchParams,
  options: SignalsOptions,
): Promise<void> {
  const signals = await newestSignals(hub, filters, options.limit)
  printResult(io, options, signals, () =>
    signals.length === 0
      ? 'There are no such signals.'
      : signals.map((signal) => brief(io, signal)).join('\n'),
  )
}

async function follow(
  io: CliIo,
  hub: HubClient,
  filters: URLSearchParams,
  options: SignalsOptions,
): Promise<void> {
  const coming = followSignals(hub, {
    filters,
    limit: options.limit,
    intervalMs: options.interval * 1_000,
    stopped: io.stopSignal(),
    onTrouble: (trouble) => {
      printLine(io.stderr, trouble === undefined ? 'The hub answers again.' : `${trouble} Trying again …`)
    },
  })
  for await (const signal of coming) {
    printLine(io.stdout, options.json === true ? jsonText(signal) : brief(io, signal))
  }
}

const styles: Readonly<Record<SignalBody['outcome'], Style>> = {
  handled: 'green',
  pending: 'yellow',
  failed: 'red',
  refused: 'red',
}
const indent = '    '

/** Two or three lines: when, verdict and what about whom; why; where to look further. */
function brief(io: CliIo, signal: SignalBody): string {
  const { id, outcome, events, code, repeats } = signal
  const paint = painter(io)
  const width = lineWidth(io)
  const time = signal.received_at.replace(/\.\d+Z$/, 'Z')
  const verdict = outcomeText(signal)
  const style = signal.about_nobody === true ? 'yellow' : styles[outcome]
  const head = `${time}  ${paint(style, verdict.padEnd(7))}  `
  const what = events.length === 0 ? (code ?? '') : eventsOf(signal)
  const lines = [head + oneLine(what, width - time.length - 4 - Math.max(verdict.length, 7))]
  for (const reason of shownReasons(signal)) lines.push(wrap(reason, width, indent))
  const again = repeats === 0 ? '' : `, came again ${repeats} ${repeats === 1 ? 'time' : 'times'}`
  lines.push(paint('dim', indent + oneLine(`${id} from ${sender(signal)}${again}`, width - indent.length)))
  return lines.join('\n')
}

/** Whom it is from; of a refused one that proves nothing, whom it names. */
function sender({ iss, proven }: SignalBody): string {
  if (iss === null) return 'nobody'
  return proven === false ? `whoever names ${iss}` : iss
}

function eventsOf({ events }: SignalBody): string {
  return events.map(({ name, subject }) => `${name} ${subjectText(subject)}`.trim()).join(', ')
}

/** The identifiers of a subject, without what kind they are of. */
export function subjectText(subject: unknown): string {
  if (!isJsonObject(subject)) return ''
  return Object.entries(subject)
    .filter(([name]) => name !== 'format')
    .flatMap(([, value]) => (Array.isArray(value) ? value : [value]) as readonly unknown[]) // members of JSON
    .map((value) => (typeof value === 'string' ? value : subjectText(value)))
    .filter((text) => text !== '')
    .join(' ')
}

function whole(io: CliIo, signal: SignalBody): string {
  const { events, token } = signal
  const parts = [
    facts(io, {
      id: signal.id,
      outcome: outcomeText(signal),
      code: signal.code,
      reason: shownReasons(signal).join('; ') || undefined,
      received: signal.received_at,
      issued: signal.issued_at ?? undefined,
      provider: signal.provider ?? undefined,
      iss: signal.iss ?? undefined,
      jti: signal.jti ?? undefined,
      proven:
        signal.proven === undefined
          ? undefined
          : signal.proven
            ? 'yes, the provider sent it'
            : 'no, anybody may have sent it',
      repeats: String(signal.repeats),
    }),
    ...events.map((event) => `${painter(io)('bold', event.type)}\n${jsonText(event, 2)}`),
  ]
  if (token !== undefined)
    parts.push(`${painter(io)('bold', 'token')}\n${token ?? 'None is kept of a refused one.'}`)
  return parts.join('\n\n')
}
