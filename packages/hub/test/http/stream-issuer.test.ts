import { describe, expect, test } from 'vitest'
import { generateSigningKey } from '@watchbell/receiver/set'
import {
  startEmulatedTransmitter,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from '../../src/testing/emulated-transmitter.ts'
import { ada, bearer, startStreamSite, type StreamSite } from './with-stream.ts'

// The credentials of a stream are for the transmitter that an administrator of streams gave them for, and for no other.

const clientAuth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }

/** Another transmitter that takes every credential that the first one takes. */
function startOther(options: EmulatedTransmitterOptions = {}): Promise<EmulatedTransmitter> {
  return startEmulatedTransmitter({ alg: 'ES256', ...options })
}

/** What an administrator of providers may do. */
async function become(site: StreamSite, { wellKnownUrl }: EmulatedTransmitter): Promise<void> {
  const answer = await site.hub.api('PUT', `/api/v1/security-events-providers/${site.providerId}`, {
    name: 'Emulated',
    type: 'test',
    settings: { well_known_url: wellKnownUrl },
  })
  expect(answer.status).toBe(200)
}

/** Requests that carry a credential, or ask for a token with one. */
function credentialed({ requests }: EmulatedTransmitter): string[] {
  return requests
    .filter(({ headers, endpoint }) => headers['authorization'] !== undefined || endpoint === 'token')
    .map(({ method, path }) => `${method} ${path}`)
}

async function useEverything(site: StreamSite): Promise<number[]> {
  const statuses: number[] = []
  for (const [method, path, body] of [
    ['GET', '/health', undefined],
    ['GET', '/status', undefined],
    ['PUT', '/status', { status: 'paused' }],
    ['POST', '/verify', undefined],
    ['POST', '/subjects', { subject: ada }],
    ['POST', '/subjects/remove', { subject: ada }],
    ['POST', '/rotate-authorization', undefined],
    ['PATCH', '', { description: 'x' }],
  ] as const) {
    statuses.push((await site.api(method, path, body)).status)
  }
  const { keeper, registry } = site.hub.hub.intake
  for (const stream of registry.list()) keeper.hurry(stream)
  await keeper.runOnce(new AbortController().signal)
  return statuses
}

