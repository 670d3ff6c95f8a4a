import { isUtf8 } from 'node:buffer'
import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { isJsonArray, parseIJson, isJsonObject, type JsonValue, printable } from '@watchbell/receiver/base'
import { riskLevels } from '../risk/risk-level.ts'
import { subjectKinds } from '../subjects/identifier.ts'
import type { ErasureBody } from '../wire/erasures.ts'
import type {
  ReasonBody,
  SubjectBody,
  SubjectDetailsBody,
  SubjectPageBody,
  UserRequestBody,
} from '../wire/subjects.ts'
import { CliError, printResult, printLine, wrongUsage, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { awaitErasure } from './erasure-command.ts'
import { HubAnswerError, hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { readInput } from './input.ts'
import { integerFrom } from './option-readers.ts'
import { facts, lineWidth, table, wrap } from './table.ts'

interface ListOptions extends HubOptions {
  readonly kind?: string
  readonly level?: string
  readonly search?: string
  readonly limit: number
}

interface EraseOptions extends HubOptions {
  readonly wait: boolean
}

const inputBytesMax = 256 * 1_048_576
const listedDefault = 50
const pageMax = 200
/** Together a little more than the minute of the hub's rate limit. */
const attemptsMax = 15
const againAfterMs = 5_000
const messageCharsMax = 1_000

export function registerSubject(program: Command, io: CliIo): void {
  const subject = program
    .command('subject')
    .description('Load users; list, show and erase users, devices, sessions and addresses.')
    .addHelpText(
      'after',
      examples('watchbell subject list --search example.com', 'watchbell subject show ada@example.com'),
    )
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(subject.command('load'))
    .description('Load users from a JSON array or JSON Lines; users that were loaded before are updated.')
    .argument('<file>', 'the file, or - for standard input')
    .addHelpText('after', loadExample)
    .action(async (file: string, options: HubOptions) => {
      const entries = readEntries(await readInput(io, file, inputBytesMax))
      const result = await loadAll(openHub(io, options), entries)
      const { loaded, failed } = result
      printResult(io, options, result, () => `${loaded} of ${entries.length} users are loaded.`)
      for (const { place, reason } of failed) printLine(io.stderr, `watchbell: ${place}: ${reason}`)
      if (failed.length > 0) {
        throw new CliError(`${failed.length} of ${entries.length} users were not loaded.`)
      }
    })

  hubOptions(subject.command('list'))
    .description('List all known subjects, newest first.')
    .addHelpText(
      'after',
      examples('watchbell subject list', 'watchbell subject list --search example.com --limit 20'),
    )
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(subjectKinds))
    .addOption(
      new Option('--level <level>', 'only with this risk level').choices(
        riskLevels.filter((level) => level !== 'NONE'),
      ),
    )
    .option('--search <text>', 'only subjects with this text in an identifier')
    .option('--limit <count>', 'how many at most', integerFrom(1, 100_000), listedDefault)
    .action(async (options: ListOptions) => {
      const subjects = await listSubjects(openHub(io, options), options)
      printResult(io, options, subjects, () => {
        if (subjects.length === 0) return 'There are none.'
        const rows = subjects.map(({ id, kind, level, login, display_name: name, identifiers }) => [
          id,
          kind,
          level,
          login ?? identifiers[0]?.value ?? '',
          name ?? '',
        ])
        return table(io, ['ID', 'KIND', 'LEVEL', 'KNOWN AS', 'NAME'], rows)
      })
    })

  hubOptions(subject.command('show'))
    .description('Show one subject with its identifiers, its risk and its history.')
    .addHelpText('after', examples('watchbell subject show ada@example.com'))
    .argument('<id-or-name>', nameHelp)
    .action(async (wanted: string, options: HubOptions) => {
      const found = await fetchSubject(openHub(io, options), wanted)
      printResult(io, options, found, () => described(io, found))
    })

  hubOptions(subject.command('erase'))
    .description(
      'Erase everything that identifies a subject in signals, risk and System Log. This cannot be undone.',
    )
    .addHelpText('after', examples('watchbell subject erase ada@example.com'))
    .argument('<id-or-name>', nameHelp)
    .option('--no-wait', 'do not wait until the erasure is done')
    .action(async (wanted: string, options: EraseOptions) => {
      const hub = openHub(io, options)
      const begun = await requestErasure(hub, wanted)
      const erasure = options.wait ? await awaitErasure(io, hub, begun) : begun
      printResult(io, options, erasure, () => {
        const { id, state, subject } = erasure
        return state === 'done'
          ? `${subject.id} is erased.`
          : `${subject.id} is being erased; \`watchbell erasure show ${id}\` tells how far it is.`
      })
    })
}

const nameHelp = 'entity id, sign-in name, email address or IP address'

const loadExample = `
A user:
  {"kind": "user", "login": "ada", "emails": ["ada@example.com"], "display_name": "Ada",
   "identifiers": [{"format": "iss_sub", "iss": "https://idp.example", "sub": "42"}]}

Examples:
  $ watchbell subject load users.json
  $ export-users | watchbell subject load -`

/** @throws CliError when the hub does not know the subject */
export async function fetchSubject(hub: HubClient, wanted: string): Promise<SubjectDetailsBody> {
  return unlessUnknown(wanted, hub.call('GET /v1/subjects/:id', { params: { id: wanted } }))
}

/** @throws CliError when the hub does not know the subject, or not since its erasure */
async function requestErasure(hub: HubClient, wanted: string): Promise<ErasureBody> {
  return unlessUnknown(wanted, hub.call('DELETE /v1/subjects/:id', { params: { id: wanted } }))
}

async function unlessUnknown<T>(wanted: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof HubAnswerError) || error.status !== 404) throw error
    throw new CliError(`The hub knows nothing of '${wanted}': its level is NONE.`)
  }
}

