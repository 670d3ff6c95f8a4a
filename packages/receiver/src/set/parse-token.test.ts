import { fc, propertyRuns } from '../../test/properties.ts'
import { describe, expect, test } from 'vitest'
import { isReceiverError } from '../base/receiver-error.ts'
import { audiencesMax, eventsMax, parseToken, setBytesMax } from './parse-token.ts'
import { generateSigningKey, publicJwk, signSet } from './sign.ts'

const key = await generateSigningKey('EdDSA', 'key-1')
const revoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const claims = {
  iss: 'https://idp.example.com/',
  jti: 'jti-1',
  iat: 1_700_000_000,
  aud: 'https://hub.example.com',
  sub_id: { format: 'email', email: 'ada@example.com' },
  events: { [revoked]: {} },
}
const sound = signSet({ key, claims })
const [soundHeader = '', soundPayload = '', soundSignature = ''] = sound.split('.')
const base64url = (text: string) => Buffer.from(text, 'latin1').toString('base64url')

function refusal(body: string | Uint8Array): unknown {
  try {
    parseToken(body)
  } catch (error) {
    if (isReceiverError(error)) return { code: error.code, detail: error.detail, facts: error.facts }
    throw error
  }
  return 'taken'
}

describe('parseToken: the compact form (RFC 7515 §3.1, §5.2)', () => {
  test.each<[string, string | Uint8Array]>([
    ['text', sound],
    ['bytes', Buffer.from(sound)],
    ['a view into a larger buffer', Buffer.from(`xx${sound}yy`).subarray(2, 2 + sound.length)],
    ['quotes around it (OKTA-E5)', `"${sound}"`],
    ['quotes and white space (OKTA-E5)', ` \r\n"${sound}"\n`],
    ['a line break at the end', `${sound}\r\n`],
  ])('accepts %s', (_, body) => {
    const token = parseToken(body)
    expect(token.compact).toBe(sound)
    expect(token.header).toEqual({ alg: 'EdDSA', kid: 'key-1', typ: 'secevent+jwt' })
    expect(token.claims).toEqual({ ...claims, toe: undefined, txn: undefined })
    expect(Buffer.from(token.signedBytes).toString()).toBe(`${soundHeader}.${soundPayload}`)
    expect(Buffer.from(token.signature).toString('base64url')).toBe(soundSignature)
  })

  const stray =
    soundHeader.slice(0, -1) + String.fromCharCode(soundHeader.charCodeAt(soundHeader.length - 1) + 1)

  test.each<[string, string | Uint8Array, RegExp]>([
    ['nothing', '', /empty/],
    ['white space', ' \n', /empty/],
    ['empty quotes', '""', /empty/],
    ['one quote', '"', /compact JWS/],
    ['two pairs of quotes', `""${sound}""`, /header of the token is not base64url/],
    ['text', 'hello', /compact JWS/],
    ['JSON', '{"a":1}', /compact JWS/],
    ['two parts', `${soundHeader}.${soundPayload}`, /compact JWS/],
    ['four parts', `${sound}.abcd`, /compact JWS/],
    ['a JWE', `${soundHeader}.a.b.c.d`, /encrypted \(a JWE\)/],
    ['six parts', 'a.b.c.d.e.f', /compact JWS/],
    ['a million dots', '.'.repeat(60_000), /compact JWS/],
    ['an empty header', `.${soundPayload}.${soundSignature}`, /header of the token is empty/],
    ['an empty payload', `${soundHeader}..${soundSignature}`, /payload of the token is empty/],
    ['an empty signature', `${soundHeader}.${soundPayload}.`, /signature of the token is empty/],
    [
      'padding',
      `${soundHeader}.${soundPayload}.${soundSignature}==`,
      /signature of the token is not base64url/,
    ],
    ['the alphabet of plain base64', `${soundHeader}.${soundPayload}.ab+/`, /signature .* not base64url/],
    ['a space inside', `${soundHeader}.${soundPayload}.ab cd`, /signature .* not base64url/],
    ['a line break inside', `${soundHeader}.${soundPayload}\n.${soundSignature}`, /payload .* not base64url/],
    ['one character too many', `${soundHeader}.${soundPayload}.abcde`, /signature .* not base64url/],
    ['stray bits', `${soundHeader}.${soundPayload}.ab`, /signature .* not base64url/],
    ['stray bits in the header', `${stray}.${soundPayload}.${soundSignature}`, /header/],
    ['a letter beyond ASCII', `${soundHeader}.${soundPayload}.é`, /signature .* not base64url/],
    ['bytes beyond ASCII', Buffer.from([0xff, 0x2e, 0xfe, 0x2e, 0xfd]), /header .* not base64url/],
    ['a NUL byte', Buffer.from(`${sound}\0`), /not base64url/],
    [
      'a body over the limit',
      `${soundHeader}.${soundPayload}.${'A'.repeat(setBytesMax)}`,
      /larger than 65536/,
    ],
    ['bytes over the limit', new Uint8Array(setBytesMax + 1), /larger than 65536/],
    [
      'a header that is no JSON',
      `${base64url('alg')}.${soundPayload}.${soundSignature}`,
      /header .* not JSON/,
    ],
    [
      'a header that is an array',
      `${base64url('[]')}.${soundPayload}.${soundSignature}`,
      /header .* not a JSON object/,
    ],
    [
      'a payload that is text',
      `${soundHeader}.${base64url('"a"')}.${soundSignature}`,
      /payload .* not a JSON object/,
    ],
    ['a payload in latin1', `${soundHeader}.${base64url('{"a":"é"}')}.${soundSignature}`, /payload .* UTF-8/],
  ])('refuses %s (OKTA-E10)', (_, body, detail) => {
    expect(refusal(body)).toMatchObject({ code: 'set.malformed', detail: expect.stringMatching(detail) })
  })

  test.each([
    ['a name twice (RFC 7519 §4)', `{"iss":"a","iss":"b"}`, /"iss" is repeated/],
    ['a name twice by escapes', `{"iss":"a","\\u0069ss":"b"}`, /"iss" is repeated/],
    [
      'a name twice in an event',
      `{"events":{"a:b":{"x":1,"x":2}}}`,
      /"x" is repeated at \["events"\]\["a:b"\]/,
    ],
    ['__proto__', `{"events":{"__proto__":{}}}`, /__proto__/],
    ['NUL', `{"jti":"a\\u0000"}`, /NUL/],
    ['a lone surrogate', `{"jti":"\\ud800"}`, /lone surrogate/],
    ['depth', `{"events":${'['.repeat(40)}${']'.repeat(40)}}`, /nested deeper/],
  ])('refuses a payload with %s', (_, payload, detail) => {
    expect(refusal(signSet({ key, claims: payload }))).toMatchObject({
      code: 'set.malformed',
      detail: expect.stringMatching(detail),
    })
  })
})

