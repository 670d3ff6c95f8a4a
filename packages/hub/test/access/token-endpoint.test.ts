import { createHmac } from 'node:crypto'
import {
  exportJWK,
  exportSPKI,
  importJWK,
  SignJWT,
  decodeJwt,
  decodeProtectedHeader,
  compactVerify,
} from 'jose'
import { describe, expect, test } from 'vitest'
import { createDpopNonces } from '../../src/access/dpop-nonces.ts'
import { HubError } from '../../src/base/hub-error.ts'
import { createSecretBox } from '../../src/base/secret-box.ts'
import { setAlgorithms } from '@watchbell/receiver/set'
import { startLocalServer } from '../local-server.ts'
import {
  assert,
  assertionType,
  makeKey,
  openAccess,
  origin,
  prove,
  tokenUrl,
  type TestAccess,
  type TestKey,
} from './open-access.ts'

type App = TestKey & { readonly clientId: string }

async function registered(access: TestAccess, key: TestKey, over = {}): Promise<App> {
  return { ...key, clientId: (await access.register({ jwks: { keys: [key.publicJwk] } }, over)).clientId }
}

const refusedClient = (message: RegExp) => ({
  code: 'oauth.invalid_client',
  detail: expect.stringMatching(message),
})

async function nonceFor(access: TestAccess, app: App, key: TestKey): Promise<string> {
  const error: unknown = await access
    .requestToken(app, { dpop: await prove(key, { iat: access.nowS() }) })
    .catch((error: unknown) => error)
  if (!(error instanceof HubError)) throw new Error('There was no challenge.')
  expect(error).toMatchObject({ code: 'oauth.use_dpop_nonce' })
  expect(error.detail).toBe('Authorization server requires nonce in DPoP proof.')
  return error.facts['nonce'] ?? ''
}

