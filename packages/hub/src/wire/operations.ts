import { erasureOperations } from './erasures.ts'
import { evaluationOperations } from './evaluation.ts'
import { intakeOperations } from './intake.ts'
import { oauthOperations } from './oauth.ts'
import { providerOperations } from './providers.ts'
import { riskOperations } from './risk.ts'
import { serviceOperations } from './service.ts'
import { signalOperations } from './signals.ts'
import { streamOperations } from './streams.ts'
import { subjectOperations } from './subjects.ts'
import { systemLogOperations } from './system-log.ts'

/** All operations of the hub: source of the route table, the OpenAPI document and typed clients. */
export const operations = {
  ...intakeOperations,
  ...providerOperations,
  ...streamOperations,
  ...signalOperations,
  ...subjectOperations,
  ...erasureOperations,
  ...riskOperations,
  ...evaluationOperations,
  ...systemLogOperations,
  ...oauthOperations,
  ...serviceOperations,
}

export type AllOperations = typeof operations
/** `GET /v1/signals/:id` */
export type KnownOperation = keyof AllOperations
