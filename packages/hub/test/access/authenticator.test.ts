import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { actorOf, type Caller } from '../../src/access/caller.ts'
import { readClientMetadata } from '../../src/access/client-metadata.ts'
import type { Scope } from '../../src/access/scopes.ts'
import { HubError } from '../../src/base/hub-error.ts'
import { hashOf, makeKey, openAccess, origin, prove, type TestAccess, type TestKey } from './open-access.ts'

type App = TestKey & { readonly clientId: string }

const logsUrl = `${origin}/api/v1/logs`
const invalidToken = { code: 'access.oauth_token_invalid', detail: 'The access token is invalid.' }

async function registered(access: TestAccess, over = {}): Promise<App> {
  const key = await makeKey()
  return { ...key, clientId: (await access.register({ jwks: { keys: [key.publicJwk] } }, over)).clientId }
}

async function bearerToken(access: TestAccess, app: App, scope = 'okta.logs.read'): Promise<string> {
  return (await access.requestToken(app, { form: { scope } })).accessToken
}

async function dpopToken(access: TestAccess, app: App): Promise<string> {
  const challenge: unknown = await access
    .requestToken(app, { dpop: await prove(app, { iat: access.nowS() }) })
    .catch((error: unknown) => error)
  const nonce = challenge instanceof HubError ? challenge.facts['nonce'] : undefined
  const dpop = await prove(app, { iat: access.nowS(), nonce })
  return (await access.requestToken(app, { dpop })).accessToken
}

/** A proof for one call, as a client makes it. */
function proof(access: TestAccess, key: TestKey, accessToken: string, over = {}): Promise<string> {
  return prove(key, { htm: 'GET', htu: logsUrl, iat: access.nowS(), ath: hashOf(accessToken), ...over })
}

/** Takes scopes and keys away, or gives them, as an administrator does. */
async function change(access: TestAccess, app: App, over: object): Promise<void> {
  const metadata = { client_name: 'test', jwks: { keys: [app.publicJwk] }, scope: 'okta.logs.read', ...over }
  await access.serviceApps.replace(app.clientId, readClientMetadata(metadata), 'operator')
}

describe('no usable credentials (OKTA-X10)', () => {
  test.each([
    undefined,
    '',
    ' ',
    'SSWS',
    'SSWS ',
    'Bearer',
    'DPoP  ',
    'Basic eDp5',
    'Token abc',
    '00abc',
    'SSWS\tabc',
    'SSWS=abc',
    ': :',
  ])('%j', async (authorization) => {
    await using access = await openAccess()
    await expect(access.call(authorization)).rejects.toMatchObject({ code: 'access.no_credentials' })
  })
})

describe('API tokens (OKTA-O1, OKTA-X11, OKTA-X16)', () => {
  test('an admin token may do everything; the scheme is written in any case', async () => {
    await using access = await openAccess()
    const { secret, token } = await access.apiTokens.create({ name: 'admin', role: 'admin' })
    for (const scheme of ['SSWS', 'ssws', 'Ssws']) {
      expect(await access.call(`${scheme} ${secret}`, { scope: 'okta.clients.manage' })).toEqual({
        kind: 'token',
        id: token.id,
        name: 'admin',
        role: 'admin',
      })
    }
  })

  test.each<Scope>([
    'okta.logs.read',
    'okta.clients.read',
    'watchbell.signals.read',
    'watchbell.access.evaluate',
  ])('a read_only token may %s', async (scope) => {
    await using access = await openAccess()
    const { secret } = await access.apiTokens.create({ name: 'reader', role: 'read_only' })
    expect(await access.call(`SSWS ${secret}`, { scope })).toMatchObject({ name: 'reader' })
  })

  test.each<Scope>(['okta.clients.manage', 'okta.riskEvents.manage', 'watchbell.providers.manage'])(
    'a read_only token may not %s (OKTA-X16)',
    async (scope) => {
      await using access = await openAccess()
      const { secret } = await access.apiTokens.create({ name: 'reader', role: 'read_only' })
      await expect(access.call(`SSWS ${secret}`, { scope })).rejects.toMatchObject({
        code: 'access.forbidden',
      })
    },
  )

  test('wrong ones are invalid: unknown, overlong, with spaces, other letters, a prefix, a suffix', async () => {
    await using access = await openAccess()
    const { secret } = await access.apiTokens.create({ name: 'admin', role: 'admin' })
    const wrong = [
      'x',
      'A'.repeat(100_000),
      `${secret} x`,
      `${secret}é`,
      secret.slice(0, -1),
      `${secret}A`,
      secret.toLowerCase(),
      'undefined',
      '%',
      "' OR 1=1 --",
    ]
    for (const value of wrong) {
      await expect(access.call(`SSWS ${value}`)).rejects.toMatchObject({
        code: 'access.token_invalid',
      })
    }
    await expect(access.call(`Bearer ${secret}`)).rejects.toMatchObject(invalidToken)
  })

  test('a revoked one is invalid at once', async () => {
    await using access = await openAccess()
    const { secret, token } = await access.apiTokens.create({ name: 'admin', role: 'admin' })
    await access.call(`SSWS ${secret}`)
    await access.apiTokens.revoke(token.id)
    await expect(access.call(`SSWS ${secret}`)).rejects.toMatchObject({ code: 'access.token_invalid' })
  })
})

