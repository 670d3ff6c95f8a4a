import { describe, expect, test } from 'vitest'
import { printable } from '@watchbell/receiver/base'
import { kindOf } from './identifier.ts'
import { createEraser, createSharedEraser, looksOf, type ErasureNames } from './erasure.ts'

const issuer = 'https://idp.example'
const eraser = createEraser({
  pseudonym: 'erased-1',
  identifiers: [
    'user:email:ada@xn--bcher-kva.example',
    'user:opaque:https://idp.example|42',
    'user:phone:+15551234',
    'device:opaque:https://idp.example|d7',
    'user:login:jo',
  ],
  ids: ['sub1'],
  displayName: 'Ada King',
})
const erased = (value: unknown, from = issuer): unknown => {
  const text = JSON.stringify(value)
  const result = eraser.json(text, from)
  if (result !== undefined) expect(eraser.maySee(looksOf(text))).toBe(true)
  return result === undefined ? undefined : JSON.parse(result)
}

describe('what names the person goes', () => {
  test.each<[unknown, unknown]>([
    [{ email: 'ADA@bücher.example' }, { email: 'erased-1' }],
    [['mail of ada@BÜCHER.example, read'], ['mail of erased-1, read']],
    [
      { format: 'opaque', id: '42' },
      { format: 'opaque', id: 'erased-1' },
    ],
    [
      { s: { format: 'opaque', id: '42' }, who: 'Ada King' },
      { s: { format: 'opaque', id: 'erased-1' }, who: 'erased-1' },
    ],
    ['{"user":{"format":"opaque","id":"42"}}', '{"user":{"format":"opaque","id":"erased-1"}}'],
    [
      { 'ada@bücher.example': 1, x: '+15551234' },
      { 'erased-1': 1, x: 'erased-1' },
    ],
    [
      { format: 'phone_number', phone_number: '+1 555-12 34' },
      { format: 'phone_number', phone_number: 'erased-1' },
    ],
    [['call +1 (555) 12.34 now'], ['call erased-1 now']],
    [['call +1\t555\n1234 now'], ['call erased-1 now']],
    ['["+1\\t5551234"]', '["erased-1"]'],
    [
      { device: { format: 'opaque', id: 'd7' }, alternateId: 'evasive' },
      { device: { format: 'opaque', id: 'erased-1' }, alternateId: 'evasive' },
    ],
    [
      { actor: { id: 'sub1', alternateId: 'jo', displayName: 'jo' }, ip: '203.0.113.7' },
      { actor: { id: 'sub1', alternateId: 'erased-1', displayName: 'erased-1' }, ip: '203.0.113.7' },
    ],
    [{ x: { 'Ada@bücher.example': 1 } }, { x: { 'erased-1': 1 } }],
  ])('%j', (value, expected) => expect(erased(value)).toEqual(expected))

  test.each([
    'ada@ｂüｃｈｅｒ.example',
    'ada@bücher。example',
    'ada@b\u{AD}ücher.example',
    'ADA@bu\u{308}cher．EXAMPLE',
    'ada@XN--bcher-kva.ｅｘａｍｐｌｅ',
  ])('an address, however it is written: %s', (address) => {
    expect(erased({ format: 'email', email: address })).toEqual({ format: 'email', email: 'erased-1' })
    expect(erased({ data: JSON.stringify({ note: `mail of "${address}", read` }) })).toEqual({
      data: JSON.stringify({ note: 'mail of "erased-1", read' }),
    })
    expect(eraser.plain(`the subject is narrowed by '${printable(address, 64)}', it says`)).toBe(
      `the subject is narrowed by 'erased-1', it says`,
    )
    expect(eraser.plain(`${address} or ada@ｂ.example or ${address}さん`)).toBe(
      'erased-1 or ada@ｂ.example or erased-1さん',
    )
  })

  test.each<[identifier: string, written: string]>([
    ['user:login:i\u{307}stanbul', 'İSTANBUL'],
    ['user:login:i\u{307}stanbul@example.com', 'İstanbul@example.com'],
    ['user:email:\u{1F0}oan@example.com', 'J\u{30C}oan@example.com'],
    ['user:email:\u{1F0}oan@example.com', 'J\u{30C}oan@ｅｘａｍｐｌｅ.com'],
    ['user:email:"a\\b"@example.com', '"A\\b"@ｅｘａｍｐｌｅ.com'],
    ['address:2001:db8::1', '2001:0DB8:0:0:0::1'],
    ['address:203.0.113.7', '::ffff:cb00:7107'],
    ['user:login:jo@a.bc', 'JO@ａ.bc'],
  ])('%s is erased from %s', (identifier, written) => {
    const one = createEraser({ pseudonym: 'erased-2', identifiers: [identifier], displayName: undefined })
    const kind = kindOf(identifier)
    const named =
      kind === 'address'
        ? { format: 'ip-addresses', 'ip-addresses': [written] }
        : { format: 'email', email: written }
    const about = { note: { user: written }, named, text: JSON.stringify({ named }) }
    const text = JSON.stringify(about)
    expect(one.maySee(looksOf(text))).toBe(true)
    expect(one.json(text, issuer)).not.toContain(JSON.stringify(written).slice(1, -1))
    if (kind !== 'address') expect(one.plain(`for ${written}, say`)).toBe('for erased-2, say')
  })

  test.each([
    'ada%40b%C3%BCcher.example',
    'ada%40b%c3%bccher.example',
    '%61%64%61@b%c3%BCcher%2Eexample',
    '%41DA%40BU%CC%88CHER.example',
    'ada%40xn--bcher-kva.example',
    'ada%2540b%25C3%25bccher.example',
    'ada%2540b%C3%BCcher%252eexample',
    '%2561da%40b%25c3%25bccher.example',
    'ada%40b%FCcher.example',
    'Ada%20King',
    'Ada+King',
    'Ada%2520%4bing',
    '%2B1%20555%201234',
    '%2b1%28555%291234',
  ])('in percent-encoding: %s', (name) => {
    const url = `https://app.example/a%20b?user=${name}&next=%2Fhome#x`
    expect(erased({ url })).toEqual({ url: 'https://app.example/a%20b?user=erased-1&next=%2Fhome#x' })
    expect(erased({ text: JSON.stringify({ url }) })).toEqual({
      text: JSON.stringify({ url: 'https://app.example/a%20b?user=erased-1&next=%2Fhome#x' }),
    })
    expect(eraser.plain(`seen at ${url}, twice`)).toBe(
      'seen at https://app.example/a%20b?user=erased-1&next=%2Fhome#x, twice',
    )
    expect(eraser.plain(name)).toBe('erased-1')
    expect(eraser.plain(encodeURIComponent(`mail=${decodeURIComponent('ada%40')}bücher.example&x`))).toBe(
      'mail=erased-1&x',
    )
  })

  test('short names in percent-encoding go where they stand alone, as short names do', () => {
    const named = { format: 'opaque', id: '42' }
    expect(erased({ named, who: '%6a%4F', what: 'a%20job' })).toEqual({
      named: { format: 'opaque', id: 'erased-1' },
      who: 'erased-1',
      what: 'a%20job',
    })
    expect(erased({ url: 'https://app.example/?q=100%25&u=bob%40b%C3%BCcher.example' })).toBeUndefined()
  })

  test('also from plain text', () => {
    expect(eraser.plain('for ada@bücher.example.')).toBe('for erased-1.')
    expect(eraser.plain('for bob@example.com')).toBeUndefined()
  })
})