describe('parseToken: the header', () => {
  test.each(['secevent+jwt', 'SecEvent+JWT', 'application/secevent+jwt', 'APPLICATION/SECEVENT+JWT'])(
    'takes typ %s (OKTA-E30, RFC 8417 §2.3)',
    (typ) => {
      expect(parseToken(signSet({ key, claims, header: { typ } })).header.typ).toBe(typ)
    },
  )

  test('ignores empty header members, except an empty crit', () => {
    const header = { crit: null, b64: null, zip: null, enc: null }
    expect(parseToken(signSet({ key, claims, header })).header.kid).toBe('key-1')
  })

  test('accepts Ed25519 by its name in RFC 9864', () => {
    expect(parseToken(signSet({ key, claims, header: { alg: 'Ed25519' } })).header.alg).toBe('Ed25519')
  })

  test('ignores keys and key locations in the header (RFC 8725 §3.10)', () => {
    const header = {
      jwk: publicJwk(key),
      jku: 'https://evil.example/jwks',
      x5u: 'https://evil.example',
      x5c: ['AA'],
    }
    expect(parseToken(signSet({ key, claims, header })).header).toEqual({
      alg: 'EdDSA',
      kid: 'key-1',
      typ: 'secevent+jwt',
    })
  })

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ...[
      'none',
      'None',
      'NONE',
      'nOnE',
      'HS256',
      'HS512',
      'RS1',
      'rs256',
      'ES256K',
      'dir',
      'ed25519',
      'Ed448',
      '',
    ].map((alg): [string, Record<string, unknown>, string, RegExp] => [
      `alg ${alg} (OKTA-E31, RFC 8725 §3.1)`,
      { alg },
      'set.algorithm_refused',
      new RegExp(`alg is "${alg}"; we take RS256`),
    ]),
    ['no alg', { alg: undefined }, 'set.algorithm_refused', /alg is missing/],
    ['alg from the prototype', { alg: 'constructor' }, 'set.algorithm_refused', /"constructor"/],
    ['an alg in an array', { alg: ['RS256'] }, 'set.algorithm_refused', /an array/],
    ['a long alg', { alg: 'x'.repeat(5000) }, 'set.algorithm_refused', /^.{1,300}$/],
    ['no typ (SSF 1.0 §4.1.1)', { typ: undefined }, 'set.wrong_type', /typ is missing/],
    ['typ JWT', { typ: 'JWT' }, 'set.wrong_type', /typ is "JWT"; it must be secevent\+jwt/],
    ['typ logout+jwt', { typ: 'logout+jwt' }, 'set.wrong_type', /logout/],
    ['typ with a parameter', { typ: 'secevent+jwt; a=b' }, 'set.wrong_type', /secevent/],
    ['typ with another long s', { typ: '\u017Fecevent+jwt' }, 'set.wrong_type', /typ/],
    ['typ that is a number', { typ: 1 }, 'set.wrong_type', /typ is 1/],
    ['crit (RFC 7515 §4.1.11)', { crit: ['exp'], exp: 1 }, 'set.malformed', /header has crit/],
    ['an empty crit', { crit: [] }, 'set.malformed', /header has crit/],
    ['b64 false (RFC 7797 §7)', { b64: false, crit: ['b64'] }, 'set.malformed', /crit/],
    ['b64 without crit', { b64: true }, 'set.malformed', /header has b64/],
    ['zip', { zip: 'DEF' }, 'set.malformed', /header has zip/],
    ['enc', { enc: 'A128GCM' }, 'set.malformed', /header has enc/],
    ['no kid (OKTA-E32)', { kid: undefined }, 'set.malformed', /kid.*it is missing/],
    ['an empty kid', { kid: '' }, 'set.malformed', /kid/],
    ['a kid that is a number', { kid: 1 }, 'set.malformed', /kid.*it is 1/],
    ['a long kid', { kid: 'k'.repeat(1025) }, 'set.malformed', /kid.*1 to 1024/],
  ])('refuses %s, and names the claimed issuer', (_, header, code, detail) => {
    expect(refusal(signSet({ key, claims, header }))).toEqual({
      code,
      detail: expect.stringMatching(detail),
      facts: { iss: claims.iss, jti: claims.jti },
    })
  })

  test('an unsigned token is refused for its alg, not for its empty signature', () => {
    const [header, payload] = signSet({ key, claims, header: { alg: 'none' } }).split('.')
    expect(refusal(`${header}.${payload}.`)).toMatchObject({ code: 'set.algorithm_refused' })
  })
})

