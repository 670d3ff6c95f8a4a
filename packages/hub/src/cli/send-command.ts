import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { parseIJson, isJsonObject, type JsonObject } from '@watchbell/receiver/base'
import { eventCatalogue } from '@watchbell/receiver/events'
import { breakageNames, breakages, isBreakageName, type BreakageName } from '../testing/breakages.ts'
import type { PushAnswer } from '../testing/push-client.ts'
import { findEventType, type SetDraft } from '../testing/set-draft.ts'
import { misbehaviourNames, misbehaviours } from '../testing/misbehaviours.ts'
import { startTransmitter, type Transmitter, type TransmitterOptions } from '../testing/transmitter.ts'
import { privateJwk, readSigningKey } from '../testing/transmitter-keys.ts'
import {
  generateSigningKey,
  type SigningKey,
  setAlgorithms,
  type SetAlgorithm,
} from '@watchbell/receiver/set'
import type { ProviderBody } from '../wire/providers.ts'
import { CliError, jsonText, printLine, printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { typeUri } from './event-types.ts'
import { hasToken, hubOrigin, noAnswer, openHub, type HubClient } from './hub-client.ts'
import {
  integerFrom,
  jsonObject,
  listenAddress,
  subjectIdentifier,
  gatherList,
  type Listen,
} from './option-readers.ts'
import { listProviders } from './provider-command.ts'
import { verdictText, verdictReader, type ReadVerdict, type SetVerdict } from './send-verdict.ts'
import { misbehaviourOf, serveSsf, startSsf } from './send-ssf.ts'
import { subjectText } from './signals-command.ts'
import { lineWidth, oneLine, painter, table, wrap } from './table.ts'

interface SendOptions {
  readonly to?: string
  readonly aud?: string
  readonly token?: string
  readonly register?: boolean
  readonly listen: Listen
  readonly origin?: string
  readonly serve?: boolean
  readonly subject?: JsonObject
  readonly subjectJson?: JsonObject
  readonly claims?: JsonObject
  readonly count: number
  readonly rate?: number
  readonly break?: readonly string[]
  readonly alg?: SetAlgorithm
  readonly issuer?: string
  readonly key?: string
  readonly ssf?: boolean
  readonly misbehave?: readonly string[]
  readonly list?: boolean
  readonly json?: boolean
}

const eventDefault = 'session-revoked'
/** A free port. */
const listenDefault = '127.0.0.1:0'
const countMax = 1_000_000
const rateMax = 10_000
/** Above this number of events the command does not look up verdicts: that would slow down the sending. */
const verdictsMax = 20

export function registerSend(program: Command, io: CliIo): void {
  program
    .command('send')
    .description(
      'Run a test transmitter: make a key, serve metadata and keys, and push signed events, valid or invalid on purpose.',
    )
    .helpGroup('Commands that talk to a running hub:')
    .argument(
      '[events...]',
      `event types to send: names of the catalogue (--list), or any URI; ${eventDefault} unless given`,
    )
    .option(
      '--to <url>',
      'origin of the hub, or the full URL of another receiver (WATCHBELL_URL, else http://127.0.0.1:8080)',
    )
    .option('--aud <audience>', 'the `aud` of the tokens; the origin of --to unless given')
    .option(
      '--register',
      'register as a provider of the hub, or update the earlier registration; needs --token',
    )
    .option('--token <token>', 'an API token of the hub (WATCHBELL_TOKEN, else WATCHBELL_ADMIN_TOKEN)')
    .option(
      '--subject <format:value>',
      'subject of the events, such as email:ada@example.com or opaque:device-7',
      subjectIdentifier,
    )
    .option('--subject-json <json>', 'subject of the events as JSON (RFC 9493)', jsonObject)
    .option('--claims <json>', 'members of the event; they replace those of the catalogue', jsonObject)
    .option('--count <n>', 'how often to send each event', integerFrom(1, countMax), 1)
    .option('--rate <n>', 'events per second at most', integerFrom(1, rateMax))
    .option(
      '--break <name>',
      'break the token in this way (below); may be repeated; `all` sends one of each',
      gatherList,
    )
    .addOption(
      new Option('--alg <alg>', 'what to sign with; RS256 unless --key says otherwise').choices(
        setAlgorithms,
      ),
    )
    .option('--issuer <issuer>', 'the `iss` of the tokens; the origin of this transmitter unless given')
    .option(
      '--key <file>',
      'file of the private key (a JWK), to keep one identity between runs; made when it does not exist',
    )
    .addOption(
      new Option('--listen <host:port>', 'where to serve metadata and keys')
        .argParser(listenAddress)
        .default(listenAddress(listenDefault), listenDefault),
    )
    .option('--origin <url>', 'where the hub reaches this transmitter, if not at --listen')
    .option('--serve', 'keep serving until Ctrl-C; without events, only serve')
    .option(
      '--ssf',
      'run a complete SSF transmitter: streams, push and poll, OAuth tokens; serves until Ctrl-C',
    )
    .option('--misbehave <name>', 'with --ssf: make this fault (below); may be repeated', gatherList)
    .option('--list', 'show the catalogue of events, and send nothing')
    .option('--json', 'print JSON for machines, one object a line')
    .addHelpText('after', help)
    .action(async (events: readonly string[], options: SendOptions) => {
      if (options.list === true) return printCatalogue(io, options)
      if (options.ssf === true) return sendBySsf(io, events, options)
      await send(io, events, options)
    })
}

const help = `
The hub fetches the keys from this transmitter. Where that is a private address, as on one machine, the hub must be
started with WATCHBELL_OUTBOUND_ALLOW=127.0.0.1.

Ways to break a token:
${breakageNames.map((name) => `  ${name.padEnd(18)}${breakages[name].broken}`).join('\n')}

Faults of --ssf:
${misbehaviourNames.map((name) => `  ${name.padEnd(22)}${misbehaviours[name]}`).join('\n')}

Examples:
  $ watchbell send session-revoked --register --subject email:ada@example.com
  $ watchbell send --break signature,aud --register
  $ watchbell send --serve --listen 127.0.0.1:9000 --key transmitter.jwk
  $ watchbell send session-revoked --ssf --listen 127.0.0.1:9000 --count 100 --rate 2

Exit code 0 when the receiver accepted valid tokens and refused broken ones.`

function printCatalogue(io: CliIo, options: SendOptions): void {
  printResult(io, options, eventCatalogue, () => {
    const rows = eventCatalogue.map(({ family, name, title }) => [`${family}/${name}`, title])
    return table(io, ['EVENT', 'WHAT HAPPENED'], rows)
  })
}

/** One push: a valid event, or a broken token. */
interface Order {
  readonly type: string
  readonly breakage: BreakageName | undefined
}

async function send(io: CliIo, events: readonly string[], options: SendOptions): Promise<void> {
  const orders = ordersOf(events, options)
  const to = options.to ?? hubOrigin(io, undefined)
  if (URL.parse(to) === null) throw wrongUsage(`--to: '${to}' is not a URL.`)
  const hub = options.register === true ? openHub(io, { ...options, url: to }) : undefined
  const stopped = options.serve === true ? io.stopSignal() : undefined

  const before = hub && (await earlierProvider(io, hub, options))
  await using transmitter = await start(io, { ...(before && { issuer: before.settings.issuer }), ...options })
  introduce(io, transmitter, options)
  if (hub !== undefined) await register(io, hub, transmitter)
  const verdicts =
    orders.length * options.count <= verdictsMax ? verdictReader(hub ?? ownHub(io, options)) : undefined

  let unexpected = 0
  let pushes = 0
  for (let round = 0; round < options.count; round++) {
    for (const order of orders) {
      if (stopped?.aborted === true) break
      if (pushes++ > 0 && options.rate !== undefined) await sleep(1_000 / options.rate)
      if (!(await pushOne({ io, transmitter, to, verdicts }, order, options))) unexpected++
    }
  }
  if (stopped !== undefined && !stopped.aborted) {
    printLine(io.stderr, 'Serving metadata and keys; Ctrl-C ends it.')
    await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }))
  }
  if (unexpected > 0) {
    throw new CliError(
      `${unexpected} of ${pushes} tokens did not come out as they should: sound ones taken, broken ones refused.`,
    )
  }
}

