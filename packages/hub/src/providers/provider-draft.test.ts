import { describe, expect, test } from 'vitest'
import { HubError } from '../base/hub-error.ts'
import type { JsonObject, JsonValue } from '@watchbell/receiver/base'
import { nothingAllowed, urlProblem } from '../base/outbound-allow.ts'
import { readProviderDraft } from './provider-draft.ts'

const read = (body: JsonValue) => readProviderDraft(body, (url) => urlProblem(nothingAllowed, url))

const withKeys = { issuer: 'https://idp.example', jwks_url: 'https://idp.example/jwks' }
const wellKnown = { well_known_url: 'https://idp.example/.well-known/ssf-configuration' }
const body = (members: JsonObject = {}): JsonObject => ({
  name: 'IdP',
  type: 'okta',
  settings: withKeys,
  ...members,
})

/** The problems as Okta's causes: `field: message`. */
function causes(given: JsonValue): string[] {
  try {
    read(given)
    return []
  } catch (error) {
    if (error instanceof HubError && error.code === 'provider.invalid') {
      return error.problems.map(({ field, message }) => `${field}: ${message}`)
    }
    throw error
  }
}

describe('drafts that are accepted', () => {
  test('issuer and JWKS URL (OKTA-R24, OKTA-R25)', () => {
    expect(read(body())).toEqual({
      name: 'IdP',
      type: 'okta',
      settings: { issuer: 'https://idp.example', jwksUrl: 'https://idp.example/jwks' },
    })
  })

  test('a well-known URL (OKTA-R23)', () => {
    expect(read(body({ settings: wellKnown })).settings).toEqual({ wellKnownUrl: wellKnown.well_known_url })
  })

  test('all three together: the well-known URL wins (OKTA-R27)', () => {
    const settings = { ...withKeys, ...wellKnown }
    expect(read(body({ settings })).settings).toEqual({ wellKnownUrl: wellKnown.well_known_url })
  })

  test('settings beside a well-known URL are ignored (OKTA-R27)', () => {
    const settings = { ...wellKnown, issuer: 7, jwks_url: 'nonsense' }
    expect(read(body({ settings })).settings).toEqual({ wellKnownUrl: wellKnown.well_known_url })
  })

  test.each([null, '', '  '])(
    'well_known_url %j beside the other two is absent (OKTA-R27)',
    (well_known_url) => {
      expect(read(body({ settings: { ...withKeys, well_known_url } })).settings).toMatchObject({
        issuer: withKeys.issuer,
      })
    },
  )

  test('read-only and unknown members of a fetched object are ignored (OKTA-R26, OKTA-A5)', () => {
    const fetched = body({
      id: 7,
      status: 'INACTIVE',
      _links: { self: { href: 'x' } },
      settings: { ...withKeys, more: {} },
      more: 1,
    })
    expect(read(fetched)).toEqual(read(body()))
  })

  test('an issuer need not be a URL, and strings are kept as given (OKTA-R24)', () => {
    expect(
      read(body({ name: ' a ', type: 'Ünïcødé 🔔', settings: { ...withKeys, issuer: 'Issuer ' } })),
    ).toMatchObject({
      name: ' a ',
      type: 'Ünïcødé 🔔',
      settings: { issuer: 'Issuer ' },
    })
  })

  test('a string as long as its limit is accepted', () => {
    const url = `https://idp.example/${'x'.repeat(980)}`
    expect(url).toHaveLength(1000)
    const long = body({
      name: 'x'.repeat(100),
      type: 'x'.repeat(255),
      settings: { issuer: 'x'.repeat(700), jwks_url: url },
    })
    expect(causes(long)).toEqual([])
    expect(causes(body({ settings: { well_known_url: url } }))).toEqual([])
  })
})

