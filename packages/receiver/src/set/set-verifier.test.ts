import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { fc, propertyRuns } from '../../test/properties.ts'
import { describe, expect, test } from 'vitest'
import { audience, issuer, keySource, testNow } from '../../test/verified-set.ts'
import { ReceiverError, isReceiverError } from '../base/receiver-error.ts'
import { parseToken } from './parse-token.ts'
import { createSetVerifier, iatSkewMaxS } from './set-verifier.ts'
import { generateSigningKey, publicJwk, signSet } from './sign.ts'
import type { SigningKey } from './sign.ts'
import { setAlgorithms } from './verification-key.ts'
import type { KeySource, SetAlgorithm } from './verification-key.ts'

const verifier = createSetVerifier({ now: () => testNow })
const nowS = testNow.getTime() / 1000
const claims = {
  iss: issuer,
  jti: 'jti-1',
  iat: nowS,
  aud: audience,
  events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
}
const key = await generateSigningKey('ES256', 'key-1')
const rsa = await generateSigningKey('RS256', 'rsa-1')
const keys = keySource(publicJwk(key), publicJwk(rsa))
const audiences = [audience, `${audience}/`]

const verify = (compact: string, source: KeySource = keys, expected = issuer) =>
  verifier.verify(parseToken(compact), { issuer: expected, audiences, keys: source })

async function refusal(compact: string, source: KeySource = keys, expected = issuer): Promise<unknown> {
  try {
    await verify(compact, source, expected)
  } catch (error) {
    if (isReceiverError(error)) return { code: error.code, detail: error.detail }
    throw error
  }
  return 'verified'
}

const badSignature = (kid: string) => ({
  code: 'set.bad_signature',
  detail: `Could not verify message signature, Verification failed for kid=${kid}`,
})

test.each(setAlgorithms)('a SET signed with %s is verified', async (alg) => {
  const own = await generateSigningKey(alg)
  const set = await verify(signSet({ key: own, claims }), keySource(publicJwk(own)))
  expect(set).toEqual({ ...claims, toe: undefined, txn: undefined, sub_id: undefined })
})

describe('the signature (OKTA-E14, OKTA-E23, RFC 8935 §2)', () => {
  test('a changed byte of the payload is refused', async () => {
    const [header, , signature] = signSet({ key, claims }).split('.')
    const other = Buffer.from(JSON.stringify({ ...claims, jti: 'jti-2' })).toString('base64url')
    expect(await refusal(`${header}.${other}.${signature}`)).toEqual(badSignature('key-1'))
  })

  test.each(setAlgorithms)('another key of the same type and kid is refused: %s', async (alg) => {
    const [own, forger] = [await generateSigningKey(alg, 'k'), await generateSigningKey(alg, 'k')]
    expect(await refusal(signSet({ key: forger, claims }), keySource(publicJwk(own)))).toEqual(
      badSignature('k'),
    )
  })

  test('the key in the header is not used (RFC 8725 §3.10)', async () => {
    const forger = await generateSigningKey('ES256', 'key-1')
    const compact = signSet({ key: forger, claims, header: { jwk: publicJwk(forger) } })
    expect(await refusal(compact)).toEqual(badSignature('key-1'))
  })

  test('the kid in the message is printable', async () => {
    const forger = await generateSigningKey('ES256', 'a\n' + 'b'.repeat(1000))
    const own = await generateSigningKey('ES256', forger.kid)
    expect(await refusal(signSet({ key: forger, claims }), keySource(publicJwk(own)))).toEqual(
      badSignature(`a\uFFFD${'b'.repeat(254)}…`),
    )
  })
})

describe('algorithm confusion (RFC 8725 §3.1)', () => {
  test.each<[SigningKey, SetAlgorithm]>([
    [key, 'RS256'],
    [key, 'ES384'],
    [key, 'EdDSA'],
    [rsa, 'PS256'],
    [rsa, 'RS512'],
    [rsa, 'ES256'],
  ])('a key that declares %o refuses %s', async (signer, alg) => {
    expect(await refusal(signSet({ key: signer, claims, header: { alg } }))).toMatchObject({
      code: 'set.key_refused',
      detail: expect.stringContaining(`is for ${signer.alg}, and the token says ${alg} (kid=${signer.kid})`),
    })
  })

  test('a key of another type from the key source is refused', async () => {
    const careless: KeySource = { get: () => keys.get('key-1', 'ES256') }
    expect(await refusal(signSet({ key: rsa, claims }), careless)).toMatchObject({ code: 'set.key_refused' })
  })

  test('HS256 with the public key as the secret is refused', async () => {
    const pem = createPublicKey(rsa.privateKey).export({ format: 'pem', type: 'spki' })
    const [header, payload] = signSet({ key: rsa, claims, header: { alg: 'HS256' } }).split('.')
    const mac = createHmac('sha256', pem).update(`${header}.${payload}`).digest('base64url')
    await expect(async () => verify(`${header}.${payload}.${mac}`)).rejects.toMatchObject({
      code: 'set.algorithm_refused',
    })
    const [honest] = signSet({ key: rsa, claims }).split('.')
    const relabelled = createHmac('sha256', pem).update(`${honest}.${payload}`).digest('base64url')
    expect(await refusal(`${honest}.${payload}.${relabelled}`)).toEqual(badSignature('rsa-1'))
  })
})