describe('a token for a good assertion', () => {
  test('is a JWT with the members of OKTA-O14, signed with a published key, and says what was granted (OKTA-O13)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { scope: 'okta.logs.read okta.clients.manage' })
    const issued = await access.requestToken(app, {
      form: { scope: 'okta.clients.read okta.users.read okta.logs.read' },
    })
    expect(issued).toMatchObject({
      type: 'Bearer',
      expiresInS: 3_600,
      scopes: ['okta.clients.read', 'okta.logs.read'],
    })
    expect(decodeJwt(issued.accessToken)).toEqual({
      ver: 1,
      jti: expect.any(String),
      iss: origin,
      aud: origin,
      sub: app.clientId,
      cid: app.clientId,
      iat: access.nowS(),
      exp: access.nowS() + 3_600,
      scp: ['okta.clients.read', 'okta.logs.read'],
    })
    const { kid } = decodeProtectedHeader(issued.accessToken)
    const jwk = (await access.signingKeys.publicKeys()).find((key) => key.kid === kid)
    if (jwk === undefined) throw new Error('The signing key is not published.')
    expect(jwk).not.toHaveProperty('d')
    await compactVerify(issued.accessToken, await importJWK(jwk, 'RS256'))
  })

  test.each(setAlgorithms)('may be signed with %s, and so may a proof', async (alg) => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(alg))
    expect(await access.requestToken(app)).toMatchObject({ type: 'Bearer' })
    const bound = await registered(access, await makeKey(alg), { dpop_bound_access_tokens: true })
    const dpop = await prove(bound, { nonce: await nonceFor(access, bound, bound), iat: access.nowS() })
    expect(await access.requestToken(bound, { dpop })).toMatchObject({ type: 'DPoP' })
  })

  test('claims, parameters and key members that say nothing count as absent', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { dpop_bound_access_tokens: true })
    const said = { iat: access.nowS(), jti: null, nbf: null }
    const assertion = await assert(app, said, { kid: null })
    const claims = { nonce: await nonceFor(access, app, app), iat: access.nowS() }
    const jwk = { ...app.publicJwk, d: null, oth: [], use: null, key_ops: [], alg: '' }
    const dpop = await prove(app, claims, { jwk })
    expect(await access.requestToken(app, { assertion, dpop })).toMatchObject({ type: 'DPoP' })
  })

  test("beside an Authorization header that says nothing, as Go's OAuth library sends it", async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    for (const authorization of ['Basic Og==', 'basic  Og==']) {
      expect(await access.requestToken(app, { authorization })).toMatchObject({ type: 'Bearer' })
    }
  })

  test('an assertion without kid is tried with each of the client keys, also when those have kids (OKTA-O12)', async () => {
    await using access = await openAccess()
    const keys = await Promise.all(['a', 'b', 'c'].map((kid) => makeKey('ES256', kid)))
    const { clientId } = await access.register({ jwks: { keys: keys.map(({ publicJwk }) => publicJwk) } })
    for (const key of keys) {
      const assertion = await assert({ ...key, clientId }, { iat: access.nowS() }, { kid: undefined })
      expect(await access.requestToken({ ...key, clientId }, { assertion })).toMatchObject({ type: 'Bearer' })
    }
  })

  test('the audience is the token endpoint or the issuer, alone or in a list; exp may be an hour and a minute away (OKTA-O12)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    for (const claims of [
      { aud: [tokenUrl] },
      { aud: origin },
      { aud: [origin] },
      { aud: [origin, tokenUrl] },
      { exp: access.nowS() + 3_660 },
      { exp: access.nowS() - 59 },
    ]) {
      const assertion = await assert(app, { iat: access.nowS(), ...claims })
      expect(await access.requestToken(app, { assertion })).toMatchObject({ type: 'Bearer' })
    }
  })

  test.each(['ES256', 'RS256'])('%s: without jti it is used up as it was signed', async (alg) => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(alg))
    const first = await assert(app, { iat: access.nowS(), jti: undefined })
    await access.requestToken(app, { assertion: first })
    await expect(access.requestToken(app, { assertion: first })).rejects.toMatchObject(
      refusedClient(/already been used/),
    )
    // The same claims signed anew, and for ES256 the other of its two signatures, are the same assertion.
    const anew = await assert(app, { iat: access.nowS(), jti: undefined })
    await expect(access.requestToken(app, { assertion: anew })).rejects.toMatchObject(
      refusedClient(/already been used/),
    )
    access.turnClock(1)
    const later = await assert(app, { iat: access.nowS(), jti: undefined })
    expect(await access.requestToken(app, { assertion: later })).toMatchObject({ type: 'Bearer' })
  })

  test('it may not be used again, ever, while it lives (OKTA-O12)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const once = await assert(app, { iat: access.nowS() })
    await access.requestToken(app, { assertion: once })
    access.turnClock(299)
    await expect(access.requestToken(app, { assertion: once })).rejects.toMatchObject(
      refusedClient(/already been used/),
    )
  })

  test('of twenty uses of one jti at once exactly one wins', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const assertion = await assert(app, { iat: access.nowS() })
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, () => access.requestToken(app, { assertion })),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('two clients may use the same jti', async () => {
    await using access = await openAccess()
    const [one, two] = [await registered(access, await makeKey()), await registered(access, await makeKey())]
    for (const app of [one, two]) {
      await access.requestToken(app, { assertion: await assert(app, { iat: access.nowS(), jti: 'same' }) })
    }
  })

  test('a refused request does not use up its assertion', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const assertion = await assert(app, { iat: access.nowS() })
    await expect(access.requestToken(app, { assertion, form: { scope: '' } })).rejects.toThrow(HubError)
    expect(await access.requestToken(app, { assertion })).toMatchObject({ type: 'Bearer' })
  })
})