describe('after a change of its provider’s issuer, a stream', () => {
  test.each([
    ['push', bearer.auth],
    ['push', clientAuth],
    ['poll', bearer.auth],
    ['poll', clientAuth],
  ])('sends no credential to the other transmitter: %s, %j', async (delivery, auth) => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 0 } })
    await using other = await startOther()
    await site.connect({ delivery, auth })
    await expect.poll(async () => (await site.shown()).verified_at, { timeout: 15_000 }).not.toBeNull()
    await become(site, other)
    const statuses = await useEverything(site)
    expect(statuses.slice(1)).toEqual([503, 503, 503, 503, 503, 503, 400])
    expect(credentialed(other)).toEqual([])
    const shown = await site.shown()
    expect(shown).toMatchObject({ connected: false, status: 'unknown', verified_at: null })
    expect(shown.transmitter).toBeUndefined()
    expect(shown.last_error).toContain(other.issuer)
    expect(shown.last_error).toContain(site.transmitter.issuer)
  })

  test('that was never connected sends none either', async () => {
    await using site = await startStreamSite()
    await using other = await startOther()
    site.transmitter.fail('configuration', { status: 500 })
    expect((await site.api('PUT', '', bearer)).status).toBe(502)
    await become(site, other)
    await useEverything(site)
    expect(credentialed(other)).toEqual([])
  })

  test('stays unconnected when the issuer comes back, until an administrator of streams connects it', async () => {
    await using site = await startStreamSite()
    await using other = await startOther()
    const first = await site.connect()
    await become(site, other)
    await become(site, site.transmitter)
    expect(await site.shown()).toMatchObject({ connected: false })
    const before = credentialed(site.transmitter).length
    await useEverything(site)
    expect(credentialed(site.transmitter).length).toBe(before)
    const again = await site.connect()
    expect(again).toMatchObject({ connected: true, last_error: null })
    expect(again.push_url).not.toBe(first.push_url)
    expect(site.transmitter.streams).toHaveLength(1)
  })

  test('accepts no SET of either issuer at its URL', async () => {
    const key = await generateSigningKey('ES256')
    await using site = await startStreamSite({ transmitter: { key } })
    await using other = await startOther({ key, audienceOf: () => site.transmitter.stream().aud })
    const { push_url: url } = await site.connect()
    const { authorization = '' } = site.transmitter.stream()
    const old = site.transmitter.sign({ type: 'session-revoked', subject: ada })
    await become(site, other)
    const fresh = site.signClaims({
      iss: other.issuer,
      sub_id: ada,
      events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
    })
    for (const body of [old, fresh]) {
      const headers = { 'content-type': 'application/secevent+jwt', authorization }
      expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(503)
    }
    const revoked = encodeURIComponent('https://schemas.openid.net/secevent/caep/event-type/session-revoked')
    expect(await site.signals(`?type=${revoked}`)).toEqual([])
  })

  test('is created new when it is connected again: the new transmitter gets nothing of the old one', async () => {
    await using site = await startStreamSite()
    await using other = await startOther({ bearerTokens: ['other-token'] })
    const first = await site.connect()
    const { authorization } = site.transmitter.stream()
    await become(site, other)
    const auth = { method: 'bearer', token: 'other-token' }
    const second = await site.connect({ auth })
    expect(second).toMatchObject({ connected: true, last_error: null, transmitter: { iss: other.issuer } })
    expect(other.stream().authorization).not.toBe(authorization)
    expect(second.push_url).not.toBe(first.push_url)
    expect(JSON.stringify(other.requests)).not.toContain('static-token')
    expect(JSON.stringify(other.requests)).not.toContain(first.transmitter?.stream_id)
    expect(site.transmitter.streams).toEqual([]) // deleted with the credentials that were meant for it
  })

  test('reports when the old stream could not be deleted', async () => {
    await using site = await startStreamSite()
    await using other = await startOther()
    const first = await site.connect()
    await become(site, other)
    site.transmitter.down = true
    const second = await site.connect()
    expect(second.last_error).toContain(first.transmitter?.stream_id)
    expect(second.last_error).toContain(site.transmitter.issuer)
  })

  test('is deleted with its own credentials at its own transmitter', async () => {
    await using site = await startStreamSite()
    await using other = await startOther()
    await site.connect()
    await become(site, other)
    expect((await site.api('DELETE')).status).toBe(204)
    expect(site.transmitter.streams).toEqual([])
    expect(credentialed(other)).toEqual([])
    expect((await site.api('GET')).status).toBe(404)
  })

  test('can be patched only with all its credentials', async () => {
    await using site = await startStreamSite()
    await using other = await startOther()
    await site.connect({ auth: clientAuth })
    await become(site, other)
    const { client_secret: _, ...withoutSecret } = clientAuth
    for (const body of [{ description: 'x' }, { auth: withoutSecret }]) {
      const answer = await site.api('PATCH', '', body)
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('auth')])
    }
    expect(credentialed(other)).toEqual([])
    const answer = await site.api('PATCH', '', { auth: clientAuth })
    expect([answer.status, await answer.json()]).toEqual([200, expect.objectContaining({ connected: true })])
  })
})

test('a provider that keeps its issuer keeps its stream', async () => {
  await using site = await startStreamSite()
  const first = await site.connect()
  await become(site, site.transmitter)
  expect(await site.shown()).toMatchObject({ connected: true, push_url: first.push_url })
  expect((await site.api('POST', '/verify')).status).toBe(202)
})

test('a health check of a stream changes no stored data', async () => {
  await using site = await startStreamSite()
  await site.connect()
  const { registry } = site.hub.hub.intake
  await site.transmitter.pushAll()
  site.transmitter.stream().status = 'paused'
  const before = registry.list()
  const answer = await site.api('GET', '/health')
  expect(await answer.text()).toContain('The stream is paused')
  await registry.refresh()
  expect(registry.list()).toEqual(before)
})