describe('keys that must not be used (OKTA-E13, RFC 8725 §3.1)', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey

  test.each<[string, object, SigningKey, RegExp]>([
    ['of 1024 bits', publicJwk({ ...rsa, privateKey: weak }), { ...rsa, privateKey: weak }, /1024 bits/],
    ['for encryption', { ...publicJwk(key), use: 'enc' }, key, /`use`/],
    ['for signing only', { ...publicJwk(key), key_ops: ['sign'] }, key, /`key_ops`/],
    ['for another algorithm', { ...publicJwk(rsa), alg: 'PS256' }, rsa, /is for PS256/],
    ['with its private part', { ...publicJwk(key), d: 'AA' }, key, /private/],
    ['that is symmetric', { kty: 'oct', kid: 'key-1', k: 'AAAA' }, key, /symmetric/],
  ])('a key %s is refused', async (_, jwk, signer, detail) => {
    expect(await refusal(signSet({ key: signer, claims }), keySource(jwk))).toEqual({
      code: 'set.key_refused',
      detail: expect.stringMatching(detail),
    })
  })

  test('an unknown kid is refused', async () => {
    expect(await refusal(signSet({ key, claims, header: { kid: 'key-2' } }))).toMatchObject({
      code: 'set.unknown_key',
      detail: expect.stringContaining('kid=key-2'),
    })
  })

  test('a key set that cannot be fetched does not blame the token', async () => {
    const down: KeySource = { get: () => Promise.reject(new ReceiverError('keys.unavailable')) }
    expect(await refusal(signSet({ key, claims }), down)).toMatchObject({ code: 'keys.unavailable' })
  })
})

describe('issuer, audience and time', () => {
  test.each(['https://idp.example.com', 'https://IDP.example.com/', 'https://idp.example.com//', 'x'])(
    'an iss of %s is not the provider’s (OKTA-E40, SSF 1.0 §4.1.6)',
    async (iss) => {
      expect(await refusal(signSet({ key, claims: { ...claims, iss } }))).toMatchObject({
        code: 'set.unknown_issuer',
      })
    },
  )

  test.each([[audience], [`${audience}/`], [[audience]], [['https://other.example', `${audience}/`]]])(
    'aud %j is ours (OKTA-E41, SSF 1.0 §4.1.8)',
    async (aud) => {
      expect(await verify(signSet({ key, claims: { ...claims, aud } }))).toMatchObject({ aud })
    },
  )

  test.each([
    ['https://hub-admin.example.com'],
    ['HTTPS://HUB.EXAMPLE.COM'],
    ['https://hub.example.com//'],
    [' https://hub.example.com'],
    [['https://other.example']],
    [[`${audience}.evil.example`, `${audience} `]],
  ])('aud %j is refused (OKTA-E12)', async (aud) => {
    expect(await refusal(signSet({ key, claims: { ...claims, aud } }))).toEqual({
      code: 'set.wrong_audience',
      detail: expect.stringContaining(`it must be or contain ${audience} or ${audience}/.`),
    })
  })

  test.each([0, 1.5, nowS - 10 * 365 * 86_400, nowS + iatSkewMaxS])(
    'iat %d is taken (OKTA-E43)',
    async (iat) => {
      expect(await verify(signSet({ key, claims: { ...claims, iat } }))).toMatchObject({ iat })
    },
  )

  test.each([nowS + iatSkewMaxS + 0.5, nowS + iatSkewMaxS + 1, nowS * 1000, 2 ** 53 - 1])(
    'iat %d is too far ahead (OKTA-E43)',
    async (iat) => {
      expect(await refusal(signSet({ key, claims: { ...claims, iat } }))).toMatchObject({
        code: 'set.claim_invalid',
        detail: expect.stringMatching(/iat is \d+ s in the future; we allow 300 s/),
      })
    },
  )

  test('a bad signature is refused before audience and time are checked', async () => {
    const forger = await generateSigningKey('ES256', 'key-1')
    const wrong = { ...claims, aud: 'https://other.example', iat: nowS + 9999 }
    expect(await refusal(signSet({ key: forger, claims: wrong }))).toEqual(badSignature('key-1'))
  })

  test('the issuer is checked before a key is asked for', async () => {
    const asked: string[] = []
    const watched: KeySource = { get: (kid, alg) => (asked.push(kid), keys.get(kid, alg)) }
    expect(await refusal(signSet({ key, claims }), watched, 'https://other.example')).toMatchObject({
      code: 'set.unknown_issuer',
    })
    expect(asked).toEqual([])
  })
})

test('property: a sound token with any byte changed is refused with a ReceiverError', async () => {
  const sound = signSet({ key, claims })
  await fc.assert(
    fc.asyncProperty(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const mutated = Buffer.from(sound)
      mutated.writeUInt8(mutated.readUInt8(at) ^ mask, at)
      // A last byte that became white space leaves a truncated signature, which is refused, too
      await expect((async () => verify(mutated.toString('latin1')))()).rejects.toBeInstanceOf(ReceiverError)
    }),
    { numRuns: propertyRuns(50) },
  )
})