describe('assertions that are refused with invalid_client (OKTA-O12, OKTA-O15)', () => {
  const audience = /audience claim for client_assertion must be the endpoint invoked/
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['expired', { exp: -61 }, /token is expired/],
    ['expiring in more than an hour', { exp: 3_661 }, /expiration too far into the future/],
    ['without exp', { exp: undefined }, /no exp/],
    ['with exp as a string', { exp: 'tomorrow' }, /no exp/],
    ['issued in the future', { iat: 61, exp: 300 }, /iat/],
    ['not valid yet', { nbf: 61 }, /nbf/],
    ['with nbf as a string', { nbf: '1' }, /nbf/],
    ['for another host', { aud: 'https://other.example/oauth2/v1/token' }, audience],
    ['for the endpoint with a trailing slash', { aud: `${tokenUrl}/` }, audience],
    ['for the endpoint in capitals', { aud: tokenUrl.toUpperCase() }, audience],
    ['for the issuer with a slash', { aud: `${origin}/` }, audience],
    ['for the issuer and somebody else', { aud: [origin, 'https://other.example'] }, audience],
    ['for an empty list', { aud: [] }, audience],
    ['for a list in a list', { aud: [[origin]] }, audience],
    ['for null', { aud: null }, audience],
    ['for another path of ours', { aud: `${origin}/oauth2/v1/keys` }, audience],
    ['for us and somebody else', { aud: [tokenUrl, 'https://other.example'] }, audience],
    ['for nobody', { aud: undefined }, audience],
    ['for a number', { aud: 1 }, audience],
    ['with sub other than iss', { sub: '0oaSomebodyElse00000' }, /subject claim/],
    ['without sub', { sub: undefined }, /subject claim/],
    ['of an unknown client', { iss: '0oaSomebodyElse00000' }, /not a valid client_id/],
    ['without iss', { iss: undefined }, /not a valid client_id/],
    ['with iss as a list', { iss: ['a'] }, /not a valid client_id/],
    ['with an empty jti', { jti: '' }, /jti/],
    ['with jti as a number', { jti: 7 }, /jti/],
  ])('%s', async (_name, claims, message) => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const absolute = Object.fromEntries(
      Object.entries(claims).map(([name, value]) => [
        name,
        typeof value === 'number' && name !== 'jti' && name !== 'aud' ? access.nowS() + value : value,
      ]),
    )
    const assertion = await assert(app, { iat: access.nowS(), ...absolute })
    await expect(access.requestToken(app, { assertion })).rejects.toMatchObject(refusedClient(message))
  })

  test('signed by somebody else with our kid', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey('ES256', 'k1'))
    const forger = { ...(await makeKey('ES256', 'k1')), clientId: app.clientId }
    await expect(access.requestToken(forger)).rejects.toMatchObject(refusedClient(/signature is invalid/))
  })

  test('with the kid and key of another client', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey('ES256', 'mine'))
    const other = await registered(access, await makeKey('ES256', 'theirs'))
    const forger = { ...other, clientId: app.clientId }
    await expect(access.requestToken(forger)).rejects.toMatchObject(refusedClient(/kid is invalid/))
  })

  test('without signature (alg none)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const [, payload] = (await assert(app, { iat: access.nowS() })).split('.')
    const header = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const assertion of [`${header}.${payload}.`, `${header}.${payload}.AAAA`]) {
      await expect(access.requestToken(app, { assertion })).rejects.toMatchObject(refusedClient(/./))
    }
  })

  test('HS256 with the public key as the secret', async () => {
    await using access = await openAccess()
    const key = await makeKey('RS256')
    const app = await registered(access, key)
    const publicKey = await importJWK(key.publicJwk, 'RS256', { extractable: true })
    if (publicKey instanceof Uint8Array) throw new Error('The key is symmetric.')
    const secrets = [await exportSPKI(publicKey), JSON.stringify(key.publicJwk)]
    for (const secret of secrets) {
      const assertion = await new SignJWT({
        iss: app.clientId,
        sub: app.clientId,
        aud: tokenUrl,
        exp: access.nowS() + 60,
      })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(secret))
      await expect(access.requestToken(app, { assertion })).rejects.toMatchObject(
        refusedClient(/must be signed with/),
      )
    }
  })

  test('with an algorithm that the key is not registered for', async () => {
    await using access = await openAccess()
    const key = await makeKey('RS256')
    const app = await registered(access, { ...key, publicJwk: { ...key.publicJwk, alg: 'RS512' } })
    await expect(access.requestToken({ ...key, clientId: app.clientId })).rejects.toMatchObject(
      refusedClient(/signature is invalid/),
    )
  })

  test.each([
    '',
    'a.b.c',
    'x',
    '..',
    'e30.e30.e30',
    `${Buffer.from('{"alg":"ES256","crit":["x"],"x":1}').toString('base64url')}.e30.AAAA`,
    `e30.${Buffer.from('{"iss":"a","iss":"b"}').toString('base64url')}.AAAA`,
    'A'.repeat(20_000),
    'e30.e30.e30, e30.e30.e30',
  ])('garbage %#', async (assertion) => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    await expect(access.requestToken(app, { assertion })).rejects.toMatchObject(refusedClient(/./))
  })

  test('of a deleted client, and by a key that was replaced', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const replaced = await registered(access, await makeKey())
    await access.serviceApps.delete(app.clientId, 'operator')
    const { scopes: _, ...rest } = await access.serviceApps.get(replaced.clientId)
    await access.storage.stores.serviceApps.replace({
      ...rest,
      scopes: ['okta.logs.read'],
      keys: { jwks: [(await makeKey()).publicJwk] },
    })
    await expect(access.requestToken(app)).rejects.toMatchObject(refusedClient(/not a valid client_id/))
    await expect(access.requestToken(replaced)).rejects.toMatchObject(refusedClient(/signature is invalid/))
  })
})