describe('parseToken: the claims', () => {
  test.each<[string, object, object]>([
    ['a fraction in iat', { iat: 1.5 }, { iat: 1.5 }],
    ['an old iat (OKTA-E43)', { iat: 0 }, { iat: 0 }],
    ['aud as array (SSF 1.0 §4.1.8)', { aud: ['a', 'b'] }, { aud: ['a', 'b'] }],
    ['an issuer that is no URL (OKTA-R24)', { iss: 'Issuer' }, { iss: 'Issuer' }],
    ['toe in seconds', { toe: 1_700_000_000 }, { toe: 1_700_000_000_000 }],
    ['toe in milliseconds', { toe: 1_700_000_000_123 }, { toe: 1_700_000_000_123 }],
    ['toe with a fraction', { toe: 1_700_000_000.5 }, { toe: 1_700_000_000_500 }],
    ['txn as text', { txn: 'a' }, { txn: 'a' }],
    ['txn as number, as in SSF’s samples', { txn: 8_675_309 }, { txn: '8675309' }],
    ['claims that say nothing to us (SSF 1.0 §4.2.3, OKTA-E44)', { nbf: 1, extra: { a: [] } }, {}],
    [
      'several events (OKTA-E47)',
      { events: { 'a:b': {}, 'urn:x:y': { z: 1 } } },
      { events: { 'a:b': {}, 'urn:x:y': { z: 1 } } },
    ],
    ['no sub_id', { sub_id: undefined }, { sub_id: undefined }],
    ...[null, '', [], {}].map((nothing): [string, object, object] => [
      `claims that say nothing: ${JSON.stringify(nothing)}`,
      { toe: nothing, txn: nothing, exp: nothing, sub: nothing, sub_id: nothing },
      { sub_id: undefined },
    ]),
    ['a txn that no double holds', { txn: 2 ** 60 }, { txn: '1152921504606847000' }],
    [
      'a number that no double holds in an event, as text',
      { events: { [revoked]: { id: 2 ** 60 } } },
      { events: { [revoked]: { id: '1152921504606847000' } } },
    ],
  ])('accepts %s', (_, given, read) => {
    const token = parseToken(signSet({ key, claims: { ...claims, ...given } }))
    expect(token.claims).toEqual({ ...claims, toe: undefined, txn: undefined, ...read })
  })

  const events = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`urn:x:${at}`, {}]))

  test.each<[string, object, string, RegExp]>([
    ['no iss (OKTA-E40)', { iss: undefined }, 'set.claim_invalid', /claim iss must be .*; it is missing/],
    ['an empty iss', { iss: '' }, 'set.claim_invalid', /claim iss/],
    ['an iss that is a number', { iss: 5 }, 'set.claim_invalid', /claim iss .* it is 5/],
    ['a long iss', { iss: 'i'.repeat(701) }, 'set.claim_invalid', /1 to 700/],
    ['no jti (OKTA-E42)', { jti: undefined }, 'set.claim_invalid', /claim jti/],
    ['an empty jti', { jti: '' }, 'set.claim_invalid', /claim jti/],
    ['a long jti', { jti: 'j'.repeat(1025) }, 'set.claim_invalid', /claim jti/],
    ['a jti that is an object', { jti: {} }, 'set.claim_invalid', /claim jti .* an object/],
    ['no iat (OKTA-E43)', { iat: undefined }, 'set.claim_invalid', /claim iat/],
    ['iat as text', { iat: '1700000000' }, 'set.claim_invalid', /claim iat must be a number/],
    ['a negative iat', { iat: -1 }, 'set.claim_invalid', /claim iat/],
    ['a null iat', { iat: null }, 'set.claim_invalid', /claim iat .* null/],
    ['no aud (OKTA-E10, OKTA-E41)', { aud: undefined }, 'set.claim_invalid', /claim aud .* it is missing/],
    ['an empty aud', { aud: '' }, 'set.claim_invalid', /claim aud/],
    ['an empty array in aud', { aud: [] }, 'set.claim_invalid', /claim aud/],
    ['a number in aud', { aud: ['a', 1] }, 'set.claim_invalid', /claim aud/],
    ['an aud that is null', { aud: null }, 'set.claim_invalid', /claim aud/],
    ['too many audiences', { aud: Array(audiencesMax + 1).fill('a') }, 'set.claim_invalid', /1 to 100/],
    [
      'exp (SSF 1.0 §4.1.7)',
      { exp: 2_000_000_000 },
      'set.claim_invalid',
      /must not have exp \(SSF 1\.0 §4\.1\.7\)/,
    ],
    [
      'a number that no double holds',
      { iat: 2 ** 60 },
      'set.claim_invalid',
      /claim iat .* it is "1152921504606847000"/,
    ],
    [
      'sub (SSF 1.0 §4.1.2)',
      { sub: 'ada' },
      'set.claim_invalid',
      /must not have sub \(SSF 1\.0 §4\.1\.2\).*sub_id/,
    ],
    ['toe as text', { toe: 'now' }, 'set.claim_invalid', /claim toe/],
    ['toe after the year 9999', { toe: 1e15 }, 'set.claim_invalid', /claim toe/],
    ['a negative toe', { toe: -5 }, 'set.claim_invalid', /claim toe/],
    ['txn as object', { txn: { a: 1 } }, 'set.claim_invalid', /claim txn/],
    ['a long txn', { txn: 't'.repeat(1025) }, 'set.claim_invalid', /claim txn/],
    [
      'no events (OKTA-E45, OKTA-E46)',
      { events: undefined, [revoked]: {} },
      'set.claim_invalid',
      /claim events/,
    ],
    ['events as array', { events: [revoked] }, 'set.claim_invalid', /claim events/],
    ['no event in events (SSF-C2)', { events: {} }, 'set.claim_invalid', /1 to 50 events; it holds 0/],
    ['too many events', { events: events(eventsMax + 1) }, 'set.claim_invalid', /it holds 51/],
    [
      'an event that is null (RFC 8417 §2.2)',
      { events: { [revoked]: null } },
      'set.claim_invalid',
      /session-revoked is not a JSON object/,
    ],
    ['an event that is an array', { events: { [revoked]: [] } }, 'set.claim_invalid', /not a JSON object/],
    ['an event that is text', { events: { [revoked]: 'x' } }, 'set.claim_invalid', /not a JSON object/],
    [
      'an event type that is no URI (RFC 8417 §2.2)',
      { events: { 'session-revoked': {} } },
      'set.claim_invalid',
      /"session-revoked" is not an absolute URI/,
    ],
    ['an event type that is a relative URI', { events: { '/a:b': {} } }, 'set.claim_invalid', /absolute URI/],
    [
      'an event type with nothing behind its scheme',
      { events: { 'urn:': {} } },
      'set.claim_invalid',
      /absolute URI/,
    ],
    ['an event type with a space', { events: { 'urn:a b': {} } }, 'set.claim_invalid', /absolute URI/],
    ['an empty event type', { events: { '': {} } }, 'set.claim_invalid', /absolute URI/],
    [
      'a long event type',
      { events: { [`urn:${'x'.repeat(1024)}`]: {} } },
      'set.claim_invalid',
      /absolute URI/,
    ],
    ['a bad sub_id', { sub_id: { format: 'email' } }, 'set.subject_invalid', /sub_id is of format email/],
    ['a sub_id that is no object', { sub_id: 0 }, 'set.subject_invalid', /sub_id is not a JSON object/],
  ])('refuses %s', (_, given, code, detail) => {
    expect(refusal(signSet({ key, claims: { ...claims, ...given } }))).toMatchObject({
      code,
      detail: expect.stringMatching(detail),
    })
  })

  test('a refusal carries the claimed issuer and jti, shortened, and only if they are text', () => {
    const long = { ...claims, iss: 'i'.repeat(1000), jti: 5 }
    expect(refusal(signSet({ key, claims: long }))).toMatchObject({ facts: { iss: 'i'.repeat(256) } })
    expect(refusal(signSet({ key, claims: '{"jti":"only-a-jti"}' }))).toMatchObject({
      facts: { jti: 'only-a-jti' },
    })
    expect(refusal('a.b.c')).toMatchObject({ facts: {} })
  })
})