function ordersOf(events: readonly string[], options: SendOptions): readonly Order[] {
  const broken = (options.break ?? []).flatMap(breakagesOf)
  if (events.length === 0 && broken.length === 0 && options.serve === true) return []
  const types = (events.length === 0 ? [eventDefault] : events).map(typeUri)
  const ways = broken.length === 0 ? [undefined] : broken
  return types.flatMap((type) => ways.map((breakage) => ({ type, breakage })))
}

function breakagesOf(name: string): readonly BreakageName[] {
  if (name === 'all') return breakageNames
  if (isBreakageName(name)) return [name]
  throw wrongUsage(`--break: there is no '${name}'; take ${breakageNames.join(', ')}, or all.`)
}

async function start(io: CliIo, options: SendOptions): Promise<Transmitter> {
  const wanted = await transmitterOptions(io, options)
  return listening(options.listen, () => startTransmitter(wanted))
}

async function listening<T>({ host, port }: Listen, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    throw wrongUsage(`--listen: ${host}:${port} cannot be listened on: ${error.message}.`)
  }
}

async function transmitterOptions(
  io: CliIo,
  { listen, issuer, alg, origin, key: file }: SendOptions,
): Promise<TransmitterOptions> {
  const key = file === undefined ? undefined : await openKey(file, alg)
  return {
    ...listen,
    world: io.world,
    ...(issuer !== undefined && { issuer }),
    ...(alg !== undefined && { alg }),
    ...(key !== undefined && { key }),
    ...(origin !== undefined && { origin: originOf(origin) }),
  }
}

