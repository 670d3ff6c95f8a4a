import type { FieldProblem, HubError, HubErrorCode } from '../base/hub-error.ts'
import { problemLines } from '../base/invalid-fields.ts'
import { printable } from '@watchbell/receiver/base'
import type { OktaErrorBody } from '../wire/common.ts'

export interface OktaErrorAnswer {
  readonly status: number
  readonly body: OktaErrorBody
}

/** Okta's status and fixed summary for each of its codes (OKTA §9.2). `{0}` is replaced by a text of the error. */
const oktaCodes = {
  E0000001: [400, 'Api validation failed: {0}'],
  E0000003: [400, 'The request body was not well-formed.'],
  E0000005: [403, 'Invalid session'],
  E0000006: [403, 'You do not have permission to perform the requested action'],
  E0000007: [404, 'Not found: {0}'],
  E0000008: [404, 'The requested path was not found'],
  E0000009: [500, 'Internal Server Error'],
  E0000010: [503, 'Service is in read only mode'],
  E0000011: [401, 'Invalid token provided'],
  E0000021: [400, 'Bad request.  Accept and/or Content-Type headers likely do not match supported values.'],
  E0000022: [405, 'The endpoint does not support the provided HTTP method'],
  E0000031: [400, '{0}'],
  E0000047: [429, 'API call exceeded rate limit due to too many requests.'],
  E0000053: [400, '{0}'],
  E0000122: [406, "Accept Header did not contain supported media type 'application/json'"],
} as const satisfies Record<string, readonly [number, string]>
type OktaCode = keyof typeof oktaCodes

/** Okta's code for each of our codes. A new code does not compile until it is here. */
const oktaCodeOf: Record<HubErrorCode, OktaCode> = {
  'set.malformed': 'E0000001',
  'set.wrong_type': 'E0000001',
  'set.algorithm_refused': 'E0000001',
  'set.claim_invalid': 'E0000001',
  'set.event_invalid': 'E0000001',
  'set.subject_invalid': 'E0000001',
  'set.unknown_issuer': 'E0000001',
  'set.provider_inactive': 'E0000001',
  'set.wrong_audience': 'E0000001',
  'set.unknown_key': 'E0000001',
  'set.key_refused': 'E0000001',
  'set.bad_signature': 'E0000001',
  'set.state_invalid': 'E0000001',
  'set.push_unauthorized': 'E0000011',
  'keys.unavailable': 'E0000010',
  'outbound.refused': 'E0000001',
  'outbound.failed': 'E0000001',
  'provider.invalid': 'E0000001',
  'provider.name_taken': 'E0000001',
  'provider.issuer_taken': 'E0000001',
  'provider.limit_reached': 'E0000001',
  'provider.metadata_unusable': 'E0000001',
  'provider.not_found': 'E0000007',
  'stream.invalid': 'E0000001',
  'stream.not_found': 'E0000007',
  'stream.exists': 'E0000001',
  'stream.not_connected': 'E0000010',
  'stream.busy': 'E0000010',
  'stream.unsupported': 'E0000001',
  'stream.secrets_unreadable': 'E0000001',
  'stream.token_refused': 'E0000001',
  'stream.transmitter_refused': 'E0000001',
  'stream.transmitter_unavailable': 'E0000001',
  'stream.answer_unusable': 'E0000001',
  'risk_provider.invalid': 'E0000001',
  'risk_provider.name_taken': 'E0000001',
  'risk_provider.client_taken': 'E0000001',
  'risk_provider.limit_reached': 'E0000001',
  'risk_provider.not_found': 'E0000007',
  'risk_event.invalid': 'E0000001',
  'evaluation.invalid': 'E0000001',
  'subject.invalid': 'E0000001',
  'subject.ambiguous': 'E0000001',
  'subject.contradictory': 'E0000001',
  'subject.no_such_reason': 'E0000007',
  'subject.not_found': 'E0000007',
  'erasure.not_found': 'E0000007',
  'erasure.too_many_waiting': 'E0000010',
  'user_risk.invalid': 'E0000001',
  'signal.not_found': 'E0000007',
  'log.query_invalid': 'E0000001',
  'log.filter_invalid': 'E0000053',
  'log.filter_unsupported': 'E0000031',
  'log.too_old': 'E0000053',
  'access.no_credentials': 'E0000005',
  'access.token_invalid': 'E0000011',
  'access.oauth_token_invalid': 'E0000011',
  'access.dpop_invalid': 'E0000011',
  'access.scope_missing': 'E0000006',
  'access.forbidden': 'E0000006',
  'oauth.invalid_request': 'E0000001',
  'oauth.invalid_client': 'E0000011',
  'oauth.invalid_scope': 'E0000001',
  'oauth.consent_required': 'E0000001',
  'oauth.unsupported_grant_type': 'E0000001',
  'oauth.invalid_dpop_proof': 'E0000001',
  'oauth.use_dpop_nonce': 'E0000001',
  'oauth.invalid_client_metadata': 'E0000001',
  'token.invalid': 'E0000001',
  'token.name_taken': 'E0000001',
  'token.not_found': 'E0000007',
  'client.not_found': 'E0000007',
  'request.invalid': 'E0000001',
  'request.malformed_json': 'E0000003',
  'request.media_type': 'E0000021',
  'request.content_encoding': 'E0000021',
  'request.not_acceptable': 'E0000122',
  'request.too_large': 'E0000001',
  'request.head_too_large': 'E0000001',
  'request.rate_limited': 'E0000047',
  'request.path_not_found': 'E0000008',
  'request.method_not_allowed': 'E0000022',
  'hub.standby': 'E0000010',
  'hub.clock_behind': 'E0000010',
  'hub.overloaded': 'E0000010',
  'hub.unavailable': 'E0000010',
  'hub.secret_unreadable': 'E0000009',
}

