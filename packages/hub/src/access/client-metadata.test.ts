import { describe, expect, test } from 'vitest'
import { isHubError } from '../base/hub-error.ts'
import type { JsonObject, JsonValue } from '@watchbell/receiver/base'
import { readClientMetadata } from './client-metadata.ts'

/** The P-256 key of RFC 7517 appendix A.1, and its private half of A.2. */
const ec = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
}
const privateEc = { ...ec, d: '870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE' }
const good = { client_name: 'My app', jwks: { keys: [ec] }, scope: 'okta.logs.read' }

describe('client metadata (RFC 7591 §2)', () => {
  test.each<[string, JsonObject, object]>([
    [
      'what is needed',
      good,
      { name: 'My app', keys: { jwks: [ec] }, scopes: ['okta.logs.read'], dpopBound: false },
    ],
    [
      'keys by reference',
      { ...good, jwks: null, jwks_uri: 'https://a.example/jwks?x=1' },
      { keys: { jwksUri: 'https://a.example/jwks?x=1' } },
    ],
    ['bound tokens', { ...good, dpop_bound_access_tokens: true }, { dpopBound: true }],
    ['no scope', { ...good, scope: null }, { scopes: [] }],
    [
      'members that are empty',
      {
        ...good,
        jwks_uri: '',
        token_endpoint_auth_method: '',
        application_type: '',
        grant_types: null,
        response_types: null,
        dpop_bound_access_tokens: null,
      },
      { dpopBound: false },
    ],
    ['a scope twice', { ...good, scope: ' okta.logs.read  okta.logs.read' }, { scopes: ['okta.logs.read'] }],
    [
      'everything that we send ourselves, and more (OKTA-A5)',
      {
        ...good,
        client_id: '0oa1',
        client_id_issued_at: 1,
        client_secret: null,
        application_type: 'service',
        token_endpoint_auth_method: 'private_key_jwt',
        grant_types: ['client_credentials'],
        response_types: ['token'],
        logo_uri: 'https://a.example/logo',
      },
      { name: 'My app' },
    ],
    ['a name beyond ASCII', { ...good, client_name: 'Ä 🔔' }, { name: 'Ä 🔔' }],
  ])('reads %s', (_name, metadata, expected) => {
    expect(readClientMetadata(metadata)).toMatchObject(expected)
  })

  test.each<[string, JsonObject, string]>([
    ['no name', { client_name: null }, 'client_name'],
    ['a blank name', { client_name: ' ' }, 'client_name'],
    ['a long name', { client_name: 'x'.repeat(101) }, 'client_name'],
    ['a name with a line break', { client_name: 'a\nb' }, 'client_name'],
    ['a name as a number', { client_name: 1 }, 'client_name'],
    ['no keys', { jwks: null }, 'jwks'],
    ['both kinds of keys', { jwks_uri: 'https://a.example/jwks' }, 'jwks_uri'],
    ['an empty key set', { jwks: { keys: [] } }, 'jwks'],
    ['a key set as a list', { jwks: [ec] }, 'jwks'],
    ['21 keys', { jwks: { keys: Array.from({ length: 21 }, () => ec) } }, 'jwks'],
    ['a key as a string', { jwks: { keys: ['x'] } }, 'jwks.keys'],
    ['a private key', { jwks: { keys: [privateEc] } }, 'jwks.keys[0]'],
    ['a private key among others', { jwks: { keys: [ec, privateEc] } }, 'jwks.keys[1]'],
    ['a secret', { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'jwks.keys[0]'],
    ['a key for encryption', { jwks: { keys: [{ ...ec, use: 'enc' }] } }, 'jwks.keys[0]'],
    ['a broken key', { jwks: { keys: [{ ...ec, y: ec.x }] } }, 'jwks.keys[0]'],
    ['a short RSA key', { jwks: { keys: [{ kty: 'RSA', n: 'x'.repeat(171), e: 'AQAB' }] } }, 'jwks.keys[0]'],
    [
      'the same kid twice',
      {
        jwks: {
          keys: [
            { ...ec, kid: 'a' },
            { ...ec, kid: 'a' },
          ],
        },
      },
      'jwks.keys',
    ],
    ['a kid as a number', { jwks: { keys: [{ ...ec, kid: 1 }] } }, 'jwks.keys'],
    ['a file as jwks_uri', { jwks: null, jwks_uri: 'file:///etc/passwd' }, 'jwks_uri'],
    ['a jwks_uri with a password', { jwks: null, jwks_uri: 'https://a:b@a.example/' }, 'jwks_uri'],
    ['a jwks_uri with a fragment', { jwks: null, jwks_uri: 'https://a.example/#x' }, 'jwks_uri'],
    ['a relative jwks_uri', { jwks: null, jwks_uri: '/jwks' }, 'jwks_uri'],
    ['a long jwks_uri', { jwks: null, jwks_uri: `https://a.example/${'x'.repeat(1_000)}` }, 'jwks_uri'],
    ['a jwks_uri as a list', { jwks: null, jwks_uri: ['https://a.example/'] }, 'jwks_uri'],
    ['an unknown scope', { scope: 'okta.logs.read okta.users.manage' }, 'scope'],
    ['scopes as a list', { scope: ['okta.logs.read'] }, 'scope'],
    ['a client secret', { token_endpoint_auth_method: 'client_secret_basic' }, 'token_endpoint_auth_method'],
    ['no authentication', { token_endpoint_auth_method: 'none' }, 'token_endpoint_auth_method'],
    ['another grant', { grant_types: ['client_credentials', 'authorization_code'] }, 'grant_types'],
    ['no grant', { grant_types: [] }, 'grant_types'],
    ['a web application', { application_type: 'web' }, 'application_type'],
    ['bound as a string', { dpop_bound_access_tokens: 'true' }, 'dpop_bound_access_tokens'],
    ['the client_id of another', { client_id: '0oa2' }, 'client_id'],
  ])('refuses %s', (_name, over, field) => {
    expect(problemFields({ ...good, ...over })).toEqual([field])
  })

  test.each<[JsonValue | undefined]>([[undefined], [null], ['x'], [[]], [1]])('refuses %j', (metadata) => {
    expect(problemFields(metadata)).toEqual([''])
  })

  test('names every problem at once, and no private member', () => {
    const bad = { client_name: '', jwks: { keys: [privateEc] }, scope: 'x', grant_types: 'y' }
    expect(problemFields(bad)).toEqual(['grant_types', 'client_name', 'jwks.keys[0]', 'scope'])
    expect(() => readClientMetadata(bad)).toThrow(/^(?!.*870MB6gf).*private part/)
  })
})

function problemFields(metadata: JsonValue | undefined): string[] {
  try {
    readClientMetadata(metadata, '0oa1')
  } catch (error) {
    if (isHubError(error, 'oauth.invalid_client_metadata')) return error.problems.map(({ field }) => field)
    throw error
  }
  return []
}