async function sendBySsf(io: CliIo, events: readonly string[], options: SendOptions): Promise<void> {
  for (const name of ['to', 'aud', 'register', 'break'] as const) {
    if (options[name] !== undefined)
      throw wrongUsage(`--${name} has no meaning with --ssf: receivers come by themselves.`)
  }
  const { subjectJson, subject, claims, count, rate = 1, json = false } = options
  const wanted = {
    ...(await transmitterOptions(io, options)),
    misbehaving: (options.misbehave ?? []).map(misbehaviourOf),
  }
  await using transmitter = await listening(options.listen, () => startSsf(wanted))
  await serveSsf(io, transmitter, {
    drafts: events.map(typeUri).map((type) => ({
      type,
      subject: subjectJson ?? subject ?? usualSubject(type),
      ...(claims !== undefined && { claims }),
    })),
    count,
    perSecond: rate,
    json,
  })
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw wrongUsage(`--origin: '${text}' is not an http(s) URL.`)
  return url.origin
}

/** The key in the file; makes key and file when the file does not exist. */
async function openKey(file: string, alg: SetAlgorithm | undefined): Promise<SigningKey> {
  const text = orWrongUsage('--key', () => (existsSync(file) ? readFileSync(file, 'utf8') : undefined))
  if (text === undefined) {
    const key = await generateSigningKey(alg ?? 'RS256')
    const jwk = `${JSON.stringify(privateJwk(key))}\n`
    orWrongUsage('--key', () => writeFileSync(file, jwk, { mode: 0o600, flag: 'wx' }))
    return key
  }
  const json = parseIJson(text)
  if (!json.ok || !isJsonObject(json.value)) throw wrongUsage(`--key: ${file} does not hold a private JWK.`)
  const key = await readSigningKey(json.value)
  if (alg === undefined || alg === key.alg) return key
  throw wrongUsage(`--alg: the key in ${file} is for ${key.alg}, not ${alg}.`)
}

function orWrongUsage<T>(option: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw wrongUsage(`${option}: ${error instanceof Error ? error.message : String(error)}.`)
  }
}

function introduce(io: CliIo, { issuer, jwksUrl, wellKnownUrl }: Transmitter, { json }: SendOptions): void {
  if (json === true) {
    return printLine(io.stdout, jsonText({ issuer, jwks_url: jwksUrl, well_known_url: wellKnownUrl }))
  }
  printLine(io.stderr, `Transmitter ${issuer}, keys at ${jwksUrl}`)
}

/** The hub that receives the events; undefined for another receiver, or without a token. */
function ownHub(io: CliIo, { to, token }: SendOptions): HubClient | undefined {
  if (to !== undefined || !hasToken(io, token)) return undefined
  return openHub(io, { ...(token !== undefined && { token }) })
}

const providerType = 'watchbell-send'

/**
 * The provider of an earlier `send --register` whose transmitter has ended: this transmitter takes over its issuer.
 * Undefined when there is none, or --issuer is given.
 */
async function earlierProvider(
  io: CliIo,
  hub: HubClient,
  { issuer, origin, listen }: SendOptions,
): Promise<ProviderBody | undefined> {
  if (issuer !== undefined) return undefined
  const host = origin === undefined ? listen.host : new URL(originOf(origin)).hostname
  const ours = (await listProviders(hub))
    .filter(({ type, settings }) => type === providerType && URL.parse(settings.jwks_url)?.hostname === host)
    .toSorted((one, other) => one.status.localeCompare(other.status)) // ACTIVE before INACTIVE
  for (const provider of ours) {
    if (!(await isServed(io, provider.settings.jwks_url))) return provider
  }
  return undefined
}

const servedTimeoutMs = 2_000

/** Whether a transmitter still serves its keys at this URL. */
async function isServed({ world }: CliIo, url: string): Promise<boolean> {
  try {
    const response = await world.fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(servedTimeoutMs),
    })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

