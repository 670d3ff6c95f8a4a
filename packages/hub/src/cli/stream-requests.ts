import { setTimeout as delay } from 'node:timers/promises'
import type { ProviderBody } from '../wire/providers.ts'
import type { DialectsBody, StreamBody } from '../wire/streams.ts'
import { CliError, type CliIo } from './cli-io.ts'
import { HubAnswerError, type HubClient } from './hub-client.ts'
import { findProvider, providerNames } from './provider-command.ts'
import { facts } from './table.ts'

/** The provider has no stream. */
export class NoStreamError extends CliError {}

export const noStreams =
  'There are no streams yet; `watchbell stream connect --help` tells how to set one up.'

export const providerOrStream = `the provider (${providerNames}) or the id of the stream`

export const waitDefaultS = 15

const lookEveryMs = 500

export async function listStreams(hub: HubClient): Promise<readonly StreamBody[]> {
  const { streams } = await hub.call('GET /v1/streams')
  return streams
}

/** @throws CliError when no provider or stream has this name, or several have */
export async function findStreamProvider(hub: HubClient, wanted: string): Promise<ProviderBody> {
  const stream = /^str\w+$/.test(wanted)
    ? (await listStreams(hub)).find(({ id }) => id === wanted)
    : undefined
  return findProvider(hub, stream?.provider_id ?? wanted)
}

/**
 * The answer to a request about the stream of a provider that was just found.
 * @throws CliError when the provider has no stream, with the name of the provider instead of its id
 */
export async function askStream<T>(provider: ProviderBody, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof HubAnswerError) || error.status !== 404) throw error
    throw new NoStreamError(
      `The provider '${provider.name}' has no stream; \`watchbell stream connect\` sets one up.`,
    )
  }
}

export function describedStream(io: CliIo, provider: ProviderBody, stream: StreamBody): string {
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
    auth: auth.method === 'bearer' ? auth.method : `${auth.method} as ${auth.client_id}`,
    subjects: stream.subjects,
    status: stream.status_reason === null ? stream.status : `${stream.status}: ${stream.status_reason}`,
    verified: stream.verified_at ?? 'not yet',
    'last event': stream.last_event_at ?? undefined,
    'last poll': stream.last_poll_at ?? undefined,
    problem: stream.last_error ?? undefined,
  })
}

/** @returns the stream after the verification event came, or the wait ended */
export async function lookForVerification(
  hub: HubClient,
  provider: ProviderBody,
  asked: StreamBody,
  waitS: number,
): Promise<StreamBody> {
  let seen = asked
  for (let tries = (waitS * 1_000) / lookEveryMs; tries > 0 && !isVerified(seen); tries -= 1) {
    await delay(lookEveryMs)
    seen = await hub.call('GET /v1/providers/:id/stream', { params: { id: provider.id } })
  }
  return seen
}

/** Also true when the transmitter has no verification endpoint. */
function isVerified(stream: StreamBody): boolean {
  const { verification_asked_at: at, verified_at: came, transmitter } = stream
  return transmitter?.verification_endpoint === null || (came !== null && (at === null || came >= at))
}

/** @throws CliError when the verification event did not come; without a wait, when it was not asked for */
export function requireVerified({ name, id }: ProviderBody, stream: StreamBody, waitS: number): void {
  if (isVerified(stream)) return
  const { verification_asked_at: at, last_error: problem } = stream
  if (waitS === 0 && at !== null && problem === null) return
  const why = problem === null ? '' : ` ${problem}`
  throw new CliError(
    `The stream of ${name} is set up, and no verification event came within ${waitS} s.${why} ` +
      `\`watchbell stream doctor ${id}\` looks into it.`,
  )
}

/** Changes the given dialects of a provider; `none` empties a list. @returns the dialects after the change */
export async function setDialects(
  hub: HubClient,
  { id }: ProviderBody,
  given: { readonly [Member in keyof DialectsBody]?: DialectsBody[Member] | undefined },
): Promise<DialectsBody> {
  const params = { id }
  const known = await hub.call('GET /v1/providers/:id/dialects', { params })
  const list = (named: readonly string[] | undefined, before: readonly string[]): readonly string[] =>
    named === undefined ? before : named.filter((name) => name !== 'none')
  const wanted = {
    dialects: list(given.dialects, known.dialects),
    audiences: list(given.audiences, known.audiences),
  }
  if (given.dialects === undefined && given.audiences === undefined) return known
  return hub.call('PUT /v1/providers/:id/dialects', { params, body: wanted })
}
