import { shape, type ShapeOf } from './schema.ts'

/** Okta's error object (OKTA §9.1). */
export const oktaError = shape.named(
  'OktaError',
  shape.object(
    {
      errorCode: shape.text('What went wrong, in Okta’s codes.'),
      errorSummary: shape.text('The same in words.'),
      errorLink: shape.text('The code once more.'),
      errorId: shape.text('What the log of the hub has it under.'),
      errorCauses: shape.list(
        shape.object({ errorSummary: shape.text() }),
        'What exactly is wrong, one for each problem.',
      ),
    },
    'Okta’s error object.',
  ),
)
export type OktaErrorBody = ShapeOf<typeof oktaError>

/** A refused SET (RFC 8935 §2.4). */
export const setError = shape.named(
  'SetError',
  shape.object(
    {
      err: shape.oneOf([
        'invalid_request',
        'invalid_key',
        'invalid_issuer',
        'invalid_audience',
        'authentication_failed',
        'invalid_state',
      ]),
      description: shape.text('What exactly is wrong, for a person.'),
    },
    'Why a SET was refused (RFC 8935 §2.4).',
  ),
)
export type SetErrorBody = ShapeOf<typeof setError>

/** A refused token request (RFC 6749 §5.2). */
export const oauthError = shape.named(
  'OAuthError',
  shape.object(
    {
      error: shape.oneOf([
        'invalid_request',
        'invalid_client',
        'invalid_scope',
        'consent_required',
        'unsupported_grant_type',
        'invalid_dpop_proof',
        'use_dpop_nonce',
      ]),
      error_description: shape.text(),
    },
    'Why a token request was refused (RFC 6749 §5.2).',
  ),
)
export type OAuthErrorBody = ShapeOf<typeof oauthError>

/** A refused evaluation request (Authorization API 1.0 §10.1.7). */
export const authzenError = shape.named(
  'AuthzenError',
  shape.text('Why the request was refused, as a JSON string.'),
)

export const allowedMethod = shape.oneOf(['GET', 'PUT', 'POST', 'DELETE'])

/** A link of Okta's objects. */
export const hintedLink = shape.named(
  'HintedLink',
  shape.object({ href: shape.uri(), hints: shape.object({ allow: shape.list(allowedMethod) }) }),
)
export const plainLink = shape.object({ href: shape.uri() })

/** The Link header of a list with more pages. */
export const nextLink = shape.text('The next page, as `<…>; rel="next"`; not there on the last one.')
