import type { HubError, HubErrorCode } from '../base/hub-error.ts'
import type { OAuthErrorBody } from '../wire/common.ts'
import type { Answer } from './route.ts'

type TokenErrorCode =
  | Exclude<Extract<HubErrorCode, `oauth.${string}`>, 'oauth.invalid_client_metadata'>
  | 'request.invalid'
  | 'request.media_type'
  | 'request.content_encoding'
  | 'request.too_large'

/** The errors of the token endpoint (OKTA-O15, OKTA-O20 to OKTA-O23). A new `oauth.*` code does not compile until it is here. */
const tokenErrors: Record<
  TokenErrorCode,
  { readonly status: 400 | 401 | 413 | 415; readonly error: OAuthErrorBody['error'] }
> = {
  'oauth.invalid_request': { status: 400, error: 'invalid_request' },
  'request.invalid': { status: 400, error: 'invalid_request' },
  'request.too_large': { status: 413, error: 'invalid_request' },
  'oauth.invalid_client': { status: 401, error: 'invalid_client' },
  'oauth.invalid_scope': { status: 400, error: 'invalid_scope' },
  'oauth.consent_required': { status: 400, error: 'consent_required' },
  'oauth.unsupported_grant_type': { status: 400, error: 'unsupported_grant_type' },
  'oauth.invalid_dpop_proof': { status: 400, error: 'invalid_dpop_proof' },
  'oauth.use_dpop_nonce': { status: 400, error: 'use_dpop_nonce' },
  'request.media_type': { status: 400, error: 'invalid_request' },
  'request.content_encoding': { status: 415, error: 'invalid_request' },
}

/** The parts of a token request that its refusal depends on. */
export interface RefusedTokenRequest {
  readonly origin: string
  /** The Authorization header. */
  readonly authorization: string | undefined
}

export interface TokenErrorAnswer extends Answer {
  readonly body: OAuthErrorBody
}

/**
 * The answer of the token endpoint to its own errors and to unreadable bodies; undefined for errors that have the same
 * form on all routes.
 */
export function tokenErrorAnswer(
  { code, detail, facts }: HubError,
  { origin, authorization = '' }: RefusedTokenRequest,
): TokenErrorAnswer | undefined {
  if (!isTokenErrorCode(code)) return undefined
  const { status, error } = tokenErrors[code]
  // RFC 6749 §5.2: the authentication scheme that the client used.
  const challenged = status === 401 && /^basic(\s|$)/i.test(authorization)
  return {
    status,
    body: { error, error_description: detail },
    headers: {
      'Cache-Control': 'no-store',
      ...(facts['nonce'] !== undefined && { 'dpop-nonce': facts['nonce'] }),
      ...(challenged && { 'www-authenticate': `Basic realm="${origin}"` }),
    },
  }
}

function isTokenErrorCode(code: HubErrorCode): code is TokenErrorCode {
  return code in tokenErrors
}
