import type { HubError } from '../base/hub-error.ts'

/**
 * The WWW-Authenticate header of a refused access token; undefined for other errors. Okta's clients parse its members, in
 * this order and with `, ` between them (OKTA-X12 to OKTA-X15).
 */
export function challengeOf(error: HubError, origin: string): string | undefined {
  const verdict = verdictOf(error)
  if (verdict === undefined) return undefined
  const { scheme, scope = '', resource = '' } = error.facts
  const dpop = scheme === 'DPoP'
  const members = {
    ...(dpop && { algs: oktaDpopAlgorithms }),
    authorization_uri: `${origin}/oauth2/v1/authorize`,
    realm: origin,
    scope,
    error: verdict.error,
    error_description: verdict.description,
    resource,
  }
  const pairs = Object.entries(members).map(([name, value]) => `${name}="${quotable(value)}"`)
  return `${dpop ? 'DPoP' : 'Bearer'} ${pairs.join(', ')}`
}

/** Okta's text, byte for byte (OKTA-X14): clients choose among these algorithms. Our metadata lists all accepted ones. */
const oktaDpopAlgorithms = 'RS256 RS384 RS512 ES256 ES384 ES512'

function verdictOf({ code, detail }: HubError): { error: string; description: string } | undefined {
  switch (code) {
    case 'access.oauth_token_invalid':
      return { error: 'invalid_token', description: detail }
    case 'access.dpop_invalid':
      return { error: 'invalid_dpop_proof', description: detail }
    case 'access.scope_missing':
      return {
        error: 'insufficient_scope',
        description: 'The access token provided does not contain the required scopes.',
      }
    default:
      return undefined
  }
}

/** Text for a quoted string (RFC 9110 §5.6.4); all other characters are percent-encoded, as in a URL. */
function quotable(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]|["\\]/gu, encodeURIComponent)
}
