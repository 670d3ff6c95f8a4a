import { list, named, object, oneOf, text, uri } from './schema.ts'
import type { ShapeOf } from './schema.ts'

/** Okta's error object (OKTA §9.1). */
export const oktaError = named(
  'OktaError',
  object(
    {
      errorCode: text('What went wrong, in Okta’s codes.'),
      errorSummary: text('The same in words.'),
      errorLink: text('The code once more.'),
      errorId: text('What the log of the hub has it under.'),
      errorCauses: list(object({ errorSummary: text() }), 'What exactly is wrong, one for each problem.'),
    },
    'Okta’s error object.',
  ),
)
export type OktaErrorBody = ShapeOf<typeof oktaError>

/** A refused SET (RFC 8935 §2.4). */
export const setError = named(
  'SetError',
  object(
    {
      err: oneOf([
        'invalid_request',
        'invalid_key',
        'invalid_issuer',
        'invalid_audience',
        'authentication_failed',
        'invalid_state',
      ]),
      description: text('What exactly is wrong, for a person.'),
    },
    'Why a SET was refused (RFC 8935 §2.4).',
  ),
)
export type SetErrorBody = ShapeOf<typeof setError>

/** A refused token request (RFC 6749 §5.2). */
export const oauthError = named(
  'OAuthError',
  object(
    {
      error: oneOf([
        'invalid_request',
        'invalid_client',
        'invalid_scope',
        'consent_required',
        'unsupported_grant_type',
        'invalid_dpop_proof',
        'use_dpop_nonce',
      ]),
      error_description: text(),
    },
    'Why a token request was refused (RFC 6749 §5.2).',
  ),
)
export type OAuthErrorBody = ShapeOf<typeof oauthError>

/** A refused evaluation request (Authorization API 1.0 §10.1.7). */
export const authzenError = named('AuthzenError', text('Why the request was refused, as a JSON string.'))

export const allowedMethod = oneOf(['GET', 'PUT', 'POST', 'DELETE'])

/** A link of Okta's objects. */
export const hintedLink = named(
  'HintedLink',
  object({ href: uri(), hints: object({ allow: list(allowedMethod) }) }),
)
export const plainLink = object({ href: uri() })

/** The Link header of a list with more pages. */
export const nextLink = text('The next page, as `<…>; rel="next"`; not there on the last one.')
