import { setTimeout as delay } from 'node:timers/promises'
import { InvalidArgumentError, type Command } from 'commander'
import { type JsonObject, printable } from '@watchbell/receiver/base'
import { dialectNames } from '@watchbell/receiver/set'
import { CliError, printJson, printLine, wrongUsage, type CliIo } from './cli-io.ts'
import { HubAnswerError, hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { typeUri } from './event-types.ts'
import { readInput } from './input.ts'
import { readPrivateJwk } from './key-input.ts'
import { integerFrom, jsonObject, subjectIdentifier, gatherList } from './option-readers.ts'
import {
  asProvider,
  findKnownProvider,
  findProvider,
  listProviders,
  providerNames,
  providersPath,
  type ShownProvider,
} from './provider-command.ts'
import { facts, lineWidth, oneLine, painter, table, type Style } from './table.ts'

/** A stream as the API shows it; what the command line reads of it. */
interface StreamBody {
  readonly id: string
  readonly provider_id: string
  readonly connected: boolean
  readonly delivery: 'push' | 'poll'
  readonly polling?: 'long' | 'short'
  readonly push_url?: string
  readonly auth: { readonly method: string; readonly client_id?: string }
  readonly subjects: string
  readonly transmitter?: {
    readonly stream_id: string
    readonly aud: readonly string[]
    readonly endpoint_url: string | null
    readonly events_delivered: readonly string[] | null
    readonly verification_endpoint: string | null
  }
  readonly status: string
  readonly status_reason: string | null
  readonly verification_asked_at: string | null
  readonly verified_at: string | null
  readonly last_event_at: string | null
  readonly last_poll_at: string | null
  readonly last_error: string | null
}

interface DialectsBody {
  readonly dialects: readonly string[]
  readonly audiences: readonly string[]
}

interface HealthBody {
  readonly healthy: boolean
  readonly checks: readonly { readonly name: string; readonly result: string; readonly detail: string }[]
}

interface ConnectOptions extends HubOptions {
  readonly push?: boolean
  readonly poll?: boolean
  readonly polling?: 'long' | 'short'
  readonly streamId?: string
  readonly pollUrl?: string
  readonly name?: string
  readonly type?: string
  readonly auth?: AuthMethod
  readonly clientId?: string
  readonly secret?: string
  readonly secretFile?: string
  readonly clientKey?: string
  readonly tokenUrl?: string
  readonly authorizationServer?: string
  readonly scope?: string
  readonly dpop?: boolean
  readonly events?: readonly string[]
  readonly description?: string
  readonly subjects: 'all' | 'listed'
  readonly audience?: readonly string[]
  readonly credentialHosts?: readonly string[]
  readonly dialect?: readonly string[]
  readonly wait: number
}

/** The provider has no stream. */
class NoStreamError extends CliError {}

const authMethods = ['bearer', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const
type AuthMethod = (typeof authMethods)[number]

const waitDefaultS = 15
const lookEveryMs = 500

export function registerStream(program: Command, io: CliIo): void {
  const stream = program
    .command('stream')
    .description('Streams: let the hub set itself up with a transmitter, by push or by poll.')
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(stream.command('connect'))
    .description(
      'Create the stream at a transmitter, or adopt and repair the one that is there, and see it verified. Registers ' +
        'the provider first when there is none.',
    )
    .argument('<transmitter>', `the URL of its metadata, its issuer URL, or a provider: ${providerNames}`)
    .option('--push', 'the transmitter sends to us (the default)')
    .option('--poll', 'we ask the transmitter; nothing has to reach this hub')
    .option(
      '--stream-id <id>',
      'with --poll: take over this stream, which its operator made, and manage nothing of it',
    )
    .option('--poll-url <url>', 'where that stream is polled; needs --audience too')
    .option(
      '--polling <kind>',
      'long: the transmitter may hold a poll open (the default); short: it answers at once',
      oneOf(['long', 'short']),
    )
    .option('--name <name>', 'what to call a provider that is registered now; its host unless given')
    .option('--type <type>', 'what kind of application that is; custom unless given')
    .option('--auth <method>', authMethods.join(', '), oneOf(authMethods))
    .option('--client-id <id>', 'our client at its authorization server')
    .option('--secret <secret>', 'the client secret, or the bearer token')
    .option('--secret-file <file>', 'the same from a file; - is standard input')
    .option(
      '--client-key <file>',
      'the private key of private_key_jwt: PEM, a JWK or a JWK Set; - is standard input',
    )
    .option('--token-url <url>', 'its token endpoint; discovered unless given')
    .option('--authorization-server <issuer>', 'the issuer of its authorization server, for discovery')
    .option('--scope <scope>', 'scopes to ask for')
    .option('--dpop', 'bind access tokens to a key (RFC 9449)')
    .option(
      '--events <types>',
      'event types wanted; every one that the hub understands unless given',
      gatherList,
    )
    .option('--description <text>', 'what the transmitter shall call the stream')
    .option(
      '--subjects <policy>',
      'all, or listed: only those added one by one',
      oneOf(['all', 'listed']),
      'all',
    )
    .option('--audience <aud>', 'what the tokens’ aud must be', gatherList)
    .option(
      '--credential-hosts <hosts>',
      'private hosts besides the issuer’s own that may get the credentials: host or host:port',
      gatherList,
    )
    .option('--dialect <names>', `how it differs from the standards: ${dialectNames.join(', ')}`, gatherList)
    .option(
      '--wait <seconds>',
      'how long to wait for the verification event',
      integerFrom(0, 600),
      waitDefaultS,
    )
    .addHelpText('after', connectExamples)
    .action(async (transmitter: string, options: ConnectOptions) => {
      const hub = openHub(io, options)
      const body = await draftOf(io, options)
      const provider = await findOrRegister(hub, transmitter, options)
      const connected = await speaking(hub, provider, options.dialect, async () =>
        asStream(await hub.request('PUT', pathOf(provider), body)),
      )
      const seen = await lookForVerification(hub, provider, connected, options.wait)
      if (options.json === true) printJson(io.stdout, seen)
      else printLine(io.stdout, described(io, provider, seen))
      requireVerified(provider, seen, options.wait)
    })

  hubOptions(stream.command('list'))
    .description('List all streams, and what is wrong with them as far as the hub has noticed.')
    .action(async (options: HubOptions) => {
      const hub = openHub(io, options)
      const streams = await listStreams(hub)
      if (options.json === true) return printJson(io.stdout, streams)
      if (streams.length === 0) return printLine(io.stdout, noStreams)
      const providers = await listProviders(hub)
      const rows = streams.map((stream) => [
        stream.id,
        nameOfProvider(providers, stream),
        stream.delivery,
        stream.status,
        stream.verified_at ?? 'not yet',
        stream.last_event_at ?? 'none',
        stream.last_error ?? '',
      ])
      const header = ['ID', 'PROVIDER', 'DELIVERY', 'STATUS', 'VERIFIED', 'LAST EVENT', 'PROBLEM']
      printLine(io.stdout, table(io, header, rows, ['ID', 'STATUS']))
    })

  hubOptions(stream.command('show'))
    .description('Show the stream of a provider.')
    .argument('<provider>', providerOrStream)
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const shown = asStream(await ask(hub, provider, 'GET'))
      if (options.json === true) return printJson(io.stdout, shown)
      printLine(io.stdout, described(io, provider, shown))
    })

  hubOptions(stream.command('verify'))
    .description('Ask for a verification event and wait until it came.')
    .argument('<provider>', providerOrStream)
    .option('--wait <seconds>', 'how long to wait', integerFrom(0, 600), waitDefaultS)
    .action(async (wanted: string, options: HubOptions & { readonly wait: number }) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const asked = asStream(await ask(hub, provider, 'POST', '/verify'))
      const seen = await lookForVerification(hub, provider, asked, options.wait)
      requireVerified(provider, seen, options.wait)
      if (options.json === true) return printJson(io.stdout, seen)
      printLine(
        io.stdout,
        `The stream of ${provider.name} is verified: the event came at ${seen.verified_at ?? ''}.`,
      )
    })

  for (const [verb, status, description] of statusVerbs) {
    hubOptions(stream.command(verb))
      .description(description)
      .argument('<provider>', providerOrStream)
      .option('--reason <text>', 'told to the transmitter')
      .action(async (wanted: string, options: HubOptions & { readonly reason?: string }) => {
        const hub = openHub(io, options)
        const provider = await findStreamProvider(hub, wanted)
        const { reason } = options
        const body = { status, ...(reason !== undefined && { reason }) }
        const answer = (await ask(hub, provider, 'PUT', '/status', body)) as { status: string } // its shape
        if (options.json === true) return printJson(io.stdout, answer)
        printLine(io.stdout, `The stream of ${provider.name} is ${answer.status}.`)
      })
  }

  for (const [verb, path, description] of subjectVerbs) {
    hubOptions(stream.command(verb))
      .description(description)
      .argument('<provider>', providerOrStream)
      .option('--subject <subject>', 'FORMAT:VALUE, such as email:ada@example.com', subjectIdentifier)
      .option('--subject-json <json>', 'any subject identifier', jsonObject)
      .action(
        async (
          wanted: string,
          options: HubOptions & { readonly subject?: JsonObject; readonly subjectJson?: JsonObject },
        ) => {
          const subject = options.subject ?? options.subjectJson
          if (subject === undefined) throw wrongUsage('Give --subject or --subject-json.')
          const hub = openHub(io, options)
          const provider = await findStreamProvider(hub, wanted)
          await ask(hub, provider, 'POST', path, { subject })
          if (options.json === true) return printJson(io.stdout, { subject })
          printLine(
            io.stdout,
            `${provider.name} took it. That promises nothing: a transmitter need not tell (SSF 1.0 §9.1).`,
          )
        },
      )
  }

  hubOptions(stream.command('rotate-authorization'))
    .description(
      'Give the transmitter a new Authorization value to push with; the old one stays good for a while.',
    )
    .argument('<provider>', providerOrStream)
    .option('--overlap <seconds>', 'for how long the old one stays good', integerFrom(0, 604_800), 3_600)
    .action(async (wanted: string, options: HubOptions & { readonly overlap: number }) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const body = { overlap_seconds: options.overlap }
      const rotated = await ask(hub, provider, 'POST', '/rotate-authorization', body)
      if (options.json === true) return printJson(io.stdout, rotated)
      printLine(
        io.stdout,
        `${provider.name} pushes with a new value; the old one is good for ${options.overlap} s more.`,
      )
    })

  hubOptions(stream.command('disconnect'))
    .description('Delete the stream, at the transmitter first. The provider stays.')
    .argument('<provider>', providerOrStream)
    .option('--force', 'delete it here even when the transmitter cannot or will not')
    .action(async (wanted: string, options: HubOptions & { readonly force?: boolean }) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      await ask(hub, provider, 'DELETE', options.force === true ? '?force=true' : '')
      if (options.json === true) return printJson(io.stdout, { provider: provider.id, deleted: true })
      printLine(io.stdout, `The stream of ${provider.name} is deleted.`)
    })

  hubOptions(stream.command('dialects'))
    .description('Show in which ways a provider may differ from the standards, or say so.')
    .argument('<provider>', providerOrStream)
    .option('--set <names>', `none, or some of ${dialectNames.join(', ')}`, gatherList)
    .option(
      '--audience <aud>',
      'what aud must be where there is no stream; none is the hub itself',
      gatherList,
    )
    .action(
      async (
        wanted: string,
        options: HubOptions & { readonly set?: readonly string[]; readonly audience?: readonly string[] },
      ) => {
        const hub = openHub(io, options)
        const provider = await findStreamProvider(hub, wanted)
        const spoken = await speak(hub, provider, { dialects: options.set, audiences: options.audience })
        if (options.json === true) return printJson(io.stdout, spoken)
        const listed = (names: readonly string[]): string => names.join(', ') || 'none'
        printLine(
          io.stdout,
          facts(io, {
            provider: `${provider.name} (${provider.id})`,
            dialects: listed(spoken.dialects),
            audiences: listed(spoken.audiences),
          }),
        )
      },
    )

  hubOptions(stream.command('doctor'))
    .description(
      'Look at everything that a stream needs, and say what is wrong and what to do; without a provider, at every stream.',
    )
    .argument('[provider]', providerOrStream)
    .action(async (wanted: string | undefined, options: HubOptions) => {
      const hub = openHub(io, options)
      if (wanted === undefined) return examineAll(io, hub, options)
      const provider = await findStreamProvider(hub, wanted)
      const health = await examine(hub, provider)
      if (options.json === true) printJson(io.stdout, health)
      else printLine(io.stdout, diagnosis(io, health))
      if (!health.healthy) throw new CliError(`The stream of ${provider.name} does not work as it should.`)
    })
}