describe('access tokens (OKTA-O2, OKTA-X12, OKTA-X13, OKTA-O16)', () => {
  test('a bearer token says who calls and what it may do; .manage includes .read', async () => {
    await using access = await openAccess()
    const app = await registered(access, { scope: 'okta.logs.read okta.clients.manage' })
    const token = await bearerToken(access, app, 'okta.clients.manage')
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      expect(await access.call(`${scheme} ${token}`, { scope: 'okta.clients.read' })).toEqual({
        kind: 'client',
        clientId: app.clientId,
        name: 'test',
        scopes: ['okta.clients.read', 'okta.clients.manage'],
      })
    }
    await expect(access.call(`Bearer ${token}`, { path: '/api/v1/logs' })).rejects.toMatchObject({
      code: 'access.scope_missing',
      facts: { scheme: 'Bearer', scope: 'okta.logs.read', resource: '/api/v1/logs' },
    })
  })

  test('expires after an hour, and says so', async () => {
    await using access = await openAccess()
    const token = await bearerToken(access, await registered(access))
    access.turnClock(3_599)
    await access.call(`Bearer ${token}`)
    access.turnClock(1)
    await expect(access.call(`Bearer ${token}`)).rejects.toMatchObject({
      code: 'access.oauth_token_invalid',
      detail: 'The token has expired.',
      facts: { scheme: 'Bearer' },
    })
  })

  test('of a deleted client, or with a scope taken away, it stops working at once', async () => {
    await using access = await openAccess()
    const app = await registered(access, { scope: 'okta.logs.read okta.clients.manage' })
    const token = await bearerToken(access, app, 'okta.logs.read okta.clients.manage')
    await change(access, app, { scope: 'okta.clients.read' })
    await expect(access.call(`Bearer ${token}`)).rejects.toMatchObject({ code: 'access.scope_missing' })
    expect(await access.call(`Bearer ${token}`, { scope: 'okta.clients.read' })).toMatchObject({
      scopes: ['okta.clients.read'],
    })
    await access.serviceApps.delete(app.clientId, 'operator')
    await expect(access.call(`Bearer ${token}`, { scope: 'okta.clients.read' })).rejects.toMatchObject(
      invalidToken,
    )
  })

  test('a scope granted later needs a new token', async () => {
    await using access = await openAccess()
    const app = await registered(access)
    const token = await bearerToken(access, app)
    await change(access, app, { scope: 'okta.logs.read okta.clients.manage' })
    await expect(access.call(`Bearer ${token}`, { scope: 'okta.clients.manage' })).rejects.toMatchObject({
      code: 'access.scope_missing',
    })
  })

  test('garbage is invalid, `Bearer undefined` too (OKTA-O16)', async () => {
    await using access = await openAccess()
    const token = await bearerToken(access, await registered(access))
    const [header = '', payload = '', signature = ''] = token.split('.')
    const wrong = [
      'undefined',
      'null',
      '..',
      'a.b.c',
      'A'.repeat(50_000),
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${token}A`,
      `${token} ${token}`,
      `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
    ]
    for (const value of wrong)
      await expect(access.call(`Bearer ${value}`)).rejects.toMatchObject(invalidToken)
  })

  test('forged ones are invalid', async () => {
    await using access = await openAccess()
    const app = await registered(access)
    const { kid, key } = await access.signingKeys.current()
    const forger = await makeKey('RS256')
    const claims = {
      ver: 1,
      iss: origin,
      aud: origin,
      sub: app.clientId,
      cid: app.clientId,
      scp: ['okta.logs.read'],
      exp: access.nowS() + 60,
    }
    const header = { alg: 'RS256', kid, typ: 'at+jwt' }
    const sign = (over: object, headerOver: object = {}, by = key) =>
      new SignJWT({ ...claims, ...over }).setProtectedHeader({ ...header, ...headerOver }).sign(by)

    expect(await access.call(`Bearer ${await sign({})}`)).toMatchObject({ clientId: app.clientId })
    const forged = [
      await sign({}, {}, forger.privateKey),
      await sign({}, { jwk: forger.publicJwk }, forger.privateKey),
      await sign({}, { kid: 'other' }),
      await sign({}, { kid: undefined }),
      await sign({}, { typ: 'JWT' }),
      await sign({}, { typ: 'secevent+jwt' }),
      await sign({ iss: 'https://other.example' }),
      await sign({ aud: 'https://other.example' }),
      await sign({ aud: [origin, 'https://other.example'] }),
      await sign({ cid: '0oaSomebodyElse00000', sub: '0oaSomebodyElse00000' }),
      await sign({ sub: 'x' }),
      await sign({ scp: 'okta.logs.read' }),
      await sign({ cnf: {} }),
      await sign({ cnf: { 'x5t#S256': 'abc' } }),
      await sign({ cnf: null }),
    ]
    for (const token of forged) {
      await expect(access.call(`Bearer ${token}`)).rejects.toMatchObject(invalidToken)
    }
    await expect(access.call(`Bearer ${await sign({ exp: undefined })}`)).rejects.toMatchObject({
      code: 'access.oauth_token_invalid',
    })
  })

  test('no signature, or HS256 with our public key, is invalid', async () => {
    await using access = await openAccess()
    const app = await registered(access)
    const [, payload] = (await bearerToken(access, app)).split('.')
    const [jwk] = await access.signingKeys.publicKeys()
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt', kid: jwk?.kid })).toString(
      'base64url',
    )
    const hmac = await new SignJWT({
      iss: origin,
      aud: origin,
      sub: app.clientId,
      cid: app.clientId,
      scp: ['okta.logs.read'],
      exp: access.nowS() + 60,
    })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...(jwk?.kid !== undefined && { kid: jwk.kid }) })
      .sign(new TextEncoder().encode(JSON.stringify(jwk)))
    for (const token of [`${none}.${payload}.`, `${none}.${payload}.AA`, hmac]) {
      await expect(access.call(`Bearer ${token}`)).rejects.toMatchObject(invalidToken)
    }
  })

  test('tokens of the key before a rotation hold until they expire', async () => {
    await using access = await openAccess()
    const app = await registered(access)
    const before = await bearerToken(access, app)
    access.turnClock(1_800)
    const { kid } = await access.signingKeys.rotate()
    const after = await bearerToken(access, app)
    expect((await access.signingKeys.publicKeys()).map((key) => key.kid)).toEqual([kid, expect.any(String)])
    await access.call(`Bearer ${before}`)
    await access.call(`Bearer ${after}`)
    access.turnClock(3_600)
    expect((await access.signingKeys.publicKeys()).map((key) => key.kid)).toEqual([kid])
  })
})