describe('requests that are refused', () => {
  test.each<[string, { form?: Record<string, string>; authorization?: string }, string]>([
    ['another grant', { form: { grant_type: 'authorization_code' } }, 'oauth.unsupported_grant_type'],
    ['an empty grant', { form: { grant_type: '' } }, 'oauth.unsupported_grant_type'],
    ['a client secret', { form: { client_secret: 'x' } }, 'oauth.invalid_client'],
    ['an empty client secret', { form: { client_secret: '' } }, 'oauth.invalid_client'],
    ['basic authentication', { authorization: 'Basic eDp5' }, 'oauth.invalid_client'],
    ['basic authentication with nothing at all', { authorization: 'Basic' }, 'oauth.invalid_client'],
    ['another assertion type', { form: { client_assertion_type: 'saml' } }, 'oauth.invalid_request'],
    ['the client_id of another', { form: { client_id: '0oaSomebodyElse00000' } }, 'oauth.invalid_client'],
    ['no scopes', { form: { scope: ' ' } }, 'oauth.invalid_scope'],
    ['only scopes that are not granted', { form: { scope: 'okta.clients.read' } }, 'oauth.consent_required'],
    ['only scopes that are not ours', { form: { scope: 'openid okta.LOGS.read' } }, 'oauth.consent_required'],
    ['managing, when reading is granted', { form: { scope: 'okta.logs.manage' } }, 'oauth.consent_required'],
  ])('%s', async (_name, over, code) => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    await expect(access.requestToken(app, over)).rejects.toMatchObject({ code })
  })

  test('a parameter given twice, in body and query say, or missing', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    const sound = {
      grant_type: 'client_credentials',
      client_assertion_type: assertionType,
      client_assertion: await assert(app, { iat: access.nowS() }),
      scope: 'okta.logs.read',
    }
    const forms = [
      ...Object.entries(sound).map((again) => new URLSearchParams([...Object.entries(sound), again])),
      ...['grant_type', 'client_assertion_type', 'client_assertion'].map(
        (left) => new URLSearchParams(Object.entries(sound).filter(([name]) => name !== left)),
      ),
    ]
    for (const form of forms) {
      await expect(
        access.issueToken({ form, authorization: undefined, dpop: undefined }),
      ).rejects.toMatchObject({
        code: 'oauth.invalid_request',
      })
    }
  })
})

