import { describe, expect, test, vi } from 'vitest'
import { hubActor } from '../../src/streams/stream-journal.ts'
import { personalityNames, type PersonalityName } from '../../src/testing/personalities.ts'
import { ada, startStreamSite, type StreamSite } from './with-stream.ts'
import type { StreamBody } from '../../src/wire/streams.ts'

// How the hub does with the transmitters that it was run beside, as the emulated transmitter answers in their stead.
const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'
const wanted = [`${caep}session-revoked`, `${caep}credential-change`]
const client = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }
const bearer = { method: 'bearer', token: 'static-token' }
const authOf: Readonly<Record<PersonalityName, object>> = {
  keycloak: client,
  authentik: bearer,
  i2gosignals: client,
  protocolsoup: client,
}

async function startPeer(name: PersonalityName): Promise<StreamSite> {
  const site = await startStreamSite({ transmitter: { misbehaving: [name], longPollMs: 200 } })
  const dialects = name === 'keycloak' ? ['keycloak'] : []
  await site.hub.api('PUT', `/v1/providers/${site.providerId}/dialects`, { dialects })
  return site
}

const draftFor = (name: PersonalityName, delivery: string, over: object = {}): object => ({
  delivery,
  auth: authOf[name],
  events_requested: wanted,
  audience: ['hub.example'],
  ...(name === 'keycloak' && { audience: null }),
  ...(name === 'protocolsoup' && { audience: null }),
  ...over,
})

async function untilVerified(site: StreamSite): Promise<StreamBody> {
  return vi.waitFor(
    async () => {
      const shown = await site.shown()
      expect(shown.verified_at).not.toBeNull()
      return shown
    },
    { timeout: 20_000 },
  )
}

async function problems(site: StreamSite): Promise<readonly string[]> {
  const { checks } = (await (await site.api('GET', '/health')).json()) as {
    checks: { name: string; result: string; detail: string }[]
  }
  return checks
    .filter(({ name, result }) => result !== 'ok' && name !== 'tls')
    .map(({ name, result, detail }) => `${name} ${result}: ${detail}`)
}

/** Sends a revocation of ada's session by the stream, and waits until it was handled. */
async function revoke(site: StreamSite): Promise<void> {
  const jti = site.transmitter.send({ type: 'session-revoked', subject: ada })
  await vi.waitFor(
    async () => {
      await site.hub.handleAll()
      expect(await site.signals(`?jti=${jti}`)).toMatchObject([{ outcome: 'handled' }])
    },
    { timeout: 20_000 },
  )
}

describe.each(personalityNames)('%s', (name) => {
  test.each(['push', 'poll'])('by %s: is connected, verified and healthy', async (delivery) => {
    await using site = await startPeer(name)
    expect(await site.connect(draftFor(name, delivery))).toMatchObject({
      status: 'enabled',
      last_error: null,
    })
    const { aud } = site.transmitter.stream()
    expect(await untilVerified(site)).toMatchObject({ transmitter: { aud: [aud] }, last_error: null })
    await revoke(site)
    expect(await problems(site)).toEqual([])
    expect(site.transmitter.stream().pushes.filter(({ status }) => status !== 202)).toEqual([])
    expect(await site.signals('?outcome=refused')).toEqual([])
  })

  test.each(['push', 'poll'])(
    'by %s: a pause by the transmitter and its end are recorded',
    async (delivery) => {
      await using site = await startPeer(name)
      await site.connect(draftFor(name, delivery))
      await untilVerified(site)
      for (const status of ['paused', 'enabled'] as const) {
        site.transmitter.setStatus(status, 'night')
        await vi.waitFor(async () => expect(await site.shown()).toMatchObject({ status }), {
          timeout: 20_000,
        })
      }
    },
  )

  test.each(['push', 'poll'])('by %s: is paused, resumed and deleted by the hub', async (delivery) => {
    await using site = await startPeer(name)
    await site.connect(draftFor(name, delivery))
    await untilVerified(site)
    for (const status of ['paused', 'enabled'] as const) {
      expect((await site.api('PUT', '/status', { status })).status).toBe(200)
      expect(site.transmitter.stream().status).toBe(status)
    }
    await revoke(site)
    expect((await site.api('DELETE')).status).toBe(204)
    expect(site.transmitter.streams).toEqual([])
  })

  test.each(['push', 'poll'])(
    'by %s: removed members are changed by PUT, and events continue',
    async (delivery) => {
      await using site = await startPeer(name)
      await site.connect(draftFor(name, delivery, { description: 'Ours' }))
      await untilVerified(site)
      const answer = await site.api('PATCH', '', { description: null })
      expect([answer.status, await answer.json()]).toMatchObject([200, { last_error: null }])
      expect(site.transmitter.stream().description).toBeUndefined()
      await revoke(site)
    },
  )
})

