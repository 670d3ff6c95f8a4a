import { expect } from 'vitest'
import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import {
  startEmulatedTransmitter,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from '../../src/testing/emulated-transmitter.ts'
import type { EmulatedStream } from '../../src/testing/emulated-streams.ts'

export type Delivery = 'push' | 'poll'
export const deliveries: readonly Delivery[] = ['push', 'poll']

export const ada = { format: 'email', email: 'ada@example.com' }
export const caep = (name: string): string => `https://schemas.openid.net/secevent/caep/event-type/${name}`

/** A stream as the hub shows it; members that a test reads. */
export interface ShownStream {
  readonly status: string
  readonly status_reason: string | null
  /** As the transmitter described it; not there while it is not connected. */
  readonly transmitter?: { readonly stream_id: string; readonly aud: readonly string[] }
  readonly verified_at: string | null
  readonly last_error: string | null
}

export interface ShownSignal {
  readonly outcome: string
  readonly jti: string | null
  readonly repeats: number
  readonly code?: string
  readonly events: readonly { readonly type: string }[]
}

/** A hub, an emulated transmitter that is one of its providers, and the stream between them. */
export interface Receiver extends AsyncDisposable {
  readonly hub: TestHub
  readonly transmitter: EmulatedTransmitter
  readonly providerId: string
  /** PUT of the stream; members beside the usual ones, or in their place. */
  connect(members?: object): Promise<Response>
  /** The stream as the hub shows it. */
  shown(): Promise<ShownStream>
  /** The stream as the transmitter has it. */
  stream(): EmulatedStream
  /** Waits until the receiver said what became of a SET. @returns `taken`, or the `err` of its refusal */
  verdict(jti: string): Promise<string>
  signals(query?: string): Promise<readonly ShownSignal[]>
}

export interface ReceiverOptions {
  readonly hub?: TestHubOptions
  readonly transmitter?: EmulatedTransmitterOptions
  /** Members of the PUT that connects the stream; false leaves it unconnected. */
  readonly connect?: object | false
}

/** Longer than the cool-down after unknown keys, the longest pause that a test meets. */
const verdictMaxMs = 45_000

export const clientAuth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }

export async function startReceiver(
  delivery: Delivery,
  { hub: hubOptions, transmitter: of = {}, connect = {} }: ReceiverOptions = {},
): Promise<Receiver> {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub(hubOptions))
  const transmitter = opened.use(await startEmulatedTransmitter({ alg: 'RS256', pushRetryMs: 20, ...of }))
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: transmitter.issuer,
    type: 'emulated',
    settings: { well_known_url: transmitter.wellKnownUrl },
  })
  const { id: providerId } = (await created.json()) as { id: string }
  const path = `/v1/providers/${providerId}/stream`
  const receiver: Receiver = {
    hub,
    transmitter,
    providerId,
    connect: (members = {}) => hub.api('PUT', path, { delivery, auth: clientAuth, ...members }),
    shown: async () => (await (await hub.api('GET', path)).json()) as ShownStream,
    stream: () => transmitter.stream(),
    async verdict(jti) {
      let said: string | undefined
      await expect
        .poll(() => (said = verdictOf(transmitter, jti)), { timeout: verdictMaxMs, interval: 10 })
        .toBeDefined()
      return said ?? ''
    },
    async signals(query = '') {
      const answer = await hub.api('GET', `/v1/signals${query}`)
      return ((await answer.json()) as { signals: ShownSignal[] }).signals
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
  if (connect !== false && !(await receiver.connect(connect)).ok) {
    await opened.disposeAsync()
    throw new Error('The stream was not connected.')
  }
  return receiver
}

/** Undefined while the receiver has not said anything final. */
function verdictOf({ streams }: EmulatedTransmitter, jti: string): string | undefined {
  for (const { acked, setErrs, pushes } of streams) {
    if (acked.includes(jti)) return 'taken'
    const refused = setErrs.find((error) => error.jti === jti)
    if (refused !== undefined) return refused.err
    const pushed = pushes.findLast((push) => push.jti === jti)
    if (pushed?.status === 202) return 'taken'
    if (pushed?.err !== undefined) return pushed.err
  }
  return undefined
}