/** One user of a file, or why it is invalid. */
interface Entry {
  /** For people: `line 3`, or `entry 3` of an array. */
  readonly place: string
  readonly user: JsonValue | undefined
  readonly problem: string | undefined
}

/** @throws CliError when the array is not valid JSON, or the file is empty */
function readEntries(bytes: Buffer): readonly Entry[] {
  if (!isUtf8(bytes)) throw wrongUsage('It is not valid UTF-8.')
  const text = bytes.toString('utf8')
  if (text.trimStart().startsWith('[')) {
    const parsed = parseIJson(bytes)
    if (!parsed.ok) throw wrongUsage(`The array is refused: ${parsed.reason}.`)
    const users = isJsonArray(parsed.value) ? parsed.value : []
    return users.map((user, at) => ({ place: `entry ${at + 1}`, user, problem: undefined }))
  }
  const entries = text.split('\n').flatMap((line, at): Entry[] => {
    if (line.trim() === '') return []
    const parsed = parseIJson(line)
    const place = `line ${at + 1}`
    return [
      parsed.ok
        ? { place, user: parsed.value, problem: undefined }
        : { place, user: undefined, problem: `${parsed.reason}.` },
    ]
  })
  if (entries.length > 0) return entries
  throw wrongUsage('There are no users in it: give a JSON array, or one JSON object a line.')
}

interface Loaded {
  readonly loaded: number
  readonly failed: readonly { readonly place: string; readonly reason: string }[]
}

/** Loads users one after the other. An invalid user does not stop the others; an error that all would have ends the load. */
async function loadAll(hub: HubClient, entries: readonly Entry[]): Promise<Loaded> {
  const failed: { place: string; reason: string }[] = []
  for (const { place, user, problem } of entries) {
    if (problem !== undefined || !isJsonObject(user)) {
      failed.push({ place, reason: problem ?? 'A user is a JSON object.' })
      continue
    }
    try {
      const body = user as unknown as UserRequestBody // the hub says what is wrong with it
      await patiently(() => hub.call('POST /v1/subjects', { body }))
    } catch (error) {
      if (!(error instanceof HubAnswerError) || error.status !== 400) throw error
      failed.push({ place, reason: error.message })
    }
  }
  return { loaded: entries.length - failed.length, failed }
}

/** Retries a rate-limited request until the minute is over. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof HubAnswerError) || error.status !== 429 || attempt >= attemptsMax) throw error
      await sleep(againAfterMs)
    }
  }
}

async function listSubjects(hub: HubClient, options: ListOptions): Promise<readonly SubjectBody[]> {
  const { kind, level, search, limit } = options
  const query = new URLSearchParams({ limit: String(Math.min(limit, pageMax)) })
  for (const [name, value] of Object.entries({ kind, level, search })) {
    if (value !== undefined) query.set(name, value)
  }
  const subjects: SubjectBody[] = []
  let parameters: URLSearchParams | undefined = query
  while (parameters !== undefined && subjects.length < limit) {
    const page: SubjectPageBody = await hub.call('GET /v1/subjects', { query: parameters })
    subjects.push(...page.subjects)
    // Only its query: this machine may not reach the hub at its public origin.
    parameters = page.next === null ? undefined : new URL(page.next).searchParams
  }
  return subjects.slice(0, limit)
}

function described(io: CliIo, subject: SubjectDetailsBody): string {
  const { id, kind, level, login, display_name: name, identifiers, first_seen_at: seen } = subject
  const { reasons, dismissed, history, reported_level: reported } = subject
  const about = facts(io, {
    id,
    kind,
    login: login ?? undefined,
    name: name ?? undefined,
    level,
    ...(reported !== 'NONE' && { 'log-only level': reported }),
    'first seen': seen,
  })
  const known = identifiers.map(({ format, value, issuer }) => [format, value, issuer ?? ''])
  return [
    about,
    table(io, ['FORMAT', 'KNOWN AS', 'AT'], known),
    ...(reasons.length === 0 ? [] : [reasonTable(io, reasons)]),
    ...(dismissed.length === 0 ? [] : [`Dismissed:\n${reasonTable(io, dismissed)}`]),
    ...(history.length === 0 ? [] : [`Before that:\n${reasonTable(io, history)}`]),
  ].join('\n\n')
}

function saidIn(io: CliIo, message: string): string {
  return `  ${wrap(`“${printable(message, messageCharsMax)}”`, lineWidth(io) - 2, '  ').trim()}`
}

/** The reasons of a level, each with the text of its source below. */
export function reasonTable(io: CliIo, reasons: readonly ReasonBody[]): string {
  const rows = reasons.map((reason) => [
    reason.level,
    reason.detection,
    reason.source_id,
    reason.occurred_at,
    reason.expires_at ?? 'until replaced',
    reason.id,
  ])
  const [header = '', ...lines] = table(io, ['LEVEL', 'WHY', 'SOURCE', 'SINCE', 'UNTIL', 'ID'], rows).split(
    '\n',
  )
  const texts = reasons.map(({ message }) => (message === null ? [] : [saidIn(io, message)]))
  return [header, ...lines.flatMap((line, at) => [line, ...(texts[at] ?? [])])].join('\n')
}
