import { describe, expect, test } from 'vitest'
import { startLocalServer } from '../../test/local-server.ts'
import { eventCatalogue } from '@watchbell/receiver/events'
import { setAlgorithms, generateSigningKey, publicJwk } from '@watchbell/receiver/set'
import { defaultDiscoveryLimits, readTransmitterMetadata } from '../streams/discovery.ts'
import { breakageNames, breakages, type BreakageName } from './breakages.ts'
import { findEventType, type SetDraft } from './set-draft.ts'
import { startTestHub, type TestHub } from './start-test-hub.ts'
import { privateJwk, readSigningKey } from './transmitter-keys.ts'
import { startTransmitter, type Transmitter } from './transmitter.ts'

const ada = { format: 'email', email: 'ada@example.com' }

async function register(hub: TestHub, { issuer, jwksUrl }: Transmitter): Promise<string> {
  const settings = { issuer, jwks_url: jwksUrl }
  const answer = await hub.api('POST', '/api/v1/security-events-providers', {
    name: issuer,
    type: 'test',
    settings,
  })
  return ((await answer.json()) as { id: string }).id
}

function decode(token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header = '', claims = ''] = token.split('.')
  const read = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
  return { header: read(header), claims: read(claims) }
}

describe('published documents', () => {
  test('the metadata are found by a well-known URL and by the issuer (SSF 1.0 §7.2)', async () => {
    await using transmitter = await startTransmitter()
    const deps = { world: { fetch: globalThis.fetch }, urlProblem: () => undefined }
    for (const url of [transmitter.wellKnownUrl, transmitter.issuer]) {
      const metadata = await readTransmitterMetadata(deps, url, defaultDiscoveryLimits)
      expect(metadata).toMatchObject({ issuer: transmitter.origin, jwksUrl: transmitter.jwksUrl })
      expect(metadata.document).toEqual({
        spec_version: '1_0',
        issuer: transmitter.origin,
        jwks_uri: `${transmitter.origin}/jwks.json`,
        delivery_methods_supported: ['urn:ietf:rfc:8935'],
      })
    }
  })

  test('metadata of an issuer with a path stands at the inserted path (RFC 8615)', async () => {
    await using probe = await startTransmitter()
    const { port } = new URL(probe.origin)
    await probe[Symbol.asyncDispose]()
    await using transmitter = await startTransmitter({
      port: Number(port),
      issuer: `http://127.0.0.1:${port}/tenant/1`,
    })
    expect(transmitter.wellKnownUrl).toBe(`http://127.0.0.1:${port}/.well-known/ssf-configuration/tenant/1`)
    const deps = { world: { fetch: globalThis.fetch }, urlProblem: () => undefined }
    const { issuer } = await readTransmitterMetadata(deps, transmitter.issuer, defaultDiscoveryLimits)
    expect(issuer).toBe(transmitter.issuer)
  })

  test('requests for documents are counted, other paths are 404, and other methods than GET are 405', async () => {
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    const status = async (path: string, method = 'GET'): Promise<number> =>
      (await fetch(transmitter.origin + path, { method })).status
    expect(await status('/jwks.json')).toBe(200)
    expect(await status('/jwks.json?again')).toBe(200)
    expect(await status('/.well-known/ssf-configuration')).toBe(200)
    expect(await status('/')).toBe(404)
    expect(await status('/jwks.json', 'POST')).toBe(405)
    expect(transmitter.fetches.metadata).toBe(1)
    expect(transmitter.fetches.keys).toBeGreaterThanOrEqual(2)
  })

  test('only public keys are published', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await transmitter.signBroken('weak-key', { type: 'session-revoked', aud: 'x' })
    const { keys } = (await (await fetch(transmitter.jwksUrl)).json()) as { keys: object[] }
    expect(keys).toHaveLength(2)
    for (const key of keys) expect(Object.keys(key)).not.toContain('d')
  })

  test('connections are closed while it is down, and served afterwards', async () => {
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    transmitter.down = true
    await expect(fetch(transmitter.jwksUrl)).rejects.toThrow('fetch failed')
    transmitter.down = false
    expect((await fetch(transmitter.jwksUrl)).status).toBe(200)
  })

  test('a port in use is an error', async () => {
    await using first = await startTransmitter({ alg: 'EdDSA' })
    const port = Number(new URL(first.origin).port)
    await expect(startTransmitter({ alg: 'EdDSA', port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe('signed SETs', () => {
  test.each([
    ['an event about a simple subject', { type: 'session-revoked', subject: ada }, { sub_id: ada }, {}],
    ['an event without a subject', { type: 'session-revoked' }, {}, {}],
    [
      "Okta's event about a user (OKTA-E75)",
      { type: 'okta/user-risk-change', subject: ada },
      {},
      { subject: { user: ada } },
    ],
    [
      "Okta's event about a device (OKTA-E77)",
      { type: 'device-risk-change', subject: { format: 'opaque', id: 'd1' } },
      {},
      { subject: { device: { format: 'opaque', id: 'd1' } } },
    ],
    [
      "Okta's event about both",
      { type: 'ip-change', subject: { user: ada, device: ada } },
      {},
      { subject: { user: ada, device: ada } },
    ],
    [
      "Okta's event with a subject of its own",
      { type: 'ip-change', subject: ada, claims: { subject: { user: 'own' } } },
      {},
      { subject: { user: 'own' } },
    ],
  ])('%s has the subject where its specification wants it', async (_, draft, token, event) => {
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    const { claims } = decode(transmitter.sign({ ...draft, aud: 'https://hub.example' }))
    const [body] = Object.values(claims['events'] as object) as [object]
    expect(claims['sub_id']).toEqual('sub_id' in token ? token.sub_id : undefined)
    expect('subject' in body ? body.subject : undefined).toEqual(
      'subject' in event ? event.subject : undefined,
    )
  })

  test('claims and header members can be added, replaced and omitted', async () => {
    await using transmitter = await startTransmitter({ alg: 'EdDSA', issuer: 'Issuer' })
    const { header, claims } = decode(
      transmitter.sign({
        events: { 'https://example.com/e': { a: 1 } },
        aud: ['one', 'two'],
        jti: 'j',
        token: { iat: undefined, txn: 't' },
        header: { typ: 'application/secevent+jwt', kid: undefined },
      }),
    )
    expect(claims).toEqual({
      iss: 'Issuer',
      jti: 'j',
      aud: ['one', 'two'],
      txn: 't',
      events: { 'https://example.com/e': { a: 1 } },
    })
    expect(header).toEqual({ alg: 'EdDSA', typ: 'application/secevent+jwt' })
  })

  test('an unknown event type is accepted when it is a URI, and refused when it is a bare name', async () => {
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    const { claims } = decode(transmitter.sign({ type: 'urn:example:event', claims: { a: 1 }, aud: 'x' }))
    expect(claims['events']).toEqual({ 'urn:example:event': { a: 1 } })
    expect(() => transmitter.sign({ type: 'session-revoke', aud: 'x' })).toThrow(
      "no event type 'session-revoke'",
    )
  })

  test('every name of the catalogue means one event type', () => {
    for (const entry of eventCatalogue) {
      for (const name of [entry.name, entry.type, `${entry.family}/${entry.name}`]) {
        expect(findEventType(name)).toBe(entry)
      }
    }
  })

  test('a hub accepts every event of the catalogue', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    await register(hub, transmitter)
    const [provider] = (await (await hub.api('GET', '/api/v1/security-events-providers')).json()) as {
      id: string
    }[]
    await hub.api('PUT', `/v1/providers/${provider?.id ?? ''}/dialects`, { dialects: ['scim'] })
    const answers: Record<string, number> = {}
    for (const { type } of eventCatalogue) {
      const token = transmitter.sign({ type, subject: ada, aud: hub.origin })
      answers[type] = (await transmitter.push(hub.origin, token)).status
    }
    expect(answers).toEqual(Object.fromEntries(eventCatalogue.map(({ type }) => [type, 202])))
  })

  test.each(setAlgorithms)('a hub accepts tokens signed with %s', async (alg) => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg })
    await register(hub, transmitter)
    const token = transmitter.sign({ type: 'session-revoked', subject: ada, aud: hub.origin })
    expect(await transmitter.push(hub.origin, token)).toMatchObject({ status: 202 })
  })

  test('a hub accepts the new key right after a rotation, and the old one while it is published', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    await register(hub, transmitter)
    const draft: SetDraft = { type: 'session-revoked', subject: ada, aud: hub.origin }
    const status = async (token: string): Promise<number> =>
      (await transmitter.push(hub.origin, token)).status
    expect(await status(transmitter.sign(draft))).toBe(202)
    const underOld = [transmitter.sign(draft), transmitter.sign(draft)] as const
    await transmitter.rotateKey()
    expect(await status(transmitter.sign(draft))).toBe(202)
    expect(await status(underOld[0])).toBe(202)

    const kid = await transmitter.rotateKey({ withdrawn: true })
    const { keys } = (await (await fetch(transmitter.jwksUrl)).json()) as { keys: { kid: string }[] }
    expect(keys).toHaveLength(2)
    expect(keys.at(-1)?.kid).toBe(kid)
    expect(await status(transmitter.sign(draft))).toBe(202)
  })
})

describe('broken tokens', () => {
  test('a hub refuses each broken token for its listed reason, and accepts the valid one', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    await register(hub, transmitter)
    const draft = { type: 'session-revoked', subject: ada, aud: hub.origin }
    expect(await transmitter.push(hub.origin, transmitter.sign(draft))).toMatchObject({ status: 202 })

    const codes: Partial<Record<BreakageName, string>> = {}
    for (const name of breakageNames) {
      const token = await transmitter.signBroken(name, draft)
      const { status, description } = await transmitter.push(hub.origin, token)
      if (status === 413) codes[name] = 'request.too_large'
      else {
        const { signals } = (await (await hub.api('GET', '/v1/signals?outcome=refused&limit=1')).json()) as {
          signals: { code: string; reason: string }[]
        }
        codes[name] = signals[0]?.code ?? ''
        expect(signals[0]?.reason).toBe(description)
      }
    }
    expect(codes).toEqual(Object.fromEntries(breakageNames.map((name) => [name, breakages[name].code])))
  })

  const fixed = {
    now: () => new Date('2026-01-02T03:04:05Z'),
    newUuid: () => 'jti-1',
    fetch: globalThis.fetch,
  }

  test.each<[BreakageName, ...differing: string[]]>([
    ['signature'],
    ['typ', 'header.typ'],
    ['aud', 'claims.aud'],
    ['iss', 'claims.iss'],
    ['kid', 'header.kid'],
    ['alg-none', 'header.alg'],
    ['alg-hs256', 'header.alg'],
    ['exp', 'claims.exp'],
    ['sub', 'claims.sub'],
    ['no-jti', 'claims.jti'],
    ['no-iat', 'claims.iat'],
    ['future-iat', 'claims.iat'],
    ['no-events', 'claims.events'],
    ['empty-events', 'claims.events'],
    ['duplicate-member'],
    ['crit', 'header.crit', 'header.https://example.com/ext'],
    ['jwk-header', 'header.jwk'],
    ['blank-field', 'claims.events'],
    ['wrong-level', 'claims.events', 'claims.sub_id'],
    ['oversized', 'claims.padding'],
    ['weak-key', 'header.kid'],
    ['wrong-use', 'header.kid'],
  ])('%s is the sound token but for %s', async (name, ...differing) => {
    await using transmitter = await startTransmitter({ world: fixed })
    const draft = { type: 'session-revoked', subject: ada, aud: 'https://hub.example', jti: 'own' }
    const sound = decode(transmitter.sign(draft))
    const broken = decode(await transmitter.signBroken(name, draft))
    const differences = (['header', 'claims'] as const).flatMap((part) =>
      Object.keys({ ...sound[part], ...broken[part] })
        .filter((member) => JSON.stringify(sound[part][member]) !== JSON.stringify(broken[part][member]))
        .map((member) => `${part}.${member}`),
    )
    expect(differences.toSorted()).toEqual(differing.filter((member) => member !== undefined))
  })
})