describe('what does not stays', () => {
  test.each([
    [{ email: 'bob@example.com' }],
    [{ count: '42' }],
    [{ phone: '+1 555 12 35' }],
    [{ device: { format: 'opaque', id: 'd8' } }],
    [{ format: 'no such', id: '42' }],
    [{ format: 'opaque', id: 42 }],
    [{ actor: { id: 'sub2', alternateId: 'jo', displayName: 'jo' } }],
    [{ format: 'iss_sub', iss: issuer, sub: '42' }],
    [null],
    [7],
  ])('%j', (value) => expect(erased(value)).toBeUndefined())

  test('the same opaque id of another issuer, wherever the issuer is told', () => {
    expect(erased({ format: 'opaque', id: '42' }, 'https://other.example')).toBeUndefined()
    const report = (issuer: string) => ({
      data: JSON.stringify({ issuer, event: { subject: { format: 'opaque', id: '42' } } }),
    })
    expect(erased(report(issuer), '')).toBeDefined()
    expect(erased(report('https://other.example'), '')).toBeUndefined()
  })
})

describe('several people at once', () => {
  const people: readonly ErasureNames[] = [
    {
      pseudonym: 'erased-a',
      identifiers: ['user:email:ada@example.com', 'user:login:jo'],
      displayName: 'Ada King',
    },
    {
      pseudonym: 'erased-b',
      identifiers: ['user:email:bob@example.com', 'user:login:bo'],
      displayName: undefined,
    },
    {
      pseudonym: 'erased-c',
      identifiers: ['user:phone:+15551234', 'user:opaque:https://idp.example|42'],
      displayName: undefined,
    },
    { pseudonym: 'erased-d', identifiers: ['address:2001:db8::1'], displayName: undefined },
    { pseudonym: 'erased-e', identifiers: ['address:203.0.113.7'], displayName: undefined },
  ]
  const shared = createSharedEraser(people)

  test.each<[value: unknown, expected: unknown, whose: readonly number[]]>([
    [{ email: 'ADA@example.com' }, { email: 'erased-a' }, [0]],
    [['ada@example.com wrote to Bob@example.com'], ['erased-a wrote to erased-b'], [0, 1]],
    [{ e: 'bob@example.com', who: 'jo', by: 'bo' }, { e: 'erased-b', who: 'jo', by: 'erased-b' }, [1]],
    [{ format: 'opaque', id: '42' }, { format: 'opaque', id: 'erased-c' }, [2]],
    [['call +1 555 12-34'], ['call erased-c'], [2]],
    [
      { format: 'ip-addresses', 'ip-addresses': ['2001:0DB8:0:0:0::1', '::ffff:cb00:7107', '198.51.100.1'] },
      { format: 'ip-addresses', 'ip-addresses': ['erased-d', 'erased-e', '198.51.100.1'] },
      [3, 4],
    ],
  ])('%j', (value, expected, whose) => {
    const erased = shared.json(JSON.stringify(value), issuer)
    expect(erased && { value: JSON.parse(erased.text), whose: erased.whose }).toEqual({
      value: expected,
      whose,
    })
  })

  test('each text as each eraser by itself would leave it', () => {
    const texts = [
      'jo',
      'bo@x',
      'for ada@example.com and bob@example.com',
      '203.0.113.7',
      'call +1\t555 1234',
      'nobody',
    ]
    for (const text of texts) {
      const alone = people.reduce((left, names) => createEraser(names).plain(left) ?? left, text)
      expect(shared.plain(text)?.text ?? text).toBe(alone)
    }
    for (const text of ['nobody', '{"a":["x@example.com","42"]}']) {
      expect(shared.json(JSON.stringify(text), issuer)).toBeUndefined()
    }
  })
})
