import type { HubError } from '../base/hub-error.ts'

/**
 * The WWW-Authenticate header of a refused access token, or undefined for other errors. Members, order and `, ` are
 * what Okta's clients take apart (OKTA-X12 to OKTA-X15).
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

/** Okta's words, to the letter (OKTA-X14): clients choose among these. The list of all that we take stands in our metadata. */
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

/** What may stand in a quoted string (RFC 9110 §5.6.4); the rest percent-encoded, as in a URL. */
function quotable(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]|["\\]/gu, encodeURIComponent)
}
