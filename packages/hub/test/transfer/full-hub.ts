import { expect } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startEmulatedTransmitter, type EmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { startTransmitter, type Transmitter } from '../../src/testing/transmitter.ts'
import type { SettingName } from '../../src/config/settings.ts'
import { freePort } from '../free-port.ts'
import { registerServiceApp } from '../http/service-app.ts'
import { setRisk } from '../http/user-risk.ts'

/** Transmitters and credentials around a hub that has everything in it, and outlives its database. */
export interface Surroundings extends AsyncDisposable {
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly transmitter: Transmitter
  readonly streaming: EmulatedTransmitter
  /** Of every hub that takes the place of the first: the same address, the same secret key. */
  readonly settings: Partial<Record<SettingName, string>>
  /** API tokens and an access token by what they are. */
  readonly credentials: Map<'live' | 'revoked' | 'bearer', string>
  /** What was pushed, by what is in it. */
  readonly sets: Map<'handled' | 'repeated', string>
}

export async function startSurroundings(): Promise<Surroundings> {
  const opened = new AsyncDisposableStack()
  return {
    startedAt: Date.now(),
    transmitter: opened.use(await startTransmitter({ alg: 'ES256' })),
    streaming: opened.use(await startEmulatedTransmitter()),
    settings: {
      listen: `127.0.0.1:${await freePort()}`,
      trustedProxies: '127.0.0.1',
      secretKey: Buffer.alloc(32, 'moves').toString('base64'),
    },
    credentials: new Map(),
    sets: new Map(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const dayMs = 86_400_000
export const ada = { format: 'email', email: 'ada@example.com' } as const
const bob = { format: 'email', email: 'bob@example.com' } as const

/** Makes one of everything that a hub keeps. */
export async function fill(hub: TestHub, around: Surroundings): Promise<void> {
  const { transmitter, streaming, credentials, sets } = around
  const must = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await hub.api(method, path, body)
    const text = await answer.text()
    expect([method, path, answer.ok, text]).toEqual([method, path, true, text])
    return text === '' ? undefined : JSON.parse(text)
  }
  const provider = async (name: string, settings: object): Promise<string> => {
    const made = await must('POST', '/api/v1/security-events-providers', { name, type: 'test', settings })
    return (made as { id: string }).id // OKTA-R2
  }

  const pushing = await provider('Pushing', { issuer: transmitter.issuer, jwks_url: transmitter.jwksUrl })
  await provider('Idle', { issuer: 'https://idle.example', jwks_url: 'https://idle.example/jwks' })
  const streamed = await provider('Streaming', { well_known_url: streaming.wellKnownUrl })
  const asleep = await provider('Asleep', {
    issuer: 'https://asleep.example',
    jwks_url: 'https://asleep.example/jwks',
  })
  await must('POST', `/api/v1/security-events-providers/${asleep}/lifecycle/deactivate`)
  await must('PUT', `/v1/providers/${asleep}/action`, { action: 'none' })
  await must('PUT', `/v1/providers/${pushing}/trust`, {
    speaks_of: { events: null },
    joins: { domains: ['example.com'] },
    precedence: 2,
  })
  await must('PUT', `/v1/providers/${pushing}/dialects`, {
    dialects: [],
    audiences: ['https://old.example', hub.origin],
  })
  await must('PUT', `/v1/providers/${streamed}/stream`, {
    delivery: 'push',
    auth: { method: 'bearer', token: 'static-token' },
  })
  const verified = async (): Promise<unknown> =>
    ((await must('GET', `/v1/providers/${streamed}/stream`)) as { verified_at: unknown }).verified_at
  await expect.poll(verified).not.toBeNull() // else it happens some time later

  const live = await hub.hub.apiTokens.create({ name: 'live', role: 'read_only' })
  const revoked = await hub.hub.apiTokens.create({ name: 'revoked', role: 'admin' })
  await hub.hub.apiTokens.revoke('revoked')
  credentials.set('live', live.secret).set('revoked', revoked.secret)
  const app = await registerServiceApp(hub, 'okta.riskEvents.manage okta.logs.read')
  credentials.set('bearer', await app.token('okta.logs.read'))
  await hub.hub.signingKeys.rotate()
  await must('POST', '/api/v1/risk/providers', {
    name: 'Partner',
    clientId: app.clientId,
    action: 'enforce_and_log',
  })
  const riskEvents = [{ subjects: [{ ip: '203.0.113.7', riskLevel: 'HIGH', message: 'Brute force' }] }]
  expect(
    (await app.call('okta.riskEvents.manage', 'POST', '/api/v1/risk/events/ip', riskEvents)).status,
  ).toBe(202)

  const sign = (over: object): string =>
    transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject: ada, ...over })
  const handled = sign({ jti: 'handled' })
  const repeated = sign({ jti: 'repeated', subject: bob })
  sets.set('handled', handled).set('repeated', repeated)
  const risk = sign({
    type: 'https://schemas.okta.com/secevent/okta/event-type/user-risk-change',
    claims: { current_level: 'high', previous_level: 'low' },
  })
  const credential = sign({
    type: 'credential-change',
    claims: { credential_type: 'password', change_type: 'update' },
    subject: { user: ada, device: { format: 'opaque', id: 'laptop 1' } },
  })
  const unknownUser = sign({ subject: { format: 'opaque', id: '𝔘 "quoted"\n\t\u2028 ü' } })
  const badge = { format: 'opaque', id: '1' }
  const unmatched = sign({ subject: { format: 'complex', user: ada, badge } })
  const renamed = sign({
    type: 'identifier-changed',
    claims: { 'new-value': 'robert@example.com' },
    subject: bob,
  })
  for (const set of [handled, repeated, repeated, risk, credential, unknownUser, unmatched, renamed]) {
    expect((await hub.push(set)).status).toBe(202)
  }
  const refused = [
    sign({ aud: 'https://elsewhere.example', jti: 'refused' }),
    await transmitter.signBroken('signature', { type: 'session-revoked', aud: hub.origin, subject: ada }),
    'nonsense',
  ]
  for (const set of refused) expect((await hub.push(set)).status).toBe(400)
  await hub.handleAll()
  await setRisk(hub, 'grace@example.com', 'MEDIUM')
  await must('PUT', '/api/v1/users/grace%40example.com/risk', { riskLevel: 'HIGH' })
  await setRisk(hub, 'gone@example.com', 'HIGH')
  const proxied = { 'x-forwarded-user': 'bob@example.com', 'x-forwarded-for': '198.51.100.7' }
  expect((await fetch(`${hub.origin}/access/v1/forward-auth`, { headers: proxied })).status).toBe(401)
}