/** `stream doctor` without a provider. @throws CliError when a stream is not healthy */
async function examineAll(io: CliIo, hub: HubClient, { json }: HubOptions): Promise<void> {
  const streams = await listStreams(hub)
  const providers = await listProviders(hub)
  const examined: (HealthBody & { readonly provider_id: string })[] = []
  const ill: string[] = []
  for (const stream of streams) {
    const provider = providers.find(({ id }) => id === stream.provider_id)
    const health = provider && (await examine(hub, provider).catch(goneMeanwhile))
    if (provider === undefined || health === undefined) continue
    examined.push({ provider_id: provider.id, ...health })
    if (!health.healthy) ill.push(provider.name)
    if (json === true) continue
    const heading = painter(io)('bold', oneLine(`${provider.name} (${provider.id})`, lineWidth(io)))
    printLine(io.stdout, `${examined.length === 1 ? '' : '\n'}${heading}\n${diagnosis(io, health)}`)
  }
  if (json === true) printJson(io.stdout, examined)
  else if (examined.length === 0) printLine(io.stdout, noStreams)
  if (ill.length === 0) return
  const names = ill.map((name) => printable(name, 100)).join(', ')
  throw new CliError(
    `${ill.length} of ${examined.length} streams ${ill.length === 1 ? 'does' : 'do'} not work as they should: ${names}.`,
  )
}

