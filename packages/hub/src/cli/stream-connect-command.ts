import { InvalidArgumentError, type Command } from 'commander'
import { dialectNames } from '@watchbell/receiver/set'
import type { ProviderBody } from '../wire/providers.ts'
import type { StreamRequestBody } from '../wire/streams.ts'
import { printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { typeUri } from './event-types.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { readInput } from './input.ts'
import { readPrivateJwk } from './key-input.ts'
import { gatherList, integerFrom } from './option-readers.ts'
import { findKnownProvider, findProvider, providerNames } from './provider-command.ts'
import {
  describedStream,
  lookForVerification,
  requireVerified,
  setDialects,
  waitDefaultS,
} from './stream-requests.ts'

export function registerStreamConnect(stream: Command, io: CliIo): void {
  hubOptions(stream.command('connect'))
    .description(
      'Create a stream at a transmitter, or adopt and repair an existing one, and verify it. Registers the provider ' +
        'first when there is none.',
    )
    .argument('<transmitter>', `the URL of its metadata, its issuer URL, or a provider: ${providerNames}`)
    .option('--push', 'the transmitter pushes events to the hub (the default)')
    .option('--poll', 'the hub polls the transmitter, which need not reach the hub')
    .option(
      '--stream-id <id>',
      'with --poll: use this stream, which the operator of the transmitter made and manages',
    )
    .option('--poll-url <url>', 'URL to poll that stream at; also needs --audience')
    .option(
      '--polling <kind>',
      'long: the transmitter may hold a poll open (the default); short: it answers at once',
      oneOf(['long', 'short']),
    )
    .option('--name <name>', 'name of a newly registered provider; its host unless given')
    .option('--type <type>', 'kind of application of a newly registered provider; custom unless given')
    .option('--auth <method>', authMethods.join(', '), oneOf(authMethods))
    .option('--client-id <id>', "the hub's client at the authorization server of the transmitter")
    .option('--secret <secret>', 'the client secret, or the bearer token')
    .option('--secret-file <file>', 'a file with the secret; - is standard input')
    .option(
      '--client-key <file>',
      'the private key of private_key_jwt: PEM, a JWK or a JWK Set; - is standard input',
    )
    .option('--token-url <url>', 'token endpoint of the authorization server; discovered unless given')
    .option('--authorization-server <issuer>', 'issuer of the authorization server, for discovery')
    .option('--scope <scope>', 'scopes to request')
    .option('--dpop', 'bind access tokens to a key (RFC 9449)')
    .option(
      '--events <types>',
      'event types to request; all that the hub understands unless given',
      gatherList,
    )
    .option('--description <text>', 'description of the stream at the transmitter')
    .option(
      '--subjects <policy>',
      'all subjects, or listed: only subjects that were added',
      oneOf(['all', 'listed']),
      'all',
    )
    .option('--audience <aud>', 'the expected aud of the SETs', gatherList)
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
        hub.call('PUT /v1/providers/:id/stream', { params: { id: provider.id }, body }),
      )
      const seen = await lookForVerification(hub, provider, connected, options.wait)
      printResult(io, options, seen, () => describedStream(io, provider, seen))
      requireVerified(provider, seen, options.wait)
    })
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

const authMethods = ['bearer', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const

type AuthMethod = (typeof authMethods)[number]

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

async function draftOf(io: CliIo, options: ConnectOptions): Promise<StreamRequestBody> {
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
    ...(streamId !== undefined &&
      pollUrl !== undefined && { existing: { stream_id: streamId, poll_url: pollUrl } }),
  }
}

async function authOf(io: CliIo, options: ConnectOptions): Promise<StreamRequestBody['auth']> {
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

/** The provider with this id, name, metadata URL or issuer; registers a URL that no provider has. */
async function findOrRegister(
  hub: HubClient,
  transmitter: string,
  { name, type }: ConnectOptions,
): Promise<ProviderBody> {
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
  return hub.call('POST /api/v1/security-events-providers', { body })
}

/** An issuer has one provider, and a provider one stream: refuses options that ask for another one. */
function requireSame(option: string, wanted: string | undefined, known: string): void {
  if (wanted === undefined || wanted === known) return
  throw wrongUsage(
    `${option} is for a provider that is registered now, and this transmitter is one already, with ${option} '${known}'. ` +
      `Leave ${option} out to connect its stream; an issuer has one provider, and a provider has one stream.`,
  )
}

/** Sets the dialects of the provider for some work, and restores the earlier ones when the work fails. */
async function speaking<T>(
  hub: HubClient,
  provider: ProviderBody,
  dialects: readonly string[] | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (dialects === undefined) return work()
  const before = await setDialects(hub, provider, {})
  await setDialects(hub, provider, { dialects })
  try {
    return await work()
  } catch (error) {
    await setDialects(hub, provider, before).catch(() => undefined)
    throw error
  }
}