describe('DPoP at resources (OKTA-O24)', () => {
  test('a bound token with a proof passes once for each proof', async () => {
    await using access = await openAccess()
    const app = await registered(access, { dpop_bound_access_tokens: true })
    const token = await dpopToken(access, app)
    const dpop = await proof(access, app, token)
    expect(await access.call(`DPoP ${token}`, { dpop })).toMatchObject({ clientId: app.clientId })
    access.turnClock(290)
    await expect(access.call(`dpop ${token}`, { dpop })).rejects.toMatchObject({
      code: 'access.dpop_invalid',
      detail: 'The DPoP proof JWT has already been used.',
      facts: { scheme: 'DPoP', scope: 'okta.logs.read', resource: '/api/v1/logs' },
    })
    access.turnClock(-50)
    const second = await proof(access, app, token)
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, () => access.call(`DPoP ${token}`, { dpop: second })),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('a bound token as Bearer, an unbound one as DPoP, and one from before the client was bound are invalid', async () => {
    await using access = await openAccess()
    const app = await registered(access, { dpop_bound_access_tokens: true })
    const bound = await dpopToken(access, app)
    await expect(access.call(`Bearer ${bound}`)).rejects.toMatchObject(invalidToken)
    await expect(
      access.call(`Bearer ${bound}`, { dpop: await proof(access, app, bound) }),
    ).rejects.toMatchObject(invalidToken)

    const plainApp = await registered(access)
    const plain = await bearerToken(access, plainApp)
    const dpop = await proof(access, plainApp, plain)
    await expect(access.call(`DPoP ${plain}`, { dpop })).rejects.toMatchObject({
      ...invalidToken,
      facts: { scheme: 'DPoP' },
    })
    await change(access, plainApp, { dpop_bound_access_tokens: true })
    await expect(access.call(`Bearer ${plain}`)).rejects.toMatchObject(invalidToken)
  })

  test('a proof whose request was not admitted may come again, and then once', async () => {
    await using access = await openAccess()
    const app = await registered(access, { dpop_bound_access_tokens: true })
    const token = await dpopToken(access, app)
    const dpop = await proof(access, app, token)
    const tooMany = new HubError('request.rate_limited')
    const refused: Caller[] = []
    const admit = (caller: Caller): Promise<void> => {
      refused.push(caller)
      return Promise.reject(tooMany)
    }
    for (let times = 0; times < 2; times += 1) {
      await expect(access.call(`DPoP ${token}`, { dpop, admit })).rejects.toBe(tooMany)
    }
    expect(refused).toMatchObject([{ clientId: app.clientId }, { clientId: app.clientId }])
    await access.call(`DPoP ${token}`, { dpop })
    await expect(access.call(`DPoP ${token}`, { dpop })).rejects.toMatchObject({
      code: 'access.dpop_invalid',
    })
    await expect(access.call('DPoP nonsense', { dpop, admit })).rejects.toMatchObject(invalidToken)
    expect(refused).toHaveLength(2) // nobody is admitted before who they are is known
  })

  test.each(['', '/', '?limit=5', '/?limit=5#x'])(
    'takes a proof for the same URL with %j behind it (OKTA-A6)',
    async (end) => {
      await using access = await openAccess()
      const app = await registered(access, { dpop_bound_access_tokens: true })
      const token = await dpopToken(access, app)
      const dpop = await proof(access, app, token, { htu: logsUrl + end })
      expect(await access.call(`DPoP ${token}`, { dpop })).toMatchObject({ kind: 'client' })
    },
  )

  test.each<[string, (nowS: number) => Record<string, unknown>]>([
    ['another method', () => ({ htm: 'POST' })],
    ['another URL', () => ({ htu: `${origin}/api/v1/users/me` })],
    ['another host', () => ({ htu: 'https://other.example/api/v1/logs' })],
    ['another token', () => ({ ath: hashOf('another') })],
    ['no token', () => ({ ath: undefined })],
    ['an iat long ago', (nowS) => ({ iat: nowS - 301 })],
    ['an iat to come', (nowS) => ({ iat: nowS + 61 })],
    ['no jti', () => ({ jti: undefined })],
  ])('refuses a proof for %s', async (_name, claims) => {
    await using access = await openAccess()
    const app = await registered(access, { dpop_bound_access_tokens: true })
    const token = await dpopToken(access, app)
    const dpop = await proof(access, app, token, claims(access.nowS()))
    await expect(access.call(`DPoP ${token}`, { dpop })).rejects.toMatchObject({
      code: 'access.dpop_invalid',
    })
    await access.call(`DPoP ${token}`, { dpop: await proof(access, app, token) })
  })

  test('refuses no proof, a broken one, and one by another key than the token is bound to', async () => {
    await using access = await openAccess()
    const app = await registered(access, { dpop_bound_access_tokens: true })
    const token = await dpopToken(access, app)
    const stranger = await makeKey()
    for (const over of [
      {},
      { dpop: '' },
      { dpop: 'a.b.c' },
      { dpop: token },
      { dpop: await proof(access, stranger, token) },
    ]) {
      await expect(access.call(`DPoP ${token}`, over)).rejects.toMatchObject({ code: 'access.dpop_invalid' })
    }
  })

  test('a missing scope of a bound token is told in the form for DPoP (OKTA-X14)', async () => {
    await using access = await openAccess()
    const app = await registered(access, { dpop_bound_access_tokens: true })
    const token = await dpopToken(access, app)
    const call = access.call(`DPoP ${token}`, {
      dpop: await proof(access, app, token),
      scope: 'okta.clients.read',
    })
    await expect(call).rejects.toMatchObject({
      code: 'access.scope_missing',
      facts: { scheme: 'DPoP', scope: 'okta.clients.read' },
    })
  })
})

test('the System Log names a token by its user and a service app by its client id', async () => {
  await using access = await openAccess()
  const { secret, token } = await access.apiTokens.create({ name: 'ci', role: 'admin' })
  const app = await registered(access)
  const facts = { ip: '192.0.2.1', userAgent: undefined, requestId: 'req1' }
  expect(actorOf(await access.call(`SSWS ${secret}`), facts)).toEqual({
    id: token.id.replace('00T', '00u'),
    type: 'User',
    displayName: 'ci',
    alternateId: 'ci',
    ip: '192.0.2.1',
    requestId: 'req1',
  })
  const client = await access.call(`Bearer ${await bearerToken(access, app)}`)
  expect(actorOf(client, { ...facts, userAgent: 'curl' })).toMatchObject({
    id: app.clientId,
    type: 'PublicClientApp',
    displayName: 'test',
    userAgent: 'curl',
  })
})
