import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import { startTransmitter, type Transmitter, type TransmitterOptions } from '../../src/testing/transmitter.ts'

export interface HubWithProvider extends AsyncDisposable {
  readonly hub: TestHub
  readonly transmitter: Transmitter
  readonly providerId: string
  /** A sound token of the transmitter for this hub. */
  sign(draft?: Partial<Parameters<Transmitter['sign']>[0]>): string
  /** Every signal the hub shows, newest first. */
  signals(query?: string): Promise<ShownSignal[]>
  logs(query?: string): Promise<ShownEntry[]>
}

export interface ShownSignal {
  readonly id: string
  readonly outcome: string
  readonly provider: string | null
  readonly iss: string | null
  readonly jti: string | null
  readonly repeats: number
  readonly code?: string
  readonly reason?: string
  readonly source: string | null
  readonly proven?: boolean
  readonly token?: string | null
  readonly events: readonly {
    type: string
    name: string
    subject?: object
    claims: object
    occurred_at: string | null
  }[]
}

export interface ShownEntry {
  readonly eventType: string
  readonly displayMessage: string
  readonly outcome: { readonly result: string }
  readonly actor: { readonly id: string; readonly type: string; readonly displayName: string }
  readonly target: readonly { readonly type: string; readonly alternateId: string }[] | null
  readonly debugContext: { readonly debugData: Readonly<Record<string, string>> }
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
      return ((await answer.json()) as { signals: ShownSignal[] }).signals
    },
    async logs(query = '') {
      const answer = await hub.api('GET', `/api/v1/logs${query}`)
      return (await answer.json()) as ShownEntry[]
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
