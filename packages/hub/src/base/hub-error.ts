import { CodedError, receiverErrors, type CodedErrorOptions } from '@watchbell/receiver/base'

export type { FieldProblem } from '@watchbell/receiver/base'

/**
 * Every error code of the hub with its meaning. docs/errors.md is generated from this list.
 * `set.*` and `request.*` are the sender's fault. `keys.*` and `hub.*` are not: the sender can repeat the request.
 */
export const hubErrors = {
  ...receiverErrors,
  'set.provider_inactive': 'The provider with this issuer is deactivated.',
  'set.state_invalid': 'The verification event has a state that we did not send, or that was used before.',
  'set.push_unauthorized': 'The push request does not carry the Authorization value agreed for the stream.',
  'provider.invalid': 'A field of the provider is missing or malformed.',
  'provider.name_taken': 'Another provider already has this name.',
  'provider.issuer_taken': 'Another provider already has this issuer.',
  'provider.not_found': 'There is no provider with this id.',
  'provider.limit_reached': 'The hub has reached its maximum number of providers.',
  'provider.metadata_unusable': "The transmitter's metadata cannot be read or does not fit its URL.",
  'stream.invalid': 'A setting of the stream is missing or malformed.',
  'stream.not_found': 'The provider has no stream.',
  'stream.exists': 'The provider has a stream already.',
  'stream.not_connected': 'The stream is not connected to its transmitter yet.',
  'stream.busy': 'Another node of the hub is working on the stream right now.',
  'stream.unsupported': 'The transmitter does not support the requested operation.',
  'stream.secrets_unreadable': 'The configured secret key cannot decrypt the credentials of the stream.',
  'stream.token_refused': 'The transmitter did not issue an access token.',
  'stream.transmitter_refused': 'The transmitter refused a request about the stream.',
  'stream.transmitter_unavailable': 'The transmitter cannot be reached or does not answer right now.',
  'stream.answer_unusable': 'The transmitter sent an answer that the hub cannot use.',
  'risk_provider.invalid': 'A field of the risk provider is missing or malformed.',
  'risk_provider.name_taken': 'Another risk provider already has this name.',
  'risk_provider.client_taken': 'Another risk provider already has this service app.',
  'risk_provider.not_found': 'There is no risk provider with this id.',
  'risk_provider.limit_reached': 'The hub has reached its maximum number of risk providers.',
  'risk_event.invalid': 'A risk event is missing a member or has a malformed one.',
  'evaluation.invalid': 'The evaluation request is malformed.',
  'subject.invalid': 'A member of the user to load is missing or malformed.',
  'subject.contradictory': 'The identifiers belong to different users.',
  'subject.ambiguous': 'Several users, devices or sessions of different issuers have this id.',
  'subject.no_such_reason': 'The user, device, session or address has no current reason with this id.',
  'subject.not_found': 'There is no user, device, session or address with this id or name.',
  'erasure.not_found': 'There is no erasure with this id, or its record has expired.',
  'erasure.too_many_waiting':
    'The hub has reached its maximum number of unfinished erasures; try again later.',
  'user_risk.invalid': 'A member of the risk to set is missing or malformed.',
  'signal.not_found': 'There is no signal with this id.',
  'log.query_invalid': 'A parameter of the log query is malformed.',
  'log.filter_invalid': 'The log filter cannot be read.',
  'log.filter_unsupported': 'The log filter uses an operator that this field does not allow.',
  'log.too_old': 'The log query starts before the oldest entry that the hub keeps.',
  'access.no_credentials': 'The request carries no usable Authorization header.',
  'access.token_invalid': 'The API token is unknown, revoked or expired.',
  'access.oauth_token_invalid': 'The OAuth access token is malformed, expired, revoked or not ours.',
  'access.dpop_invalid': 'The DPoP proof is missing or does not fit the request or the token.',
  'access.scope_missing': 'The OAuth access token does not contain the required scope.',
  'access.forbidden': 'The credentials are valid but do not permit this request.',
  'oauth.invalid_request': 'The token request is malformed.',
  'oauth.invalid_client': 'The client could not be authenticated.',
  'oauth.invalid_scope': 'The requested scope is missing or malformed.',
  'oauth.consent_required': 'None of the requested scopes is granted to the client.',
  'oauth.unsupported_grant_type': 'Only client_credentials is supported.',
  'oauth.invalid_dpop_proof': 'The DPoP proof of the token request is missing or malformed.',
  'oauth.use_dpop_nonce': 'The DPoP proof of the token request lacks a nonce issued by the hub.',
  'oauth.invalid_client_metadata': 'A member of the client metadata is missing or malformed.',
  'token.invalid': 'The name, secret or expiry time of the API token is invalid.',
  'token.name_taken': 'Another live API token already has this name.',
  'token.not_found': 'There is no API token with this id or name.',
  'client.not_found': 'There is no service app with this client id.',
  'request.invalid': 'A parameter of the request is missing or malformed.',
  'request.malformed_json': 'The body is not JSON that everyone reads alike (RFC 7493).',
  'request.media_type': 'The body has a media type that this endpoint does not take.',
  'request.content_encoding': 'The body has a content encoding; only bodies without one are taken.',
  'request.not_acceptable': 'The client accepts no media type that this endpoint can answer with.',
  'request.too_large': 'The body is larger than this endpoint takes.',
  'request.head_too_large': 'Path and headers of the request are larger than this endpoint takes.',
  'request.rate_limited': 'The caller made too many requests.',
  'request.path_not_found': 'There is nothing at this path.',
  'request.method_not_allowed': 'This path does not support the HTTP method.',
  'hub.standby': 'This hub is a standby: it accepts no signals and sends nothing to transmitters.',
  'hub.overloaded': 'The queue of data to store is full; try again shortly.',
  'hub.unavailable': 'The storage cannot be reached right now.',
  'hub.secret_unreadable': 'The configured secret key cannot decrypt a stored secret.',
} as const

export type HubErrorCode = keyof typeof hubErrors
export type HubErrorOptions = CodedErrorOptions<HubErrorCode>

/** The only error that the hub throws on purpose. Any other error is a defect of the hub. */
export class HubError extends CodedError<HubErrorCode> {
  override readonly name: string = 'HubError'

  constructor(code: HubErrorCode, options: HubErrorOptions = {}) {
    super(code, hubErrors[code], options)
  }

  /** Includes the receiver's errors: `hubErrors` contains their codes. */
  static override [Symbol.hasInstance](error: unknown): error is HubError {
    return error instanceof CodedError
  }
}

export function isHubError(error: unknown, ...codes: readonly HubErrorCode[]): error is HubError {
  return error instanceof HubError && (codes.length === 0 || codes.includes(error.code))
}
