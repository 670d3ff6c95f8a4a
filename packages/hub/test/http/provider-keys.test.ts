import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { generateSigningKey, publicJwk, signSet, type SigningKey } from '@watchbell/receiver/set'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { startLocalServer } from '../local-server.ts'
import { runInProcess } from '../run-cli.ts'

const issuer = 'https://idp.example'

function run(hub: TestHub, args: readonly string[]) {
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
  return runInProcess(['provider', 'keys', ...args], { env })
}

/** A hub with a provider whose key set is what the test says. */
async function startSite(...published: readonly object[]) {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub())
  const state = { status: 200, keys: published }
  const server = opened.use(
    await startLocalServer((_request, response) => {
      response
        .writeHead(state.status, { 'content-type': 'application/jwk-set+json' })
        .end(JSON.stringify({ keys: state.keys }))
    }),
  )
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'IdP',
    type: 'test',
    settings: { issuer, jwks_url: `${server.origin}/jwks` },
  })
  const { id } = (await created.json()) as { readonly id: string }
  return {
    hub,
    id,
    state,
    fetches: () => server.requests.length,
    push: async (key: SigningKey) => {
      const claims = {
        iss: issuer,
        jti: randomUUID(),
        iat: Math.floor(Date.now() / 1_000),
        aud: hub.origin,
        sub_id: { format: 'email', email: 'ada@example.com' },
        events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
      }
      return (await hub.push(signSet({ key, claims }))).status
    },
    keys: async (refresh = false) =>
      (await (
        await hub.api(refresh ? 'POST' : 'GET', `/v1/providers/${id}/keys${refresh ? '/refresh' : ''}`)
      ).json()) as Readonly<Record<string, unknown>>,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}

test('a new key under the same kid is used at once, whether of the same type or another', async () => {
  const [first, second] = [
    await generateSigningKey('ES256', 'main'),
    await generateSigningKey('ES256', 'main'),
  ]
  const third = await generateSigningKey('Ed25519', 'main')
  await using site = await startSite(publicJwk(first))
  expect(await site.push(first)).toBe(202)
  for (const next of [second, third]) {
    site.state.keys = [publicJwk(next)]
    expect(await site.push(next)).toBe(202)
  }
  expect(await site.push(first)).toBe(400)
})

test('forged signatures cause few fetches, and valid SETs are accepted meanwhile', async () => {
  const [own, forged] = [await generateSigningKey('ES256', 'main'), await generateSigningKey('ES256', 'main')]
  await using site = await startSite(publicJwk(own))
  expect(await site.push(own)).toBe(202)
  for (let count = 0; count < 6; count++) expect(await site.push(forged)).toBe(400)
  expect(site.fetches()).toBe(1 + 3)
  expect(await site.push(own)).toBe(202)
})

test('a signature that does not match is 503 while the key set cannot be fetched', async () => {
  const [own, forged] = [await generateSigningKey('ES256', 'main'), await generateSigningKey('ES256', 'main')]
  await using site = await startSite(publicJwk(own))
  expect(await site.push(own)).toBe(202)
  site.state.status = 500
  expect(await site.push(forged)).toBe(503)
  expect(await site.push(own)).toBe(202)
})

test('a fresh key set proves that a kid is absent, for any number of kids', async () => {
  const own = await generateSigningKey('ES256', 'main')
  await using site = await startSite(publicJwk(own))
  for (let count = 0; count < 6; count++) {
    expect(await site.push({ ...own, kid: `unknown-${count}` })).toBe(400)
  }
})

test('an administrator sees the keys of a provider and can fetch them', async () => {
  const [first, second] = [await generateSigningKey('ES256', 'a'), await generateSigningKey('Ed25519', 'b')]
  await using site = await startSite(publicJwk(first), { kty: 'oct', kid: 'shared', k: 'AAAA' })
  expect(await site.keys()).toEqual({
    jwks_url: expect.stringMatching(/\/jwks$/),
    fetched_at: null,
    last_error: null,
    next_fetch_at: null,
    keys: [],
  })
  expect(await site.keys(true)).toMatchObject({
    fetched_at: expect.stringMatching(/^20/),
    last_error: null,
    keys: [
      { kid: 'a', algorithms: ['ES256'], unusable: null },
      { kid: 'shared', algorithms: [], unusable: 'is symmetric' },
    ],
  })
  site.state.keys = [publicJwk(second)]
  const shown = await run(site.hub, ['IdP'])
  expect([shown.exitCode, shown.stdout]).toEqual([0, expect.stringMatching(/KID +FOR\na +ES256\n/)])
  const refreshed = await run(site.hub, [site.id, '--refresh'])
  expect(refreshed.stdout).toMatch(/\nb +EdDSA, Ed25519\n/)
  expect(JSON.stringify(await site.keys())).not.toContain('"a"')
  site.state.status = 404
  const failed = await run(site.hub, [site.id, '--refresh', '--json'])
  expect([failed.exitCode, JSON.parse(failed.stdout)]).toMatchObject([
    1,
    { last_error: expect.stringContaining('status 404'), keys: [{ kid: 'b' }] },
  ])
  expect((await site.hub.api('GET', '/v1/providers/sse1/keys')).status).toBe(404)
  expect((await site.hub.api('POST', '/v1/providers/sse1/keys/refresh')).status).toBe(404)
})
