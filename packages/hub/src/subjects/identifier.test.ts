import { describe, expect, test } from 'vitest'
import { readSubjectIdentifier, type SimpleSubject } from '@watchbell/receiver/set'
import {
  addressIdentifier,
  identifiersOf,
  askedOf,
  bareOf,
  loginIdentifier,
  mainIdentifier,
  scopeOf,
  valueOf,
} from './identifier.ts'
import { canonicalAddress } from './address.ts'
import { normaliseEmail } from './email.ts'

const issuer = 'https://mdm.example'
const identifiers = (subject: object, kind = 'user') =>
  identifiersOf(
    readSubjectIdentifier(JSON.parse(JSON.stringify(subject)), 'subject') as SimpleSubject,
    kind,
    issuer,
  ) // simple ones

describe('email addresses that are the same', () => {
  test.each([
    ['ada@example.com', 'ada@example.com'],
    ['ADA@Example.COM', 'ada@example.com'],
    ['ada@example.com.', 'ada@example.com'],
    ['Ada@BÜCHER.example', 'ada@xn--bcher-kva.example'],
    ['ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'],
    ['ada@bu\u0308cher.example', 'ada@xn--bcher-kva.example'],
    ['e\u0301va@example.com', '\u00e9va@example.com'],
    ['\u0130da@example.com', 'i\u0307da@example.com'],
    ['A.d.a+news@example.com', 'a.d.a+news@example.com'],
    ['"a@b"@Example.com', '"a@b"@example.com'],
    ['ada@[192.0.2.1]', 'ada@[192.0.2.1]'],
    ['ada@0x7f.1', 'ada@0x7f.1'],
    ['ada@exa mple', 'ada@exa mple'],
    ['@example.com', '@example.com'],
    ['ada@', 'ada@'],
    ['Ada', 'ada'],
  ])('%j is %j', (written, canonical) => {
    expect(normaliseEmail(written)).toBe(canonical)
    expect(normaliseEmail(canonical)).toBe(canonical)
  })
})

describe('addresses', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::1', '::1'],
  ])('%s is %s', (written, canonical) => expect(canonicalAddress(written)).toBe(canonical))

  test.each([
    '',
    '1.2.3',
    '010.0.0.1',
    '1.2.3.4:80',
    '[::1]',
    '10.0.0.0/8',
    'fe80::1%eth0',
    '0x7f.0.0.1',
    '256.1.1.1',
    ' 1.2.3.4',
    'x',
  ])('%j is none', (written) => {
    expect(canonicalAddress(written)).toBeUndefined()
    expect(addressIdentifier(written)).toBeUndefined()
    expect(askedOf('address', written)).toBeUndefined()
  })
})

describe('identifiers of subjects', () => {
  test.each([
    [{ format: 'email', email: 'ADA@example.com' }, 'user:email:ada@example.com'],
    [{ format: 'iss_sub', iss: 'https://idp.example', sub: 'A|1' }, 'user:iss_sub:https://idp.example|A|1'],
    [{ format: 'iss_sub', iss: 'a|b%', sub: '1' }, 'user:iss_sub:a%7Cb%25|1'],
    [{ format: 'opaque', id: '42' }, 'user:opaque:https://mdm.example|42'],
    [{ format: 'phone_number', phone_number: 'tel:+1 (555) 12-34' }, 'user:phone:+15551234'],
    [{ format: 'account', uri: 'ACCT:Ada@Example.com' }, 'user:account:acct:Ada@example.com'],
    [{ format: 'did', url: 'did:x:Y' }, 'user:did:did:x:Y'],
    [{ format: 'uri', uri: 'urn:x:Y' }, 'user:uri:urn:x:Y'],
    [{ format: 'jwt_id', iss: 'i', jti: 'j' }, 'user:jwt_id:i|j'],
    [{ format: 'saml_assertion_id', issuer: 'i', assertion_id: 'j' }, 'user:saml_assertion_id:i|j'],
  ])('%j', (subject, identifier) => expect(identifiers(subject)).toEqual([identifier]))

  test('issuer and id cannot be mistaken for each other', () => {
    expect(identifiers({ format: 'iss_sub', iss: 'a', sub: 'b|c' })).not.toEqual(
      identifiers({ format: 'iss_sub', iss: 'a|b', sub: 'c' }),
    )
  })

  test('several addresses, in their one form, each once', () => {
    const addresses = { format: 'ip-addresses', 'ip-addresses': ['::ffff:1.2.3.4', '1.2.3.4', '::1'] }
    expect(identifiers(addresses)).toEqual(['address:1.2.3.4', 'address:::1'])
  })

  test('aliases: all of them, or none when one cannot be read', () => {
    const email = { format: 'email', email: 'ada@example.com' }
    const id = { format: 'opaque', id: '1' }
    expect(identifiers({ format: 'aliases', identifiers: [id, email, email] })).toEqual([
      'user:email:ada@example.com',
      'user:opaque:https://mdm.example|1',
    ])
    expect(
      identifiers({ format: 'aliases', identifiers: [email, { format: 'x-ours', id: '1' }] }),
    ).toBeUndefined()
  })

  test('taken apart again', () => {
    const [identifier = ''] = identifiers({ format: 'iss_sub', iss: 'a|b%', sub: 'c|d' }) ?? []
    expect([valueOf(identifier), scopeOf(identifier), bareOf(identifier)]).toEqual([
      'c|d',
      'a|b%',
      'user:c|d',
    ])
    expect([valueOf('address:::1'), scopeOf('address:::1'), bareOf('address:::1')]).toEqual([
      '::1',
      undefined,
      undefined,
    ])
    expect(bareOf('user:email:a@b')).toBeUndefined()
  })

  test('a statement is kept with the most lasting name', () => {
    const names = ['user:email:a@b', 'user:phone:+1', 'user:opaque:x|1', 'user:uri:u']
    expect(mainIdentifier(names)).toBe('user:opaque:x|1')
    expect(mainIdentifier(names.toReversed())).toBe('user:opaque:x|1')
    expect(mainIdentifier([...names, loginIdentifier('Ada')])).toBe('user:login:ada')
  })
})
