import { decodeJwt } from 'jose'
import { expect } from 'vitest'
import {
  startEmulatedTransmitter,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from '../../src/testing/emulated-transmitter.ts'
import { randomUUID } from 'node:crypto'
import { generateSigningKey, signSet } from '@watchbell/receiver/set'
import { claimsOfDraft, type SetDraft } from '../../src/testing/set-draft.ts'
import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import type { SignalBody } from '../../src/wire/signals.ts'
import type { StreamBody } from '../../src/wire/streams.ts'
import type { LogEntryBody } from '../../src/wire/system-log.ts'

/** A stream that is pushed, as those of most tests are. */
export type PushedStream = StreamBody & { readonly push_url: string }

export interface StreamSite extends AsyncDisposable {
  readonly hub: TestHub
  readonly transmitter: EmulatedTransmitter
  readonly providerId: string
  /** Sends a request about the stream; `path` is what follows `/v1/providers/{id}/stream`. */
  api(method: string, path?: string, body?: unknown): Promise<Response>
  /** Connects, and says what the hub answered. */
  connect(over?: object): Promise<PushedStream>
  shown(): Promise<PushedStream>
  /** A SET that the transmitter could send over its only stream; none of it goes through its delivery. */
  sign(over?: Partial<SetDraft>): string
  /** The same with these claims, beside iss, aud, jti and iat or in their place. */
  signClaims(claims: object): string
  signals(query?: string): Promise<SignalBody[]>
  /** What became of this token once everything was handled; the stream's own verification may well be newer. */
  handled(token: string): Promise<SignalBody | undefined>
  /** Log entries of our own types, newest first. */
  logs(type: string): Promise<LogEntryBody[]>
}

export const ada = { format: 'email', email: 'ada@example.com' }
export const bearer = { delivery: 'push', auth: { method: 'bearer', token: 'static-token' } }

/** A hub, and an emulated transmitter that is registered with it; no stream yet. */
export async function startStreamSite(
  options: { readonly hub?: TestHubOptions; readonly transmitter?: EmulatedTransmitterOptions } = {},
): Promise<StreamSite> {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub(options.hub))
  const key = await generateSigningKey('ES256')
  const transmitter = opened.use(await startEmulatedTransmitter({ key, ...options.transmitter }))
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'Emulated',
    type: 'test',
    settings: { well_known_url: transmitter.wellKnownUrl },
  })
  const { id } = (await created.json()) as { id: string }
  const api: StreamSite['api'] = (method, path = '', body) =>
    hub.api(method, `/v1/providers/${id}/stream${path}`, body)
  const signals: StreamSite['signals'] = async (query = '') => {
    const answer = await hub.api('GET', `/v1/signals${query}`)
    return ((await answer.json()) as { signals: SignalBody[] }).signals
  }
  return {
    hub,
    transmitter,
    providerId: id,
    api,
    async connect(over = {}) {
      const answer = await api('PUT', '', { ...bearer, ...over })
      const body = (await answer.json()) as PushedStream
      expect(body).toMatchObject({ connected: true })
      return body
    },
    sign(over = {}) {
      const draft = {
        type: 'session-revoked',
        subject: ada,
        aud: transmitter.stream().aud,
        ...over,
      } as SetDraft // of one shape
      const { issuer } = transmitter
      return signSet({
        key,
        claims: claimsOfDraft(draft, { issuer, jti: randomUUID(), issuedAt: new Date() }),
      })
    },
    signClaims(claims) {
      const { aud } = transmitter.stream()
      const iat = Math.floor(Date.now() / 1_000)
      return signSet({ key, claims: { iss: transmitter.issuer, aud, jti: randomUUID(), iat, ...claims } })
    },
    async shown() {
      return (await (await api('GET')).json()) as PushedStream
    },
    signals,
    async handled(token) {
      await hub.handleAll()
      const { jti = '' } = decodeJwt(token)
      const [signal] = await signals(`?outcome=handled&jti=${encodeURIComponent(jti)}`)
      return signal
    },
    async logs(type) {
      const answer = await hub.api(
        'GET',
        `/api/v1/logs?sortOrder=DESCENDING&filter=${encodeURIComponent(`eventType eq "${type}"`)}`,
      )
      return (await answer.json()) as LogEntryBody[]
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** The words of a refusal. */
export async function refusalOf(
  answer: Response,
): Promise<{ readonly status: number; readonly message: string }> {
  return { status: answer.status, message: await answer.text() }
}
