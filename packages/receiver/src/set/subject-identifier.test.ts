import { fc, propertyRuns } from '../../test/properties.ts'
import { describe, expect, test } from 'vitest'
import { isReceiverError } from '../base/receiver-error.ts'
import type { JsonValue } from '../base/json.ts'
import {
  aliasIdentifiersMax,
  complexMembersMax,
  identifierCharsMax,
  isProprietary,
  readSubjectIdentifier,
  subjectTermCharsMax,
  subjectTerms,
  subjectTermsMax,
} from './subject-identifier.ts'

const ada = { format: 'email', email: 'Ada@Example.com' }
const laptop = { format: 'opaque', id: 'laptop-1' }
const many = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ format: 'opaque', id: `id-${at}` }))
const named = (count: number) => Object.fromEntries(many(count).map((each, at) => [`member_${at}`, each]))

describe('readSubjectIdentifier', () => {
  test.each<[string, JsonValue, unknown]>([
    ['members the format does not describe (SSF-C1)', { ...ada, name: 'Ada', id: 5 }, ada],
    ['a phone number with spaces', phone('+1 206 555 0123'), phone('+1 206 555 0123')],
    [
      'an issuer that is not the token’s (RFC 9493 §4.2)',
      issSub('https://other.example', 'a'),
      issSub('https://other.example', 'a'),
    ],
    [
      'an address with a quoted local part',
      { format: 'email', email: '"a b@c"@d.e' },
      { format: 'email', email: '"a b@c"@d.e' },
    ],
    ['format beside subject_type (RISC 1.0 §3.1)', { ...ada, subject_type: 'email' }, ada],
    [
      'a proprietary format (SSF 1.0 §3.4)',
      { format: 'x-badge', no: 7, at: [1] },
      { format: 'x-badge', no: 7, at: [1] },
    ],
    ['`phone`, which is not registered', { format: 'phone', phone: '+1' }, { format: 'phone', phone: '+1' }],
    [
      'a format in another letter case as proprietary',
      { format: 'Email', email: 5 },
      { format: 'Email', email: 5 },
    ],
    ['Okta’s formatless user (OKTA-E76)', { user: ada }, { format: 'complex', user: ada }],
    [
      'Okta’s formatless user and device (OKTA-E75, OKTA-E77)',
      { user: ada, device: laptop },
      { format: 'complex', user: ada, device: laptop },
    ],
    [
      'Okta’s device whose id is called sub (OKTA-E77)',
      { device: { format: 'opaque', sub: 'd1' } },
      { format: 'complex', device: { format: 'opaque', id: 'd1' } },
    ],
    ['`id` before `sub`', { format: 'opaque', id: 'a', sub: 'b' }, { format: 'opaque', id: 'a' }],
    ['a formatless tenant', { tenant: laptop }, { format: 'complex', tenant: laptop }],
    [
      'a complex subject with a further name',
      { format: 'complex', badge: laptop, note: 'x' },
      { format: 'complex', badge: laptop },
    ],
    [
      'aliases in a complex subject',
      { format: 'complex', user: { format: 'aliases', identifiers: [ada] } },
      { format: 'complex', user: { format: 'aliases', identifiers: [ada] } },
    ],
    [
      'a member called toString',
      { format: 'complex', toString: laptop },
      { format: 'complex', toString: laptop },
    ],
    ['IPv4 and IPv6 addresses', ips('203.0.113.7', '2001:db8::1'), ips('203.0.113.7', '2001:db8::1')],
    [
      'identifiers up to the limit',
      opaque('x'.repeat(identifierCharsMax)),
      opaque('x'.repeat(identifierCharsMax)),
    ],
    [
      'as many aliases as allowed',
      { format: 'aliases', identifiers: many(aliasIdentifiersMax) },
      { format: 'aliases', identifiers: many(aliasIdentifiersMax) },
    ],
    [
      'members and a format that say nothing',
      { format: null, subject_type: null, user: ada, device: null, session: '', tenant: {} },
      { format: 'complex', user: ada },
    ],
    [
      'as many members as allowed',
      { format: 'complex', ...named(complexMembersMax) },
      { format: 'complex', ...named(complexMembersMax) },
    ],
  ])('accepts %s', (_, value, subject) => {
    expect(readSubjectIdentifier(value, 'sub_id')).toEqual(subject)
  })

  test.each<[string, JsonValue, RegExp]>([
    ['null', null, /sub_id is not a JSON object/],
    ['a complex subject with members of null alone', { format: 'complex', user: null }, /names no user/],
    ['a member that is no object', { format: 'complex', user: ada, device: 5 }, /sub_id\.device is not/],
    ['a string', 'ada@example.com', /not a JSON object/],
    ['an array', [ada], /not a JSON object/],
    ['an empty object', {}, /has no `format`/],
    ['an empty format', { format: '' }, /has no `format`/],
    ['a format that is a number', { format: 1 }, /has no `format`/],
    ['iss and sub without format', { iss: 'https://a', sub: 'b' }, /has no `format`/],
    [
      'Google’s older form (RISC 1.0 §3.1)',
      { subject_type: 'iss-sub', iss: 'a', sub: 'b' },
      /`subject_type`.*`format`.*google-risc/,
    ],
    ['an email without address', { format: 'email' }, /email and needs `email`/],
    ['an empty email', { format: 'email', email: '' }, /needs `email`/],
    ['an email that is a number', { format: 'email', email: 5 }, /needs `email`/],
    ['an email without domain', { format: 'email', email: 'ada@' }, /no address/],
    ['an email without user', { format: 'email', email: '@example.com' }, /no address/],
    ['an email without @', { format: 'email', email: 'ada' }, /no address/],
    ['an email with a space in the domain', { format: 'email', email: 'ada@exa mple.com' }, /no address/],
    ['iss_sub without sub', { format: 'iss_sub', iss: 'a' }, /iss_sub and needs `sub`/],
    ['iss_sub with an empty iss', issSub('', 'b'), /needs `iss`/],
    ['opaque without id', { format: 'opaque' }, /needs `id`/],
    ['opaque with a null id', { format: 'opaque', id: null }, /needs `id`/],
    ['account without uri', { format: 'account' }, /needs `uri`/],
    ['did without url', { format: 'did', did: 'did:example:1' }, /needs `url`/],
    ['uri without uri', { format: 'uri', url: 'a:b' }, /needs `uri`/],
    ['phone_number called phone', { format: 'phone_number', phone: '+1' }, /needs `phone_number`/],
    ['jwt_id without jti', { format: 'jwt_id', iss: 'a' }, /needs `jti`/],
    [
      'saml_assertion_id without issuer',
      { format: 'saml_assertion_id', assertion_id: 'a' },
      /needs `issuer`/,
    ],
    ['no ip addresses', ips(), /non-empty array/],
    ['ip addresses under another name', { format: 'ip-addresses', ip_addresses: ['::1'] }, /non-empty array/],
    ['a host name for an ip address', ips('::1', 'example.com'), /no IP address at ip-addresses\[1\]/],
    ['too many ip addresses', ips(...Array<string>(51).fill('::1')), /more than 50/],
    ['no aliases (RFC 9493 §3.2.8)', { format: 'aliases', identifiers: [] }, /non-empty array/],
    ['aliases that are no array', { format: 'aliases', identifiers: ada }, /non-empty array/],
    [
      'aliases in aliases (RFC 9493 §3.2.8)',
      { format: 'aliases', identifiers: [ada, { format: 'aliases', identifiers: [ada] }] },
      /sub_id\.identifiers\[1\].*aliases inside aliases/,
    ],
    [
      'a complex subject in aliases',
      { format: 'aliases', identifiers: [{ format: 'complex', user: ada }] },
      /is complex where/,
    ],
    [
      'a bad alias',
      { format: 'aliases', identifiers: [ada, { format: 'email' }] },
      /sub_id\.identifiers\[1\]/,
    ],
    ['too many aliases', { format: 'aliases', identifiers: many(aliasIdentifiersMax + 1) }, /more than 50/],
    ['a complex subject without members', { format: 'complex' }, /names no user/],
    ['a complex subject with text only', { format: 'complex', note: 'x' }, /names no user/],
    [
      'a complex subject with a user that is text',
      { format: 'complex', user: 'ada' },
      /sub_id\.user is not a JSON object/,
    ],
    [
      'complex in complex',
      { format: 'complex', user: { format: 'complex', user: ada } },
      /sub_id\.user is complex where/,
    ],
    ['a bad member', { format: 'complex', user: ada, device: { format: 'opaque' } }, /sub_id\.device .*`id`/],
    [
      'Okta’s form with a user without format',
      { user: { email: 'ada@example.com' } },
      /sub_id\.user has no `format`/,
    ],
    ['too many members', { format: 'complex', ...named(complexMembersMax + 1) }, /more than 20/],
    ['an identifier over the limit', opaque('x'.repeat(identifierCharsMax + 1)), /longer than 2048/],
    [
      'a proprietary member over the limit',
      { format: 'x', a: 'x'.repeat(identifierCharsMax + 1) },
      /longer than 2048/,
    ],
  ])('refuses %s', (_, value, detail) => {
    expect(() => readSubjectIdentifier(value, 'sub_id')).toThrow(
      expect.objectContaining({ code: 'set.subject_invalid', detail: expect.stringMatching(detail) }),
    )
  })

  const plain = fc.oneof(
    fc.record({ format: fc.constant('email'), email: fc.emailAddress() }),
    fc.record({ format: fc.constantFrom('opaque', 'x-ours'), id: fc.string({ minLength: 1 }) }),
    fc.record({
      format: fc.constant('ip-addresses'),
      'ip-addresses': fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { minLength: 1 }),
    }),
  )
  const anySubject = fc.oneof(
    plain,
    fc.record({ format: fc.constant('aliases'), identifiers: fc.array(plain, { minLength: 1 }) }),
    fc.record({ user: plain, device: plain }),
    fc.record({ format: fc.constant('complex'), session: plain, badge: plain }),
  )

  test('property: a result is plain JSON that reads as the same again, and has terms', () => {
    fc.assert(
      fc.property(anySubject, (value) => {
        const subject = readSubjectIdentifier(value, 'sub_id')
        expect(readSubjectIdentifier(JSON.parse(JSON.stringify(subject)), 'sub_id')).toEqual(subject)
        expect(subjectTerms(subject).length).toBeGreaterThan(0)
      }),
    )
  })

  test('property: any JSON is read or refused with a ReceiverError', () => {
    const shaped = fc.dictionary(
      fc.constantFrom('format', 'identifiers', 'user', 'device', 'id', 'email', 'iss', 'sub', 'ip-addresses'),
      fc.oneof(fc.constantFrom('complex', 'aliases', 'email', 'opaque', 'ip-addresses'), fc.jsonValue()),
    )
    fc.assert(
      fc.property(fc.oneof(shaped, fc.jsonValue()), (value) => {
        try {
          const terms = subjectTerms(readSubjectIdentifier(JSON.parse(JSON.stringify(value)), 'sub_id'))
          expect(terms.length).toBeLessThanOrEqual(subjectTermsMax)
        } catch (error) {
          if (!isReceiverError(error, 'set.subject_invalid')) throw error
        }
      }),
      { numRuns: propertyRuns(100) },
    )
  })
})