/** Registers this transmitter with its present URLs; an existing provider with its issuer is updated. */
async function register(io: CliIo, hub: HubClient, transmitter: Transmitter): Promise<void> {
  const { issuer, jwksUrl, wellKnownUrl, origin } = transmitter
  const settings = issuer === origin ? { well_known_url: wellKnownUrl } : { issuer, jwks_url: jwksUrl }
  const known = (await listProviders(hub)).find((provider) => provider.settings.issuer === issuer)
  let provider: ProviderBody
  if (known === undefined) {
    const name = `watchbell send ${issuer}`.slice(0, 100)
    provider = await hub.call('POST /api/v1/security-events-providers', {
      body: { name, type: providerType, settings },
    })
  } else if (known.settings.jwks_url === jwksUrl) {
    provider = known
  } else {
    const { id, name, type } = known
    provider = await hub.call('PUT /api/v1/security-events-providers/:id', {
      params: { id },
      body: { name, type, settings },
    })
  }
  const off =
    provider.status === 'ACTIVE' ? '' : `, and is deactivated: \`watchbell provider activate ${provider.id}\``
  printLine(
    io.stderr,
    `${known === undefined ? 'Registered' : 'Registered before,'} as provider ${provider.id} (${provider.name})${off}`,
  )
}

/** The common parts of all pushes of one command. */
interface Sending {
  readonly io: CliIo
  readonly transmitter: Transmitter
  readonly to: string
  /** Undefined without access to the hub's API. */
  readonly verdicts: ReadVerdict | undefined
}

/** @returns whether the answer is right: a valid token was accepted, or a broken one refused */
async function pushOne(
  { io, transmitter, to, verdicts }: Sending,
  { type, breakage }: Order,
  options: SendOptions,
): Promise<boolean> {
  const jti = io.world.newUuid()
  const subject = options.subjectJson ?? options.subject ?? usualSubject(type)
  const draft: SetDraft = {
    type,
    jti,
    subject,
    aud: options.aud ?? new URL(to).origin,
    ...(options.claims !== undefined && { claims: options.claims }),
  }
  const token =
    breakage === undefined ? transmitter.sign(draft) : await transmitter.signBroken(breakage, draft)
  const answer = await transmitter.push(to, token).catch((error: unknown) => {
    throw noAnswer(error, new URL(to).origin)
  })
  const expected =
    breakage === undefined ? answer.status === 202 : answer.status >= 400 && answer.status < 500
  const verdict = answer.status === 202 ? await verdicts?.(transmitter.issuer, jti) : undefined
  if (options.json === true) {
    const { status, err, description } = answer
    const pushed = { type, broken: breakage ?? null, jti, subject, status, err, description, expected }
    printLine(io.stdout, jsonText({ ...pushed, ...verdict }))
  } else {
    const what = `${findEventType(type)?.name ?? type} ${subjectText(subject)}`
    printLine(io.stdout, pushText(io, { answer, what, breakage, expected, jti, verdict }))
  }
  return expected
}

function usualSubject(type: string): JsonObject {
  const entry = findEventType(type)
  if (entry?.family === 'ssf') return { format: 'opaque', id: 'stream-1' }
  if (entry?.name.startsWith('device-') === true) return { format: 'opaque', id: 'device-1' }
  return { format: 'email', email: 'ada@example.com' }
}

interface Pushed {
  readonly verdict: SetVerdict | undefined
  readonly answer: PushAnswer
  readonly what: string
  readonly breakage: BreakageName | undefined
  readonly expected: boolean
  readonly jti: string
}

function pushText(io: CliIo, { answer, what, breakage, expected, jti, verdict }: Pushed): string {
  const word = answer.status === 202 ? 'taken' : answer.status < 500 ? 'refused' : 'not taken'
  const subject = breakage === undefined ? what : `--break ${breakage}: ${breakages[breakage].broken}`
  const head = painter(io)(expected ? 'green' : 'red', `${answer.status} ${word.padEnd(9)}`)
  const lines = [`${head}  ${oneLine(subject, Infinity)}`]
  const refusal = [answer.err, answer.description].filter((word) => word !== undefined).join(': ')
  if (refusal !== '') lines.push(wrap(refusal, lineWidth(io), '      '))
  if (verdict !== undefined) lines.push(wrap(verdictText(verdict), lineWidth(io), '      '))
  if (answer.status === 202) lines.push(painter(io)('dim', `      jti ${jti}`))
  if (!expected) lines.push(wrap(advice(answer, breakage), lineWidth(io), '      '))
  return lines.join('\n')
}

/** The advice after a wrong answer. */
function advice({ status, err, retryAfterS }: PushAnswer, breakage: BreakageName | undefined): string {
  if (breakage !== undefined && status < 400) return 'A receiver must not take this token.'
  if (err === 'invalid_issuer') return 'The hub does not know this transmitter: add --register.'
  if (err === 'invalid_audience') return 'Give the public origin of the receiver with --aud.'
  if (status === 404) return 'There is no push endpoint: check --to.'
  if (status === 429 || status >= 500) {
    return retryAfterS === undefined ? 'Try again later.' : `Try again after ${retryAfterS} s.`
  }
  return 'The receiver should have taken this token, as far as we can tell.'
}