async function examine(hub: HubClient, provider: ShownProvider): Promise<HealthBody> {
  return (await ask(hub, provider, 'GET', '/health')) as HealthBody // its shape
}

/** Somebody deleted the stream or its provider since it was listed. */
function goneMeanwhile(error: unknown): undefined {
  if (error instanceof NoStreamError) return undefined
  throw error
}

const noStreams = 'There are no streams yet; `watchbell stream connect --help` tells how to set one up.'
const providerOrStream = `the provider (${providerNames}) or the id of the stream`

async function listStreams(hub: HubClient): Promise<readonly StreamBody[]> {
  const { streams } = (await hub.request('GET', '/v1/streams')) as { readonly streams: readonly StreamBody[] }
  return streams // what its route answers with
}

function nameOfProvider(providers: readonly ShownProvider[], { provider_id: id }: StreamBody): string {
  return providers.find((provider) => provider.id === id)?.name ?? id
}

/** @throws CliError when no provider or stream has this name, or several have */
async function findStreamProvider(hub: HubClient, wanted: string): Promise<ShownProvider> {
  const stream = /^str\w+$/.test(wanted)
    ? (await listStreams(hub)).find(({ id }) => id === wanted)
    : undefined
  return findProvider(hub, stream?.provider_id ?? wanted)
}