/** The status of codes for which Okta has no matching code. */
const statusOf: Partial<Record<HubErrorCode, number>> = {
  'request.too_large': 413,
  'request.head_too_large': 431,
  'request.content_encoding': 415,
  'stream.secrets_unreadable': 409,
  'stream.token_refused': 502,
  'stream.transmitter_refused': 502,
  'stream.transmitter_unavailable': 502,
  'stream.answer_unusable': 502,
}

/** Okta's own texts for causes; clients match these (OKTA-R61, OKTA-R62). */
const causesOf: Partial<Record<HubErrorCode, readonly FieldProblem[]>> = {
  'provider.name_taken': [{ field: 'name', message: 'Security Events Provider name must be unique' }],
  'risk_provider.name_taken': [
    { field: 'name', message: 'name: An object with this field already exists in the current organization' },
  ],
  'risk_provider.client_taken': [
    {
      field: 'clientId',
      message: 'clientId: An object with this field already exists in the current organization',
    },
  ],
  'provider.issuer_taken': [
    { field: 'settings', message: 'The provided issuer already exists for this organization.' },
  ],
}

/** The text for `{0}` of errors that belong to no field; the detail of the error is then the cause (OKTA-X3). */
const wholeOf: Partial<Record<HubErrorCode, string>> = {
  'provider.invalid': 'securityEventsProvider',
  'provider.limit_reached': 'securityEventsProvider',
  'stream.invalid': 'stream',
  'risk_provider.invalid': 'riskProvider',
  'risk_provider.limit_reached': 'riskProvider',
  'risk_event.invalid': 'riskEvents',
  'user_risk.invalid': 'userRisk',
  'subject.invalid': 'user',
  'subject.ambiguous': 'id',
  'subject.contradictory': 'user',
  'oauth.invalid_client_metadata': 'client',
  'request.invalid': 'request',
  'request.too_large': 'request',
  'request.head_too_large': 'request',
}

/** Converts an error of ours to Okta's status and body. */
export function oktaErrorAnswer(error: HubError, errorId: string): OktaErrorAnswer {
  const code = oktaCodeOf[error.code]
  const problems = wordedCauses(error) ?? error.problems
  const [status, summary] = oktaCodes[code]
  return {
    status: statusOf[error.code] ?? status,
    body: oktaError(code, {
      errorId,
      summary: summary.replace('{0}', () => subjectOf(error, problems)),
      causes: causes(error, problems),
    }),
  }
}

/** Okta's own causes, one for each conflict (OKTA-X4); undefined for other errors. */
function wordedCauses({ code, also }: HubError): readonly FieldProblem[] | undefined {
  return causesOf[code] && [code, ...also].flatMap((each) => causesOf[each] ?? [])
}

/** The answer to a failure of ours, without details. */
export function internalErrorAnswer(errorId: string): OktaErrorAnswer {
  const [status, summary] = oktaCodes.E0000009
  return { status, body: oktaError('E0000009', { errorId, summary, causes: [] }) }
}

function oktaError(
  code: OktaCode,
  { errorId, summary, causes }: { errorId: string; summary: string; causes: readonly string[] },
): OktaErrorBody {
  return {
    errorCode: code,
    errorSummary: summary,
    errorLink: code,
    errorId,
    errorCauses: causes.map((errorSummary) => ({ errorSummary })),
  }
}

const idShownCharsMax = 50

/** The text after `Api validation failed:` (OKTA-X3) or `Not found:`. */
function subjectOf(error: HubError, problems: readonly FieldProblem[]): string {
  const { id, type, summary } = error.facts
  if (summary !== undefined) return summary
  if (id !== undefined)
    return `Resource not found: ${printable(id.slice(0, idShownCharsMax), idShownCharsMax)} (${type ?? 'Resource'})`
  const field = problems[0]?.field.split('.')[0]
  return field === undefined || field === '' ? (wholeOf[error.code] ?? error.detail) : field
}

/** One cause for each problem, `<field>: <message>` (OKTA-X1); well-known texts have no field (OKTA-X2). */
function causes(error: HubError, problems: readonly FieldProblem[]): readonly string[] {
  if (causesOf[error.code] !== undefined) return problems.map(({ message }) => message)
  if (problems.length > 0) {
    return problemLines(problems)
  }
  return detailed.has(error.code) || wholeOf[error.code] !== undefined ? [error.detail] : []
}

/** Codes whose fixed summary needs the detail. */
const detailed: ReadonlySet<HubErrorCode> = new Set([
  'request.malformed_json',
  'request.media_type',
  'request.content_encoding',
  'keys.unavailable',
  'hub.standby',
  'hub.clock_behind',
  'hub.overloaded',
  'hub.unavailable',
  'erasure.too_many_waiting',
  'access.forbidden',
  'stream.not_connected',
  'stream.busy',
])
