import { fc } from '../../test/properties.ts'
import { describe, expect, test } from 'vitest'
import { parseIJson } from './i-json.ts'

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

describe('parseIJson (RFC 7493)', () => {
  test.each([
    ['{"a":{"b":[1,2.5,-0,1e300000000000000000000]}}', /too large.*\["a"\]\["b"\]\[3\]/],
    ['{"a":1e400}', /too large for a double at \["a"\]/],
    ['{"a":9007199254740992}', /integer beyond 2\^53-1 at \["a"\]/],
    ['[-9007199254740993]', /integer beyond 2\^53-1 at \[0\]/],
    ['1e300', /integer beyond 2\^53-1 at the top level/],
    ['{"a":1,"a":2}', /"a" is repeated at the top level/],
    ['{"a":1,"\\u0061":2}', /"a" is repeated/],
    ['{"x":{"y":[0,{"a":{},"b":[],"a":1}]}}', /"a" is repeated at \["x"\]\["y"\]\[1\]/],
    ['{"":1,"":2}', /"" is repeated/],
    ['{"a:":"\\":","a:":1}', /"a:" is repeated/],
    ['{"a" :1,"a"\t:2}', /repeated/],
    ['{"__proto__":{}}', /__proto__/],
    ['{"a":{"\\u005f_proto__":1}}', /__proto__.*at \["a"\]/],
    ['{"__proto__":1,"__proto__":2}', /__proto__/],
    ['{"a":"\\u0000"}', /NUL character at \["a"\]/],
    ['{"a\\u0000":1}', /NUL character/],
    ['{"a":"\\ud800"}', /lone surrogate at \["a"\]/],
    ['["\\udc00\\ud800"]', /lone surrogate at \[0\]/],
    ['{"\\ud83d":1}', /lone surrogate/],
    ['["\ud800"]', /lone surrogate/],
    [nested(33), /nested deeper than 32 levels/],
    [nested(60_000), /nested deeper than 32 levels/],
    ['{"a":'.repeat(33) + '1' + '}'.repeat(33), /nested deeper/],
    ['\uFEFF{}', /byte order mark/],
    ['', /empty/],
    ['  ', /empty/],
    ['{"a":', /ends too early/],
    ['{"a":01}', /not JSON/],
    ['{a:1}', /not JSON at character 1/],
    ['[1,]', /not JSON/],
    ['NaN', /not JSON/],
    ['{"a":"\u0001"}', /not JSON/],
    ["{'a':1}", /not JSON/],
    ['{} {}', /not JSON/],
  ])('refuses %j', (text, reason) => {
    expect(parseIJson(text)).toEqual({ ok: false, reason: expect.stringMatching(reason) })
  })

  test.each([
    ['a stray continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a truncated sequence', [0x22, 0xe2, 0x82, 0x22]],
    ['UTF-16', [0x7b, 0x00, 0x7d, 0x00, 0xff]],
  ])('refuses bytes with %s', (_, bytes) => {
    expect(parseIJson(Uint8Array.from(bytes))).toEqual({ ok: false, reason: 'it is not valid UTF-8' })
  })

  test('refuses a byte order mark in bytes', () => {
    expect(parseIJson(Uint8Array.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]))).toMatchObject({ ok: false })
  })

  test.each([
    '{"a":1,"b":{"a":1}}',
    '{"a":":","b":"\\":\\\\"}',
    '[{"a":1},{"a":1}]',
    '{"toString":1,"constructor":2,"hasOwnProperty":3}',
    '"\\ud83d\\ude00"',
    '"😀"',
    '9007199254740991',
    '0.1e-400',
    'null',
    ' [ ] ',
    nested(32),
  ])('accepts %s', (text) => {
    expect(parseIJson(text)).toEqual({ ok: true, value: JSON.parse(text) })
  })

  test('the depth limit can be set', () => {
    expect(parseIJson(nested(3), { depthMax: 2 })).toMatchObject({ ok: false })
    expect(parseIJson(nested(2), { depthMax: 2 })).toMatchObject({ ok: true })
  })

  test('the reason shows a hostile name shortened and without control characters', () => {
    const name = JSON.stringify('\n\u202e' + 'x'.repeat(10_000))
    const result = parseIJson(`{${name}:1,${name}:2}`)
    expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(/^[^\n\u202e]{1,500}$/u) })
  })

  // JSON that all readers read alike: no NUL, no lone surrogate, no __proto__, safe integers
  const agreed = fc
    .jsonValue({ maxDepth: 6, stringUnit: 'grapheme' })
    .filter((value) => !/\\u0000|"__proto__":/.test(JSON.stringify(value)))
    .filter((value) => !/[0-9]e\+?[0-9]{2}|[0-9]{16}/.test(JSON.stringify(value)))

  test('property: agrees with JSON.parse on I-JSON', () => {
    fc.assert(
      fc.property(agreed, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent)
        expect(parseIJson(text)).toEqual({ ok: true, value: JSON.parse(text) })
        expect(parseIJson(new TextEncoder().encode(text))).toEqual({ ok: true, value: JSON.parse(text) })
      }),
    )
  })

  const escaped = (name: string) =>
    `"${name.replace(/[^]/g, (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'))}"`

  test('property: a repeated name is found, escaped or not, at any place', () => {
    const name = fc
      .string({ unit: 'grapheme', maxLength: 8 })
      .filter((n) => n !== '__proto__' && !n.includes('\0'))
    fc.assert(
      fc.property(name, agreed, agreed, fc.boolean(), fc.nat(8), (name, one, two, escape, depth) => {
        const again = escape ? escaped(name) : JSON.stringify(name)
        const object = `{${JSON.stringify(name)}: ${JSON.stringify(one)}, ${again} :${JSON.stringify(two)}}`
        const text = '[{"k":'.repeat(depth) + object + '}]'.repeat(depth)
        expect(parseIJson(text)).toMatchObject({ ok: false, reason: expect.stringContaining('is repeated') })
      }),
    )
  })

  test('property: any text and any bytes give a result, never an exception', () => {
    const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.json())
    const someText: unknown = expect.stringMatching(/./)
    fc.assert(
      fc.property(anything, (input) => {
        const result = parseIJson(input)
        expect(result.ok ? result.value : result.reason).toEqual(
          result.ok ? JSON.parse(Buffer.from(input).toString()) : someText,
        )
      }),
    )
  })
})