const statusVerbs = [
  ['pause', 'paused', 'Ask the transmitter to hold its events back.'],
  ['resume', 'enabled', 'Ask the transmitter to deliver (again).'],
  ['disable', 'disabled', 'Ask the transmitter to neither deliver nor keep events.'],
] as const

const subjectVerbs = [
  ['add-subject', '/subjects', 'Ask the transmitter for the events about a subject.'],
  ['remove-subject', '/subjects/remove', 'Ask the transmitter for no more events about a subject.'],
] as const

const connectExamples = `
Examples:
  $ watchbell stream connect https://idp.example/.well-known/ssf-configuration --poll \\
      --client-id watchbell --secret-file idp.secret
  $ watchbell stream connect https://idp.example --push --secret-file idp.token --auth bearer`

function oneOf<T extends string>(values: readonly T[]): (text: string) => T {
  return (text) => {
    const value = values.find((each) => each === text)
    if (value !== undefined) return value
    throw new InvalidArgumentError(`It must be one of ${values.join(', ')}.`)
  }
}

async function draftOf(io: CliIo, options: ConnectOptions): Promise<object> {
  if (options.push === true && options.poll === true) throw wrongUsage('Give --push or --poll, not both.')
  const { events, description, subjects, audience, polling, credentialHosts, streamId, pollUrl } = options
  if ((streamId === undefined) !== (pollUrl === undefined)) {
    throw wrongUsage(
      '--stream-id and --poll-url belong together: they are of a stream that its operator made.',
    )
  }
  if (polling !== undefined && options.poll !== true) throw wrongUsage('--polling is for --poll.')
  return {
    delivery: options.poll === true ? 'poll' : 'push',
    ...(polling !== undefined && { polling }),
    auth: await authOf(io, options),
    subjects,
    ...(events !== undefined && { events_requested: events.map(typeUri) }),
    ...(description !== undefined && { description }),
    ...(audience !== undefined && { audience }),
    ...(credentialHosts !== undefined && { credential_hosts: credentialHosts }),
    ...(streamId !== undefined && { existing: { stream_id: streamId, poll_url: pollUrl } }),
  }
}

