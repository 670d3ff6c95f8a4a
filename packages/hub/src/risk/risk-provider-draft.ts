import { HubError, type FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { impersonates, nameImpersonates } from '../base/impersonation.ts'
import { isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import { riskActions, type RiskAction } from './risk-action.ts'

/** The body of a create or replace request. Only readRiskProviderDraft makes one from outside data. */
export interface RiskProviderDraft {
  readonly name: string
  readonly clientId: string
  readonly action: RiskAction
}

/** In characters (OKTA-K20). Client ids have 20. */
export const riskProviderLimits = { nameMax: 50, clientIdMax: 100 } as const

const actionDefault: RiskAction = 'log_only'
const blank = 'The field cannot be left blank'

/**
 * Reads the body of create and replace (OKTA-K20 to OKTA-K22). A missing action is `log_only`, also in a replacement. Other
 * members, such as `id`, `created`, `lastUpdated` and `_links`, are ignored (OKTA-K23, OKTA-A5).
 *
 * @throws HubError `risk_provider.invalid` with every problem (OKTA-X1, OKTA-X5)
 */
export function readRiskProviderDraft(body: JsonValue | undefined): RiskProviderDraft {
  if (!isJsonObject(body)) {
    throw invalidRiskProvider([{ field: '', message: 'The body must be a JSON object' }])
  }
  const problems: FieldProblem[] = []
  const text = (field: 'name' | 'clientId', charactersMax: number): string => {
    const value = body[field]
    const message = textProblem(field, value, charactersMax)
    if (message !== undefined) problems.push({ field, message })
    return typeof value === 'string' ? value : ''
  }
  const name = text('name', riskProviderLimits.nameMax)
  if (impersonates(name)) problems.push({ field: 'name', message: nameImpersonates })
  const clientId = text('clientId', riskProviderLimits.clientIdMax)
  const given = body['action'] ?? actionDefault
  const action = riskActions.find((known) => known === given)
  if (action === undefined) {
    problems.push({
      field: 'action',
      message: `${shown(given)} is not one of the allowed values: ${riskActions.join(', ')}`,
    })
  }
  if (problems.length > 0 || action === undefined) throw invalidRiskProvider(problems)
  return { name, clientId, action }
}

/** `risk_provider.invalid` with its problems. */
export function invalidRiskProvider(problems: readonly FieldProblem[]): HubError {
  return invalidFields('risk_provider.invalid', problems)
}

function textProblem(field: string, value: JsonValue | undefined, charactersMax: number): string | undefined {
  if (value === undefined || value === null) return blank
  if (typeof value !== 'string') return `The field ${field} is not valid. It must be a string`
  if (value.trim() === '') return blank
  if (value.length > charactersMax)
    return `The field is too long. It may have ${charactersMax} characters at most`
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
    return `The field ${field} is not valid. It must not contain control characters`
  }
  return undefined
}

function shown(value: JsonValue): string {
  return typeof value === 'string' ? `'${value.slice(0, 30)}'` : 'A value that is not a string'
}