/** Everything that the API shows, by what was asked; asking for verdicts comes last, because the log notes them. */
export async function answers(
  hub: TestHub,
  { startedAt }: Surroundings,
): Promise<Readonly<Record<string, unknown>>> {
  const all: Record<string, unknown> = {}
  const get = async (path: string): Promise<unknown> => {
    const answer = await hub.api('GET', path)
    const body: unknown = await answer.json()
    expect([path, answer.status, body]).toEqual([path, 200, body])
    all[path] = { link: answer.headers.get('link'), body }
    return (all[path] as { body: unknown }).body
  }
  /** Every page, by the links of each to the next: cursors must be the same. */
  const pages = async (path: string): Promise<void> => {
    for (let next: string | undefined = path, count = 0; next !== undefined && count < 30; count++) {
      const body = await get(next)
      const { link } = all[next] as { readonly link: string | null } // written by `get`
      const url: string | undefined = /<([^>]+)>; rel="next"/.exec(link ?? '')?.[1]
      next = Array.isArray(body) && body.length === 0 ? undefined : url?.replace(hub.origin, '')
    }
  }
  const providers = (await get('/api/v1/security-events-providers')) as readonly {
    id: string
    name: string
  }[]
  for (const { id, name } of providers) {
    await get(`/api/v1/security-events-providers/${id}`)
    await get(`/v1/providers/${id}/action`)
    await get(`/v1/providers/${id}/trust`)
    if (name === 'Streaming') await get(`/v1/providers/${id}/stream`)
  }
  const partners = (await get('/api/v1/risk/providers')) as readonly { id: string }[]
  for (const { id } of partners) await get(`/v1/risk/providers/${id}/counts`)
  const clients = (await get('/oauth2/v1/clients')) as readonly { client_id: string }[]
  for (const client of clients) await get(`/oauth2/v1/clients/${client.client_id}`)
  await get('/oauth2/v1/keys')
  await pages('/v1/signals?limit=2&include=token')
  await pages('/v1/signals?limit=2&outcome=refused')
  await pages('/v1/signals?subject=ada%40example.com')
  await get('/v1/signals/counts')
  await pages('/v1/subjects?limit=2')
  const { subjects } = (await get('/v1/subjects')) as { subjects: readonly { id: string }[] }
  for (const { id } of subjects) await get(`/v1/subjects/${id}`)
  await get('/api/v1/users/grace%40example.com/risk')
  await pages('/api/v1/logs?limit=4')
  const filter = encodeURIComponent('eventType eq "security.events.provider.receive_event"')
  // Without an end, cursors of descending pages hold the time of the first request.
  const bounds = `since=${new Date(startedAt - dayMs).toISOString()}&until=${new Date(startedAt + dayMs).toISOString()}`
  await pages(`/api/v1/logs?${bounds}&limit=2&filter=${filter}&sortOrder=DESCENDING`)
  for (const [user, ip] of [
    ['ada@example.com', '192.0.2.1'],
    ['grace@example.com', '192.0.2.1'],
    ['bob@example.com', '203.0.113.7'],
    ['nobody@example.com', '192.0.2.1'],
  ]) {
    const question = {
      subject: { type: 'user', id: user },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
      context: { ip, issued_at: '2020-01-01T00:00:00Z' },
    }
    all[`${user} ${ip}`] = await (await hub.api('POST', '/access/v1/evaluation', question)).json()
  }
  return all
}

/** What became of each credential: the status that it gets. */
export async function standing(hub: TestHub, { credentials }: Surroundings): Promise<object> {
  const status = async (authorization: string): Promise<number> =>
    (await fetch(`${hub.origin}/api/v1/logs?limit=1`, { headers: { authorization } })).status
  return {
    live: await status(`SSWS ${credentials.get('live')}`),
    revoked: await status(`SSWS ${credentials.get('revoked')}`),
    bearer: await status(`Bearer ${credentials.get('bearer')}`),
  }
}

export function startHub(
  { settings }: Surroundings,
  place: { readonly folder: string } | { readonly databaseUrl: string },
): Promise<TestHub> {
  return 'folder' in place
    ? startTestHub({ folder: place.folder, settings })
    : startTestHub({ settings: { ...settings, ...place } })
}