describe('numbers that do not fit a double become text', () => {
  test.each<[string, unknown]>([
    ['{"a":9007199254740993}', { a: '9007199254740993' }],
    ['{"a":[-18446744073709551616,{"b":1e300}]}', { a: ['-18446744073709551616', { b: '1e300' }] }],
    [`{"a":${'9'.repeat(400)}}`, { a: '9'.repeat(400) }],
    ['1e400', '1e400'],
    ['{"a":9007199254740991,"b":0.1,"c":-0}', { a: 9_007_199_254_740_991, b: 0.1, c: -0 }],
    ['{"9007199254740993":1}', { '9007199254740993': 1 }],
  ])('%s', (text, value) => {
    expect(parseIJson(text, { wideNumbers: 'as_text' })).toEqual({ ok: true, value })
  })

  test.each([
    ['{"a":9007199254740993,"a":1}', /"a" is repeated/],
    ['{"a":9007199254740993,"__proto__":1}', /__proto__/],
    [`${'['.repeat(33)}9007199254740993${']'.repeat(33)}`, /nested deeper/],
    ['{"a":9007199254740993,"b":"\\u0000"}', /NUL/],
  ])('other faults are still refused: %s', (text, reason) => {
    expect(parseIJson(text, { wideNumbers: 'as_text' })).toMatchObject({
      ok: false,
      reason: expect.stringMatching(reason),
    })
  })
})