describe('answers to a push', () => {
  test.each([
    ['nothing, with a 202', 202, {}, '', { err: undefined, description: undefined, retryAfterS: undefined }],
    [
      'err and description (RFC 8935 §2.3)',
      400,
      {},
      '{"err":"invalid_key","description":"no such key"}',
      { err: 'invalid_key', description: 'no such key' },
    ],
    [
      "Okta's other errors",
      429,
      { 'retry-after': '7' },
      '{"errorSummary":"slow down"}',
      { description: 'slow down', retryAfterS: 7 },
    ],
    [
      'a page of a proxy',
      502,
      {},
      '<h1>Bad Gateway</h1>',
      { err: undefined, description: '<h1>Bad Gateway</h1>' },
    ],
    ['JSON of another kind', 400, {}, '[1]', { err: undefined, description: '[1]' }],
    [
      'members of other types',
      400,
      {},
      '{"err":1,"description":{}}',
      { err: undefined, description: undefined },
    ],
    [
      'a Retry-After that is a date',
      503,
      { 'retry-after': 'Fri, 02 Jan 2026 03:04:05 GMT' },
      '',
      { retryAfterS: undefined },
    ],
  ])('%s', async (_, status, headers, body, expected) => {
    await using receiver = await startLocalServer((_request, response) => {
      response.writeHead(status, headers).end(body)
    })
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    expect(await transmitter.push(`${receiver.origin}/own/path`, 'token')).toMatchObject({
      status,
      ...expected,
    })
    expect(receiver.requests).toEqual(['/own/path'])
  })

  test('a redirect is not followed', async () => {
    await using receiver = await startLocalServer((_request, response) => {
      response.writeHead(307, { location: '/elsewhere' }).end()
    })
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    await expect(transmitter.push(receiver.origin, 'token')).rejects.toThrow('fetch failed')
    expect(receiver.requests).toEqual(['/security/api/v1/security-events'])
  })
})