describe('subjectTerms', () => {
  test.each<[JsonValue, readonly string[]]>([
    [ada, ['ada@example.com']],
    [issSub('https://a', 'User-1'), ['User-1']],
    [opaque('Id'), ['Id']],
    [phone('+12065550100'), ['+12065550100']],
    [{ format: 'account', uri: 'acct:Ada@example.com' }, ['acct:Ada@example.com']],
    [{ format: 'uri', uri: 'https://a/b' }, ['https://a/b']],
    [{ format: 'did', url: 'did:example:123' }, ['did:example:123']],
    [{ format: 'jwt_id', iss: 'https://a', jti: 'j' }, ['j']],
    [{ format: 'saml_assertion_id', issuer: 'https://a', assertion_id: '_1' }, ['_1']],
    [ips('::1', '127.0.0.1', '::1'), ['::1', '127.0.0.1']],
    [{ format: 'x-badge', no: 7, owner: 'Ada', site: '', at: ['x'] }, ['Ada']],
    [{ format: 'x-badge' }, []],
    [{ user: ada, device: laptop }, ['ada@example.com', 'laptop-1']],
    [{ format: 'aliases', identifiers: [ada, ada, opaque('a')] }, ['ada@example.com', 'a']],
    [
      { format: 'complex', user: { format: 'aliases', identifiers: [ada, opaque('a')] }, group: opaque('g') },
      ['ada@example.com', 'a', 'g'],
    ],
    [opaque('x'.repeat(300)), ['x'.repeat(subjectTermCharsMax)]],
    [opaque('x'.repeat(255) + '😀'), ['x'.repeat(255) + '\uFFFD']],
  ])('of %.80j', (value, terms) => {
    expect(subjectTerms(readSubjectIdentifier(value, 'sub_id'))).toEqual(terms)
  })

  test('are bounded in number', () => {
    const subject = readSubjectIdentifier(
      { format: 'aliases', identifiers: many(aliasIdentifiersMax) },
      'sub_id',
    )
    expect(subjectTerms(subject)).toHaveLength(subjectTermsMax)
  })
})

test('isProprietary distinguishes agreed formats from registered ones', () => {
  expect(isProprietary(readSubjectIdentifier({ format: 'x-badge' }, 'sub_id'))).toBe(true)
  expect(isProprietary(readSubjectIdentifier({ format: 'constructor' }, 'sub_id'))).toBe(true)
  for (const value of [ada, { user: ada }, { format: 'aliases', identifiers: [ada] }]) {
    expect(isProprietary(readSubjectIdentifier(value, 'sub_id'))).toBe(false)
  }
})

function opaque(id: string) {
  return { format: 'opaque', id }
}
function phone(number: string) {
  return { format: 'phone_number', phone_number: number }
}
function issSub(iss: string, sub: string) {
  return { format: 'iss_sub', iss, sub }
}
function ips(...addresses: string[]) {
  return { format: 'ip-addresses', 'ip-addresses': addresses }
}