describe('property: parseToken returns or throws a ReceiverError', () => {
  test('for any text and any bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array()), (body) => {
        expect(() => refusal(body)).not.toThrow()
      }),
      { numRuns: propertyRuns(100) },
    )
  })

  test('for any JSON in three parts', () => {
    const header = '{"alg":"RS256","typ":"secevent+jwt","kid":"a"}'
    const part = fc.oneof(fc.json(), fc.constantFrom(JSON.stringify(claims), header))
    const encoded = part.map((text) => Buffer.from(text).toString('base64url'))
    fc.assert(
      fc.property(encoded, encoded, (header, payload) => {
        expect(() => refusal(`${header}.${payload}.AAAA`)).not.toThrow()
      }),
      { numRuns: propertyRuns(100) },
    )
  })

  test('for a sound token with any claim replaced or added', () => {
    const name = fc.constantFrom(...Object.keys(claims), 'toe', 'txn', 'exp', 'sub')
    fc.assert(
      fc.property(name, fc.jsonValue(), (name, value) => {
        const compact = signSet({ key, claims: { ...claims, [name]: value } })
        expect(() => refusal(compact)).not.toThrow()
      }),
      { numRuns: propertyRuns(50) },
    )
  })

  test('for a sound token with any byte changed', () => {
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), (at, byte) => {
        const mutated = Buffer.from(sound)
        mutated[at] = byte
        expect(() => refusal(mutated)).not.toThrow()
      }),
      { numRuns: propertyRuns(100) },
    )
  })
})