describe('keys by reference (jwks_uri)', () => {
  test('are fetched once for many, again for an unknown kid, but not before the cool-down', async () => {
    await using access = await openAccess()
    const keys = [await makeKey('ES256', 'k1')]
    await using server = await startLocalServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) }))
    })
    const { clientId } = await access.register({ jwks_uri: `${server.origin}/jwks` })
    const [first] = keys
    if (first === undefined) throw new Error('There is no key.')
    await Promise.all(Array.from({ length: 5 }, () => access.requestToken({ ...first, clientId })))
    expect(server.requests).toHaveLength(1)

    const rotated = { ...(await makeKey('ES256', 'k2')), clientId }
    keys.push(rotated)
    await expect(access.requestToken(rotated)).rejects.toMatchObject(refusedClient(/kid is invalid/))
    expect(server.requests).toHaveLength(1)
    access.turnClock(31)
    expect(await access.requestToken(rotated)).toMatchObject({ type: 'Bearer' })
    expect(server.requests).toHaveLength(2)
  })

  test('a new key under an old kid is looked for once per cool-down', async () => {
    await using access = await openAccess()
    let key = await makeKey('ES256', 'main')
    await using server = await startLocalServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ keys: [key.publicJwk] }))
    })
    const { clientId } = await access.register({ jwks_uri: server.origin })
    await access.requestToken({ ...key, clientId })
    key = await makeKey('ES256', 'main')
    access.turnClock(31)
    expect(await access.requestToken({ ...key, clientId })).toMatchObject({ type: 'Bearer' })
    const forged = { ...(await makeKey('ES256', 'main')), clientId }
    for (let count = 0; count < 5; count++)
      await expect(access.requestToken(forged)).rejects.toMatchObject(refusedClient(/signature is invalid/))
    expect(server.requests).toHaveLength(2)
  })

  test('a server that fails is a refusal that says so; the last good keys go on serving', async () => {
    await using access = await openAccess()
    const key = await makeKey('ES256', 'k1')
    let up = false
    await using server = await startLocalServer((_request, response) => {
      response.statusCode = up ? 200 : 500
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ keys: [key.publicJwk] }))
    })
    const app = { ...key, clientId: (await access.register({ jwks_uri: server.origin })).clientId }
    await expect(access.requestToken(app)).rejects.toMatchObject(refusedClient(/key set .* status 500/))
    await expect(access.requestToken(app)).rejects.toMatchObject(refusedClient(/key set .* status 500/))
    expect(server.requests).toHaveLength(1)
    up = true
    access.turnClock(31)
    await access.requestToken(app)
    up = false
    access.turnClock(3_600)
    expect(await access.requestToken(app)).toMatchObject({ type: 'Bearer' })
    expect(server.requests).toHaveLength(3)
    access.turnClock(24 * 3_600)
    await expect(access.requestToken(app)).rejects.toMatchObject(refusedClient(/key set/))
  })
})

