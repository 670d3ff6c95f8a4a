/**
 * For programs that call a hub, also in browsers: builds requests, and types requests and answers. It loads only two short
 * files.
 */
export { requestOf } from './client.ts'
export { pathOf } from './operation.ts'
export type { CallableOperation, CallArguments, CallOf, ResultOf, WireRequest } from './client.ts'
export type { OktaErrorBody } from './common.ts'
export type { ErasureBody, ErasurePageBody } from './erasures.ts'
export type { DecisionBody, DecisionsBody, OpinionBody, QuestionRequestBody } from './evaluation.ts'
export type { ClientBody, ClientRequestBody, CurrentUserBody } from './oauth.ts'
export type { AllOperations, KnownOperation } from './operations.ts'
export type {
  ProviderActionBody,
  ProviderBody,
  ProviderKeysBody,
  ProviderRequestBody,
  ProviderTrustBody,
  ProviderTrustRequestBody,
} from './providers.ts'
export type {
  RiskEventCountsBody,
  RiskProviderBody,
  RiskProviderRequestBody,
  UserRiskBody,
  UserRiskRequestBody,
} from './risk.ts'
export type { SignalBody, SignalCountsBody, SignalEventBody, SignalPageBody } from './signals.ts'
export type {
  DialectsBody,
  StreamBody,
  StreamHealthBody,
  StreamPatch,
  StreamRequestBody,
  StreamStatusBody,
} from './streams.ts'
export type {
  ReasonBody,
  SubjectBody,
  SubjectDetailsBody,
  SubjectPageBody,
  SubjectRiskRequestBody,
  UserRequestBody,
} from './subjects.ts'
export type { LogEntryBody, LogPartyBody } from './system-log.ts'