describe('drafts that are refused (OKTA-R60, OKTA-X1)', () => {
  const blank = 'The field cannot be left blank'
  const bothShapes = 'Give well_known_url, or issuer and jwks_url'

  test.each([null, [], 'x', 7, true])('a body such as %j', (given) => {
    expect(causes(given)).toEqual([': The body must be a JSON object'])
  })

  test.each<[JsonObject, string[]]>([
    [{ name: '' }, [`name: ${blank}`]],
    [{ name: ' \t' }, [`name: ${blank}`]],
    [{ name: null }, [`name: ${blank}`]],
    [{ name: 7 }, ['name: The field name is not valid. It must be a string']],
    [{ name: ['x'] }, ['name: The field name is not valid. It must be a string']],
    [{ name: false }, ['name: The field name is not valid. It must be a string']],
    [{ name: 'x'.repeat(101) }, ['name: The field is too long. It may have 100 characters at most']],
    [{ name: 'a\u0000b' }, ['name: The field name is not valid. It must not contain control characters']],
    [{ name: 'a\nb' }, ['name: The field name is not valid. It must not contain control characters']],
    [{ name: 'a\u0085b' }, ['name: The field name is not valid. It must not contain control characters']],
    [{ name: 'a\ud800b' }, ['name: The field name is not valid. It must not contain control characters']],
    [{ type: '' }, [`type: ${blank}`]],
    [{ type: {} }, ['type: The field type is not valid. It must be a string']],
    [{ type: 'x'.repeat(256) }, ['type: The field is too long. It may have 255 characters at most']],
    [{ settings: null }, [`settings: ${blank}`]],
    [{ settings: [] }, [`settings: The field settings is not valid. It must be an object. ${bothShapes}`]],
    [{ settings: 'x' }, [`settings: The field settings is not valid. It must be an object. ${bothShapes}`]],
    [{ settings: {} }, [`settings: The field settings is not valid. ${bothShapes}`]],
    [{ settings: { well_known_url: null } }, [`settings: The field settings is not valid. ${bothShapes}`]],
    [
      { settings: { issuer: '', jwks_url: ' ' } },
      [`settings: The field settings is not valid. ${bothShapes}`],
    ],
    [{ settings: { issuer: 'x' } }, [`settings.jwks_url: ${blank}`]],
    [{ settings: { jwks_url: withKeys.jwks_url } }, [`settings.issuer: ${blank}`]],
    [
      { settings: { ...withKeys, issuer: 7 } },
      ['settings.issuer: The field issuer is not valid. It must be a string'],
    ],
    [
      { settings: { ...withKeys, issuer: 'x'.repeat(701) } },
      ['settings.issuer: The field is too long. It may have 700 characters at most'],
    ],
    [
      { settings: { ...withKeys, jwks_url: `https://idp.example/${'x'.repeat(981)}` } },
      ['settings.jwks_url: The field is too long. It may have 1000 characters at most'],
    ],
    [
      { settings: { well_known_url: `https://idp.example/${'x'.repeat(981)}` } },
      ['settings.well_known_url: The field is too long. It may have 1000 characters at most'],
    ],
    [
      { settings: { well_known_url: true } },
      ['settings.well_known_url: The field well_known_url is not valid. It must be a string'],
    ],
  ])('case %#', (members, expected) => {
    expect(causes(body(members))).toEqual(expected)
  })

  test.each([
    'nonsense',
    '/jwks',
    'idp.example/jwks',
    'http://idp.example/jwks',
    'ftp://idp.example/jwks',
    'javascript:alert(1)',
    'https://ada:secret@idp.example/jwks',
    'https://127.0.0.1/jwks',
    'https://0x7f.1/jwks',
    'https://[::ffff:7f00:1]/jwks',
    'https://169.254.169.254/latest/meta-data',
    'https://localhost/jwks',
  ])('the URL %s, in either place (OKTA-R63)', (url) => {
    const [jwks, ...noMore] = causes(body({ settings: { ...withKeys, jwks_url: url } }))
    expect(jwks).toMatch(/^settings\.jwks_url: jwks_url is not valid: .{10}/)
    expect(noMore).toEqual([])
    const [wellKnown] = causes(body({ settings: { well_known_url: url } }))
    expect(wellKnown).toMatch(/^settings\.well_known_url: well_known_url is not valid: .{10}/)
    expect(`${jwks}${wellKnown}`).not.toContain('secret')
  })

  test('every problem is named at once (OKTA-X4)', () => {
    const settings = { issuer: 'x'.repeat(701), jwks_url: 'nonsense' }
    const fields = causes({ name: 7, settings }).map((cause) => cause.split(':')[0])
    expect(fields).toEqual(['name', 'type', 'settings.issuer', 'settings.jwks_url'])
    const all = [`name: ${blank}`, `type: ${blank}`, `settings: ${blank}`]
    expect(causes({})).toEqual(all)
    expect(() => read({})).toThrow(all.join('; '))
  })
})
