import { expect } from 'vitest'
import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import {
  startEmulatedTransmitter,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from '../../src/testing/emulated-transmitter.ts'
import type { EmulatedStream } from '../../src/testing/emulated-streams.ts'
import type { SignalBody } from '../../src/wire/signals.ts'
import type { StreamBody } from '../../src/wire/streams.ts'

export type Delivery = 'push' | 'poll'
/** A stream that is pushed, as those of most tests are. */
export type PushedStream = StreamBody & { readonly push_url: string }

export const deliveries: readonly Delivery[] = ['push', 'poll']

export const ada = { format: 'email', email: 'ada@example.com' }
export const caep = (name: string): string => `https://schemas.openid.net/secevent/caep/event-type/${name}`

/** A hub, an emulated transmitter that is one of its providers, and the stream between them. */
export interface Receiver extends AsyncDisposable {
  readonly hub: TestHub
  readonly transmitter: EmulatedTransmitter
  readonly providerId: string
  /** PUT of the stream; members beside the usual ones, or in their place. */
  connect(members?: object): Promise<Response>
  /** The stream as the hub shows it. */
  shown(): Promise<PushedStream>
  /** The stream as the transmitter has it. */
  stream(): EmulatedStream
  /** Waits until the receiver said what became of a SET. @returns `taken`, or the `err` of its refusal */
  verdict(jti: string): Promise<string>
  signals(query?: string): Promise<readonly SignalBody[]>
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
    shown: async () => (await (await hub.api('GET', path)).json()) as PushedStream,
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
      return ((await answer.json()) as { signals: SignalBody[] }).signals
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