async function authOf(io: CliIo, options: ConnectOptions): Promise<object> {
  const { clientId, clientKey, tokenUrl, authorizationServer, scope, dpop } = options
  const usual =
    clientKey !== undefined ? 'private_key_jwt' : clientId !== undefined ? 'client_secret_basic' : 'bearer'
  const method = options.auth ?? usual
  const client = {
    ...(clientId !== undefined && { client_id: clientId }),
    ...(tokenUrl !== undefined && { token_url: tokenUrl }),
    ...(authorizationServer !== undefined && { authorization_server: authorizationServer }),
    ...(scope !== undefined && { scope }),
    ...(dpop === true && { dpop }),
  }
  if (method === 'private_key_jwt') {
    if (clientKey === undefined)
      throw wrongUsage(
        'private_key_jwt needs --client-key, a file with a private key: PEM, a JWK or a JWK Set.',
      )
    return { method, ...client, client_key: await readPrivateJwk(io, clientKey) }
  }
  const secret =
    options.secret ??
    (options.secretFile && (await readInput(io, options.secretFile)).toString('utf8').trim())
  if (secret === undefined) {
    throw wrongUsage(
      `${method} needs --secret or --secret-file: the ${method === 'bearer' ? 'token' : 'client secret'}.`,
    )
  }
  return method === 'bearer' ? { method, token: secret } : { method, ...client, client_secret: secret }
}

/** The provider with this id, name, metadata or issuer; registered now when it is a URL that nobody has. */
async function findOrRegister(
  hub: HubClient,
  transmitter: string,
  { name, type }: ConnectOptions,
): Promise<ShownProvider> {
  const url = URL.parse(transmitter)
  if (url === null) return findProvider(hub, transmitter)
  const known = await findKnownProvider(hub, transmitter)
  if (known !== undefined) {
    requireSame('--name', name, known.name)
    requireSame('--type', type, known.type)
    return known
  }
  const settings = { well_known_url: transmitter }
  const body = { name: name ?? url.host, type: type ?? 'custom', settings }
  return asProvider(await hub.request('POST', providersPath, body))
}

/** An issuer has one provider, and that has one stream: nobody is to believe that they made another one. */
function requireSame(option: string, wanted: string | undefined, known: string): void {
  if (wanted === undefined || wanted === known) return
  throw wrongUsage(
    `${option} is for a provider that is registered now, and this transmitter is one already, with ${option} '${known}'. ` +
      `Leave ${option} out to connect its stream; an issuer has one provider, and a provider has one stream.`,
  )
}

/** Does work while the provider speaks these dialects; what it spoke before is put back when the work fails. */
async function speaking<T>(
  hub: HubClient,
  provider: ShownProvider,
  dialects: readonly string[] | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (dialects === undefined) return work()
  const before = await speak(hub, provider, {})
  await speak(hub, provider, { dialects })
  try {
    return await work()
  } catch (error) {
    await speak(hub, provider, before).catch(() => undefined)
    throw error
  }
}

