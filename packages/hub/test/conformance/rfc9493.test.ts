// The example subject identifiers of RFC 9493 §3.2 and §4, and those of SSF 1.0 §3.
import { describe, expect, test } from 'vitest'
import { parseToken, generateSigningKey, signSet, readSubjectIdentifier } from '@watchbell/receiver/set'

describe('RFC 9493 §3.2 and SSF 1.0 §3: every example is read, and stays what it was', () => {
  test.each([
    [{ format: 'account', uri: 'acct:example.user@service.example.com' }],
    [{ format: 'email', email: 'user@example.com' }],
    [{ format: 'iss_sub', iss: 'https://issuer.example.com/', sub: '145234573' }],
    [{ format: 'opaque', id: '11112222333344445555' }],
    [{ format: 'phone_number', phone_number: '+12065550100' }],
    [{ format: 'phone_number', phone_number: '+1 206 555 0123' }],
    [{ format: 'did', url: 'did:example:123456' }],
    [{ format: 'did', url: 'did:example:123456/did/url/path?versionId=1' }],
    [{ format: 'uri', uri: 'https://user.example.com/' }],
    [{ format: 'uri', uri: 'urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f' }],
    [
      {
        format: 'aliases',
        identifiers: [
          { format: 'email', email: 'user@example.com' },
          { format: 'phone_number', phone_number: '+12065550100' },
          { format: 'email', email: 'user+qualifier@example.com' },
        ],
      },
    ],
    [
      {
        format: 'jwt_id',
        iss: 'https://idp.example.com/123456789/',
        jti: 'B70BA622-9515-4353-A866-823539EECBC8',
      },
    ],
    [
      {
        format: 'saml_assertion_id',
        issuer: 'https://idp.example.com/123456789/',
        assertion_id: '_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6',
      },
    ],
    [{ format: 'ip-addresses', 'ip-addresses': ['10.29.37.75', '2001:0db8:0000:0000:0000:8a2e:0370:7334'] }],
    [
      {
        format: 'complex',
        user: { format: 'email', email: 'bar@example.com' },
        tenant: { format: 'iss_sub', iss: 'https://example.com/idp1', sub: '1234' },
      },
    ],
    [{ format: 'catalog_item', catalog_id: 'c0384/winter/2354122' }],
  ])('%j', (subject) => {
    expect(readSubjectIdentifier(subject, 'sub_id')).toEqual(subject)
  })
})

const key = await generateSigningKey('EdDSA')
const claims = {
  iss: 'issuer.example.com',
  iat: 1_508_184_845,
  aud: 'aud.example.com',
  jti: 'jti-1',
  events: { 'https://secevent.example.com/events/account-enabled': {} },
}

test('§4.2: sub_id whose issuer is not that of the token is taken', () => {
  const sub_id = { format: 'iss_sub', iss: 'https://issuer.example.com/', sub: 'abc123' }
  expect(parseToken(signSet({ key, claims: { ...claims, sub_id } })).claims.sub_id).toEqual(sub_id)
})

test('§4.1: sub beside sub_id is allowed to JWTs, but not to SETs of SSF (SSF 1.0 §4.1.2)', () => {
  const both = { ...claims, sub: 'user@example.com', sub_id: { format: 'email', email: 'user@example.com' } }
  expect(() => parseToken(signSet({ key, claims: both }))).toThrow(
    expect.objectContaining({ code: 'set.claim_invalid' }),
  )
})
