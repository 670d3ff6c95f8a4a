import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import { startTransmitter, type Transmitter, type TransmitterOptions } from '../../src/testing/transmitter.ts'
import type { SignalBody } from '../../src/wire/signals.ts'
import type { LogEntryBody } from '../../src/wire/system-log.ts'

export interface HubWithProvider extends AsyncDisposable {
  readonly hub: TestHub
  readonly transmitter: Transmitter
  readonly providerId: string
  /** A sound token of the transmitter for this hub. */
  sign(draft?: Partial<Parameters<Transmitter['sign']>[0]>): string
  /** Every signal the hub shows, newest first. */
  signals(query?: string): Promise<SignalBody[]>
  logs(query?: string): Promise<LogEntryBody[]>
}

export const ada = { format: 'email', email: 'ada@example.com' }

/** A hub, and a transmitter that is registered with it. */
export async function startHubWithProvider(
  options: { readonly hub?: TestHubOptions; readonly transmitter?: TransmitterOptions } = {},
): Promise<HubWithProvider> {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub(options.hub))
  const transmitter = opened.use(await startTransmitter({ alg: 'ES256', ...options.transmitter }))
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: transmitter.issuer,
    type: 'test',
    settings: { issuer: transmitter.issuer, jwks_url: transmitter.jwksUrl },
  })
  const { id } = (await created.json()) as { id: string }
  return {
    hub,
    transmitter,
    providerId: id,
    // the draft's two shapes are told apart by the caller
    sign: (draft = {}) =>
      transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject: ada, ...draft } as Parameters<
        Transmitter['sign']
      >[0]),
    async signals(query = '') {
      const answer = await hub.api('GET', `/v1/signals${query}`)
      return ((await answer.json()) as { signals: SignalBody[] }).signals
    },
    async logs(query = '') {
      const answer = await hub.api('GET', `/api/v1/logs${query}`)
      return (await answer.json()) as LogEntryBody[]
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