describe('given keys', () => {
  test.each(setAlgorithms)('a private JWK for %s gives the same key', async (alg) => {
    const key = await generateSigningKey(alg, 'kept')
    const again = await readSigningKey(JSON.parse(JSON.stringify(privateJwk(key))) as object)
    expect(publicJwk(again)).toEqual(publicJwk(key))
  })

  test('without kid and alg the thumbprint and the default algorithm are used', async () => {
    const key = await generateSigningKey('ES384')
    const { kty, crv, x, y, d } = privateJwk(key)
    expect(publicJwk(await readSigningKey({ kty, crv, x, y, d }))).toEqual(publicJwk(key))
  })

  test.each([
    ['a public key', { kty: 'OKP', crv: 'Ed25519', x: 'AA' }, 'has no private part'],
    ['an unknown type', { kty: 'XYZ', d: 'AA' }, 'has the alg undefined'],
    ['a symmetric algorithm', { kty: 'RSA', alg: 'HS256', d: 'AA' }, 'has the alg HS256'],
    ['rubbish', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: 'AA' }, 'cannot be imported'],
    ['nothing', {}, 'has no private part'],
  ])('%s is refused', async (_, jwk, reason) => {
    await expect(readSigningKey(jwk)).rejects.toThrow(reason)
  })
})
