import { describe, expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { expectLimit } from './rate-limit.ts'
import { startHubWithProvider } from './with-provider.ts'

describe('the budget of a provider per minute', () => {
  test('SETs beyond it are 429 with Retry-After and are not recorded, and other providers are not affected', async () => {
    await using site = await startHubWithProvider({ hub: { settings: { setsPerMinute: '3' } } })
    await using other = await startTransmitter({ alg: 'ES256' })
    await site.hub.api('POST', '/api/v1/security-events-providers', {
      name: 'Other',
      type: 'test',
      settings: { issuer: other.issuer, jwks_url: other.jwksUrl },
    })
    const repeated = site.sign({ jti: 'again' })
    const statuses: number[] = []
    for (const token of [repeated, repeated, site.sign(), site.sign()]) {
      statuses.push((await site.hub.push(token)).status)
    }
    expect(statuses).toEqual([202, 202, 202, 429])
    const limited = await site.hub.push(site.sign({ jti: 'later' }))
    expectLimit(limited.headers, '3')
    expect(await limited.json()).toMatchObject({ errorCode: 'E0000047' })
    expect(
      (
        await site.hub.push(
          other.sign({ type: 'session-revoked', aud: site.hub.origin, subject: opaque('1') }),
        )
      ).status,
    ).toBe(202)
    expect(await site.signals('?outcome=refused')).toEqual([])
    expect(await site.signals('?jti=later')).toEqual([])
    expect(await (await site.hub.api('GET', '/v1/signals/counts')).json()).toMatchObject({
      refused: [{ provider: site.providerId, code: 'request.rate_limited', count: 2 }],
    })
  })

  test('it counts bytes as well, and a token that does not verify spends nothing', async () => {
    await using site = await startHubWithProvider({ hub: { settings: { setBytesPerMinute: '5000' } } })
    const long = site.sign({ subject: opaque('x'.repeat(1_000)) })
    const forged = `${long.slice(0, long.lastIndexOf('.'))}.${'A'.repeat(86)}`
    for (let count = 0; count < 5; count += 1) expect((await site.hub.push(forged)).status).toBe(400)
    const statuses: number[] = []
    for (let count = 0; count < 5; count += 1) {
      statuses.push((await site.hub.push(site.sign({ subject: opaque('x'.repeat(1_000)) }))).status)
    }
    expect(statuses.slice(0, 2)).toEqual([202, 202])
    expect(statuses.at(-1)).toBe(429)
  })
})

test('a SET counts once for each identifier of its subject', async () => {
  await using site = await startHubWithProvider({ hub: { settings: { setsPerMinute: '4' } } })
  const identifiers = Array.from({ length: 4 }, (_, at) => opaque(`name-${at}`))
  expect((await site.hub.push(site.sign({ subject: { format: 'aliases', identifiers } }))).status).toBe(202)
  const next = await site.hub.push(site.sign({ subject: opaque('name-0') }))
  expect(next.status).toBe(429)
  expectLimit(next.headers, '4')
})

test('a SET that would expand to many times its size is refused with advice', async () => {
  await using site = await startHubWithProvider()
  const events = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`https://x.example/e${at}`, {}]))
  const aliases = (count: number, chars: number) => ({
    format: 'aliases',
    identifiers: Array.from({ length: count }, (_, at) => opaque(`${at}${'i'.repeat(chars)}`)),
  })
  const draft = { token: { sub_id: aliases(20, 1_900) }, type: undefined, subject: undefined }
  const growing = site.sign({ ...draft, events: events(50) } as unknown as Parameters<typeof site.sign>[0])
  expect(growing.length).toBeGreaterThan(40_000)
  const answer = await site.hub.push(growing)
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { err: 'invalid_request', description: expect.stringContaining('SETs of their own') },
  ])
  for (const [count, chars, number] of [
    [20, 1_900, 1],
    [3, 40, 50],
    [1, 10, 50],
  ] as const) {
    const token = site.sign({
      ...draft,
      token: { sub_id: aliases(count, chars) },
      events: events(number),
    } as unknown as Parameters<typeof site.sign>[0])
    expect((await site.hub.push(token)).status).toBe(202)
  }
})

function opaque(id: string): object {
  return { format: 'opaque', id }
}
