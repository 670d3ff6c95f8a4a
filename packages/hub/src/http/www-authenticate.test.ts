import { expect, test } from 'vitest'
import { hubErrors, HubError, type HubErrorCode } from '../base/hub-error.ts'
import { challengeOf } from './www-authenticate.ts'

const origin = 'https://acme.okta.com'
const facts = { scheme: 'Bearer', scope: 'okta.groups.read', resource: '/api/v1/groups' }

test('the header for a missing scope is byte for byte as recorded (OKTA-X13, OKTA-X15)', () => {
  expect(challengeOf(new HubError('access.scope_missing', { facts }), origin)).toBe(
    'Bearer authorization_uri="https://acme.okta.com/oauth2/v1/authorize", realm="https://acme.okta.com", scope="okta.groups.read", error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/api/v1/groups"',
  )
})

test('the header for a missing scope of a DPoP-bound token is byte for byte as recorded (OKTA-X14)', () => {
  const error = new HubError('access.scope_missing', { facts: { ...facts, scheme: 'DPoP' } })
  expect(challengeOf(error, origin)).toBe(
    'DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512", authorization_uri="https://acme.okta.com/oauth2/v1/authorize", realm="https://acme.okta.com", scope="okta.groups.read", error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/api/v1/groups"',
  )
})

test.each(['The access token is invalid.', 'The token has expired.'])(
  'a bad token: %s (OKTA-X12)',
  (detail) => {
    expect(challengeOf(new HubError('access.oauth_token_invalid', { detail, facts }), origin)).toBe(
      `Bearer authorization_uri="https://acme.okta.com/oauth2/v1/authorize", realm="https://acme.okta.com", scope="okta.groups.read", error="invalid_token", error_description="${detail}", resource="/api/v1/groups"`,
    )
  },
)

test('the header for an invalid proof has the detail of the error', () => {
  const detail = 'The DPoP proof has already been used.'
  const error = new HubError('access.dpop_invalid', { detail, facts: { ...facts, scheme: 'DPoP' } })
  expect(challengeOf(error, origin)).toContain(`error="invalid_dpop_proof", error_description="${detail}", `)
})

test("Okta's older client can split the header at each comma and space (OKTA-X15)", () => {
  const header = challengeOf(new HubError('access.scope_missing', { facts }), origin) ?? ''
  const parts = header
    .replace('Bearer ', '')
    .split(', ')
    .map((part) => part.split('=', 1)[0])
  expect(parts).toEqual(['authorization_uri', 'realm', 'scope', 'error', 'error_description', 'resource'])
})

test('text from the request line cannot end its quotes or the header', () => {
  const resource = '/a"b\\c\r\nSet-Cookie: x\u0000é\ud800'
  const header = challengeOf(new HubError('access.scope_missing', { facts: { ...facts, resource } }), origin)
  expect(header).toMatch(/, resource="\/a%22b%5Cc%0D%0ASet-Cookie: x%00%C3%A9%EF%BF%BD"$/)
})

test('other errors have no WWW-Authenticate header', () => {
  const all = Object.keys(hubErrors) as HubErrorCode[] // the keys of the list are the codes
  const challenged = all.filter((code) => challengeOf(new HubError(code, { facts }), origin) !== undefined)
  expect(challenged).toEqual(['access.oauth_token_invalid', 'access.dpop_invalid', 'access.scope_missing'])
})