describe('DPoP at the token endpoint', () => {
  test('a proof of a client that is not bound is ignored, even a broken one (OKTA-O20, OKTA-O21)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey())
    for (const dpop of [await prove(app, { iat: access.nowS() }), 'garbage']) {
      const { type, accessToken } = await access.requestToken(app, { dpop })
      expect(type).toBe('Bearer')
      expect(decodeJwt(accessToken)).not.toHaveProperty('cnf')
    }
  })

  test('no proof, then no nonce, then a token bound to the key of the proof (OKTA-O22, OKTA-O23)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { dpop_bound_access_tokens: true })
    const key = await makeKey('RS256')
    // Go sends the same assertion again after each challenge.
    const assertion = await assert(app, { iat: access.nowS() })
    await expect(access.requestToken(app, { assertion })).rejects.toMatchObject({
      code: 'oauth.invalid_dpop_proof',
      detail: 'The DPoP proof JWT header is missing.',
    })
    const nonce = await nonceFor(access, app, key)
    const dpop = await prove(key, { iat: access.nowS(), nonce })
    const issued = await access.requestToken(app, { assertion, dpop })
    expect(issued.type).toBe('DPoP')
    expect(decodeJwt(issued.accessToken)).toMatchObject({ cnf: { jkt: key.jkt } })
    await expect(access.requestToken(app, { dpop })).rejects.toMatchObject({
      code: 'oauth.invalid_dpop_proof',
      detail: 'The DPoP proof JWT has already been used.',
    })
  })

  test('an expired nonce and made-up ones are challenged again', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { dpop_bound_access_tokens: true })
    const nonce = await nonceFor(access, app, app)
    const challenged = async (nonce: unknown) =>
      expect(
        access.requestToken(app, { dpop: await prove(app, { iat: access.nowS(), nonce }) }),
      ).rejects.toMatchObject({ code: 'oauth.use_dpop_nonce' })
    for (const wrong of [
      '',
      'x',
      `${nonce}A`,
      nonce.slice(0, -2),
      nonce.replace(/\..*/, ''),
      'A'.repeat(9_000),
    ]) {
      await challenged(wrong)
    }
    access.turnClock(301)
    await challenged(nonce)
  })

  test('every node with the same secret key knows the nonce; one with another does not', async () => {
    const world = { now: () => new Date(0) }
    const nodes = [1, 1, 2].map((fill) =>
      createDpopNonces(world, createSecretBox(new Uint8Array(32).fill(fill))),
    )
    const [first, second, stranger] = nodes
    const nonce = (await first?.make()) ?? ''
    expect(await second?.isGood(nonce)).toBe(true)
    expect(await stranger?.isGood(nonce)).toBe(false)
    const somethingElse = await createSecretBox(new Uint8Array(32).fill(1)).seal(
      `some-other secret 9999999999999`.slice(1),
    )
    expect(await first?.isGood(somethingElse)).toBe(false)
  })

  test.each<[string, (nowS: number) => Record<string, unknown>, Record<string, unknown>?]>([
    ['another method', () => ({ htm: 'GET' })],
    ['a method in lower case', () => ({ htm: 'post' })],
    ['another path', () => ({ htu: `${origin}/api/v1/logs` })],
    ['another host', () => ({ htu: 'https://other.example/oauth2/v1/token' })],
    ['another scheme', () => ({ htu: tokenUrl.replace('https', 'http') })],
    ['no URL', () => ({ htu: undefined })],
    ['an iat long ago', (nowS) => ({ iat: nowS - 301 })],
    ['an iat to come', (nowS) => ({ iat: nowS + 61 })],
    ['no iat', () => ({ iat: undefined })],
    ['an iat as a string', (nowS) => ({ iat: String(nowS) })],
    ['no jti', () => ({ jti: undefined })],
    ['an empty jti', () => ({ jti: '' })],
    ['a nonce as a number', () => ({ nonce: 1 })],
    ['another typ', () => ({}), { typ: 'JWT' }],
    ['no typ', () => ({}), { typ: undefined }],
    ['no jwk', () => ({}), { jwk: undefined }],
    ['a jwk of nothing', () => ({}), { jwk: {} }],
    ['a jwk as a string', () => ({}), { jwk: 'x' }],
    ['a critical header', () => ({}), { b64: true, crit: ['b64'] }],
  ])('refuses a proof with %s', async (_name, claims, header) => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { dpop_bound_access_tokens: true })
    const nonce = await nonceFor(access, app, app)
    const dpop = await prove(app, { nonce, iat: access.nowS(), ...claims(access.nowS()) }, header)
    await expect(access.requestToken(app, { dpop })).rejects.toMatchObject({
      code: 'oauth.invalid_dpop_proof',
    })
  })

  test('refuses a proof signed by another key than its jwk, with a private jwk, with HS256, and two proofs', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { dpop_bound_access_tokens: true })
    const claims = { iat: access.nowS(), nonce: await nonceFor(access, app, app) }
    const other = await makeKey()
    const proofs = [
      await prove(app, claims, { jwk: other.publicJwk }),
      await prove(app, claims, { jwk: await exportJWK(app.privateKey) }),
      hmacProof({ htm: 'POST', htu: tokenUrl, jti: 'x', ...claims }),
      `${await prove(app, claims)}, ${await prove(app, claims)}`,
    ]
    for (const dpop of proofs) {
      await expect(access.requestToken(app, { dpop })).rejects.toMatchObject({
        code: 'oauth.invalid_dpop_proof',
      })
    }
    const dpop = await prove(app, claims, { jwk: { ...app.publicJwk, d: 'x' } })
    await expect(access.requestToken(app, { dpop })).rejects.toMatchObject({
      detail: expect.stringMatching(/private/),
    })
    expect(await access.requestToken(app, { dpop: await prove(app, claims) })).toMatchObject({ type: 'DPoP' })
  })

  test('htu may have a query, a double slash and the default port (OKTA-A6, RFC 9449 §4.3)', async () => {
    await using access = await openAccess()
    const app = await registered(access, await makeKey(), { dpop_bound_access_tokens: true })
    const nonce = await nonceFor(access, app, app)
    for (const htu of [`${tokenUrl}?a=b#c`, 'https://HUB.example:443//oauth2/v1/token']) {
      const dpop = await prove(app, { iat: access.nowS(), nonce, htu })
      expect(await access.requestToken(app, { dpop })).toMatchObject({ type: 'DPoP' })
    }
  })
})

/** A proof whose `jwk` is the very secret that it is signed with. */
function hmacProof(claims: object): string {
  const secret = Buffer.alloc(32, 'secret')
  const header = { typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: secret.toString('base64url') } }
  const signed = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