test('Keycloak: a token without scope is refused, and the error names the requested scopes', async () => {
  await using site = await startPeer('keycloak')
  const auth = { ...client, scope: 'ssf.read' }
  const answer = await site.api('PUT', '', draftFor('keycloak', 'poll', { auth }))
  expect(answer.status).toBe(502)
  expect(await answer.text()).toMatch(/status 401\. .*requested with the scopes ssf\.read/)
})

test.each(['i2gosignals', 'protocolsoup'] as const)('%s: only scopes of SSF are requested', async (name) => {
  await using site = await startPeer(name)
  await site.connect(draftFor(name, 'poll'))
  const asked = site.transmitter.requests.filter(({ endpoint }) => endpoint === 'token')
  expect(asked.length).toBeGreaterThan(0)
  for (const { body } of asked) expect(new URLSearchParams(body).get('scope')).toBeNull()
})

test('403 names the requested scopes', async () => {
  await using site = await startStreamSite()
  const auth = { ...client, scope: 'ssf.read' }
  const answer = await site.api('PUT', '', { delivery: 'poll', auth })
  expect(await answer.text()).toMatch(/status 403.*requested with the scopes ssf\.read \(/)
})

test('authentik: unknown event types are refused with its error', async () => {
  await using site = await startPeer('authentik')
  const draft = draftFor('authentik', 'push', { events_requested: [`${risc}account-disabled`] })
  const answer = await site.api('PUT', '', draft)
  expect(answer.status).toBe(502)
  expect(await answer.text()).toContain('is not a valid choice.')
})

test('i2goSignals: a stream is polled only with the credential of the answer to create', async () => {
  await using site = await startPeer('i2gosignals')
  await site.connect(draftFor('i2gosignals', 'poll'))
  await untilVerified(site)
  const { pollAuthorization } = site.transmitter.stream()
  const polls = site.transmitter.requests.filter(({ endpoint }) => endpoint === 'poll')
  expect(new Set(polls.map(({ headers }) => headers['authorization']))).toEqual(new Set([pollAuthorization]))
  const shown = JSON.stringify([await site.shown(), await site.logs('watchbell.stream.create')])
  expect(shown).not.toContain(pollAuthorization?.slice('Bearer '.length))
})

test('ProtocolSoup: an account is disabled and enabled within one second', async () => {
  await using site = await startPeer('protocolsoup')
  const events_requested = [`${risc}account-disabled`, `${risc}account-enabled`]
  await site.connect(draftFor('protocolsoup', 'push', { events_requested }))
  const at = { event_timestamp: Math.floor(Date.now() / 1_000) }
  const jtis = ['account-disabled', 'account-enabled'].map((type) =>
    site.transmitter.send({ type, subject: ada, claims: at }),
  )
  await site.transmitter.pushAll()
  await site.hub.handleAll()
  for (const jti of jtis) expect(await site.signals(`?jti=${jti}`)).toMatchObject([{ outcome: 'handled' }])
})

test('a refused poll shows the transmitter’s error and the requested scopes', async () => {
  await using site = await startStreamSite({ transmitter: { longPollMs: 200 } })
  await site.connect({ delivery: 'poll', auth: client })
  const body = { events: ['not now'], echoed: 'Bearer s3cret.token' }
  site.transmitter.fail('poll', { status: 403, body }, Infinity)
  const { last_error: error } = await vi.waitFor(
    async () => {
      const shown = await site.shown()
      expect(shown.last_error).not.toBeNull()
      return shown
    },
    { timeout: 20_000 },
  )
  expect(error).toMatch(/status 403 and said: \{"events":\["not now"\].*scopes ssf\.read ssf\.manage/)
  expect(error).not.toContain('s3cret')
})

test('Keycloak: the keeper does not repeat a request that was made while it waited', async () => {
  await using site = await startPeer('keycloak')
  await site.connect(draftFor('keycloak', 'push'))
  await site.hub.hub.intake.streams.verify(site.providerId, hubActor)
  expect(site.transmitter.requests.filter(({ endpoint }) => endpoint === 'verification')).toHaveLength(1)
  expect(await problems(site)).toEqual([])
})
