import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { startStreamSite, type StreamSite } from '../http/with-stream.ts'

// What Keycloak 26.7.3 sent to a hub beside it (docs/keycloak.md): its claims, with what differs each time in braces.
interface Sent {
  readonly what: string
  readonly header: { readonly alg: string; readonly typ: string }
  readonly payload: object
}
const sent = JSON.parse(
  readFileSync(new URL('keycloak-26.7.3.json', import.meta.url), 'utf8'),
) as readonly Sent[]
const user = '2d58081c-1e9e-4331-b159-e8458bb853aa'
const sid = 'TVeWcT2TB2unhC9Q6oYgevi5'

async function startKeycloak(): Promise<StreamSite> {
  const site = await startStreamSite({ transmitter: { misbehaving: ['keycloak'], longPollMs: 200 } })
  await site.hub.api('PUT', `/v1/providers/${site.providerId}/dialects`, { dialects: ['keycloak'] })
  const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }
  await site.connect({ delivery: 'poll', auth })
  return site
}

/** The claims with the names of this test's transmitter, and the time of now. */
function claimsOf({ transmitter }: StreamSite, { payload }: Sent, ageS: number): object {
  const stream = transmitter.stream()
  const then = Math.floor(Date.now() / 1_000) - ageS
  const values: Readonly<Record<string, string>> = {
    iss: transmitter.issuer,
    aud: stream.aud,
    stream: stream.id,
    user,
    sid,
    jti: randomUUID(),
    txn: randomUUID(),
  }
  const text = JSON.stringify(payload)
    .replaceAll('"{now}"', String(then))
    .replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
  return JSON.parse(text) as object
}

async function handle(site: StreamSite, what: string, ageS = 60) {
  const found = sent.find((each) => each.what === what)
  if (found === undefined) throw new Error(`Nothing was kept of: ${what}`)
  const claims = claimsOf(site, found, ageS)
  const { jti } = claims as { jti: string }
  site.transmitter.enqueue(site.transmitter.stream(), jti, site.signClaims(claims))
  await expect
    .poll(
      async () => {
        await site.hub.handleAll()
        return site.signals(`?outcome=handled&jti=${jti}`)
      },
      { timeout: 20_000 },
    )
    .toHaveLength(1)
  const [signal] = await site.signals(`?jti=${jti}`)
  return signal
}

async function decide(site: StreamSite, context: object): Promise<boolean> {
  const answer = await site.hub.api('POST', '/access/v1/evaluation', {
    subject: { type: 'user', id: user },
    action: { name: 'authenticate' },
    resource: { type: 'app', id: 'mail' },
    context,
  })
  return ((await answer.json()) as { decision: boolean }).decision
}

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1_000).toISOString()

describe('Keycloak 26.7.3', () => {
  test('a user who signs out ends that session and no other', async () => {
    await using site = await startKeycloak()
    expect(await handle(site, 'a user signs out')).toMatchObject({ events: [{ matched: true }] })
    expect(await decide(site, { session: sid, issued_at: ago(3_600) })).toBe(false)
    expect(await decide(site, { session: 'another', issued_at: ago(3_600) })).toBe(true)
  })

  test('an administrator who signs a user out of all sessions ends all that began before', async () => {
    await using site = await startKeycloak()
    const what = 'an administrator signs the user out of all sessions'
    expect(await handle(site, what)).toMatchObject({ events: [{ matched: true }] })
    expect(await decide(site, { session: sid, issued_at: ago(3_600) })).toBe(false)
    expect(await decide(site, { issued_at: ago(3_600) })).toBe(false)
    expect(await decide(site, { issued_at: ago(10) })).toBe(true)
  })

  test('a password that is reset is told', async () => {
    await using site = await startKeycloak()
    expect(await handle(site, 'an administrator resets a password')).toMatchObject({
      events: [
        {
          name: 'credential-change',
          matched: true,
          claims: { credential_type: 'password', change_type: 'update', initiating_entity: 'admin' },
        },
      ],
    })
  })

  test('a pause is heard, and so is its end', async () => {
    await using site = await startKeycloak()
    await handle(site, 'the stream is paused')
    expect(await site.shown()).toMatchObject({ status: 'paused', status_reason: 'night' })
    await handle(site, 'the stream is resumed')
    expect(await site.shown()).toMatchObject({ status: 'enabled' })
  })

  test('everything that was kept has the header of a SET', () => {
    expect(sent).toHaveLength(6)
    for (const { header } of sent) expect(header).toEqual({ alg: 'RS256', typ: 'secevent+jwt' })
  })
})