/** Changes what is given of a provider's dialects; the word `none` empties a list. @returns what they are now */
async function speak(
  hub: HubClient,
  { id }: ShownProvider,
  given: { readonly [Member in keyof DialectsBody]?: DialectsBody[Member] | undefined },
): Promise<DialectsBody> {
  const path = `/v1/providers/${id}/dialects`
  const known = (await hub.request('GET', path)) as DialectsBody // its shape
  const list = (named: readonly string[] | undefined, before: readonly string[]): readonly string[] =>
    named === undefined ? before : named.filter((name) => name !== 'none')
  const wanted = {
    dialects: list(given.dialects, known.dialects),
    audiences: list(given.audiences, known.audiences),
  }
  if (given.dialects === undefined && given.audiences === undefined) return known
  return (await hub.request('PUT', path, wanted)) as DialectsBody // its shape
}

/** @returns the stream as it is once the verification event came, or the wait is over */
async function lookForVerification(
  hub: HubClient,
  provider: ShownProvider,
  asked: StreamBody,
  waitS: number,
): Promise<StreamBody> {
  let seen = asked
  for (let tries = (waitS * 1_000) / lookEveryMs; tries > 0 && !isVerified(seen); tries -= 1) {
    await delay(lookEveryMs)
    seen = asStream(await hub.request('GET', pathOf(provider)))
  }
  return seen
}

/** Also when the transmitter has nothing to ask for one at. */
function isVerified(stream: StreamBody): boolean {
  const { verification_asked_at: at, verified_at: came, transmitter } = stream
  return transmitter?.verification_endpoint === null || (came !== null && (at === null || came >= at))
}

/** @throws CliError when the verification event did not come; without a wait, when it was not asked for */
function requireVerified({ name, id }: ShownProvider, stream: StreamBody, waitS: number): void {
  if (isVerified(stream)) return
  const { verification_asked_at: at, last_error: problem } = stream
  if (waitS === 0 && at !== null && problem === null) return
  const why = problem === null ? '' : ` ${problem}`
  throw new CliError(
    `The stream of ${name} is set up, and no verification event came within ${waitS} s.${why} ` +
      `\`watchbell stream doctor ${id}\` looks into it.`,
  )
}

/**
 * A request about the stream of a provider that was just found.
 * @throws CliError when it has none, in other words than the hub, which knows it by its id
 */
async function ask(
  hub: HubClient,
  provider: ShownProvider,
  method: Parameters<HubClient['request']>[0],
  path = '',
  body?: object,
): Promise<unknown> {
  try {
    return await hub.request(method, pathOf(provider) + path, body)
  } catch (error) {
    if (!(error instanceof HubAnswerError) || error.status !== 404) throw error
    throw new NoStreamError(
      `The provider '${provider.name}' has no stream; \`watchbell stream connect\` sets one up.`,
    )
  }
}

function pathOf({ id }: ShownProvider): string {
  return `/v1/providers/${id}/stream`
}

function asStream(answer: unknown): StreamBody {
  return answer as StreamBody // what its routes answer with
}

function described(io: CliIo, provider: ShownProvider, stream: StreamBody): string {
  const { transmitter, auth } = stream
  return facts(io, {
    provider: `${provider.name} (${provider.id})`,
    stream: stream.id,
    delivery: stream.polling === undefined ? stream.delivery : `${stream.delivery} (${stream.polling})`,
    'pushed to': stream.push_url,
    'polled at': stream.delivery === 'poll' ? (transmitter?.endpoint_url ?? undefined) : undefined,
    'stream id': transmitter?.stream_id ?? 'not connected',
    audience: transmitter?.aud.join(', '),
    'event types':
      transmitter?.events_delivered == null ? undefined : String(transmitter.events_delivered.length),
    auth: auth.client_id === undefined ? auth.method : `${auth.method} as ${auth.client_id}`,
    subjects: stream.subjects,
    status: stream.status_reason === null ? stream.status : `${stream.status}: ${stream.status_reason}`,
    verified: stream.verified_at ?? 'not yet',
    'last event': stream.last_event_at ?? undefined,
    'last poll': stream.last_poll_at ?? undefined,
    problem: stream.last_error ?? undefined,
  })
}

const resultStyles: Readonly<Record<string, Style>> = { ok: 'green', warning: 'yellow', failed: 'red' }

function diagnosis(io: CliIo, { checks }: HealthBody): string {
  const paint = painter(io)
  return checks
    .map(({ name, result, detail }) => {
      const style = resultStyles[result] ?? 'dim'
      return `${paint(style, result.padEnd(7))}  ${name.padEnd(12)}  ${detail}`
    })
    .join('\n')
}
