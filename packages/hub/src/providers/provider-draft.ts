import { HubError, type FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { impersonates, nameImpersonates } from '../base/impersonation.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'

/** The wanted state of a provider. Only readProviderDraft makes one from outside data. */
export interface ProviderDraft {
  readonly name: string
  readonly type: string
  readonly settings: DraftSettings
}

/** The two shapes of `settings` (OKTA-R23 to OKTA-R25). */
export type DraftSettings =
  | { readonly wellKnownUrl: string }
  | { readonly wellKnownUrl?: never; readonly issuer: string; readonly jwksUrl: string }

/** In characters (OKTA-R20 to OKTA-R25). */
export const providerLimits = { nameMax: 100, typeMax: 255, issuerMax: 700, urlMax: 1000 } as const

/** Why a URL would not be fetched, judged by its text; undefined when it would. See urlProblem in base/. */
export type UrlProblem = (url: string) => string | undefined

/**
 * Reads the body of create and replace (OKTA-R20 to OKTA-R29). Strings are kept as given. Unknown members, and
 * `id`, `status` and `_links` of an object that was fetched before, are ignored (OKTA-R26, OKTA-A5). When `well_known_url` is
 * given it wins: issuer and JWKS URL are resolved from it again, and other settings are ignored (OKTA-R27).
 *
 * @throws HubError `provider.invalid` with every problem, worded as Okta does (OKTA-R60, OKTA-X1)
 */
export function readProviderDraft(body: JsonValue, urlProblem: UrlProblem): ProviderDraft {
  if (!isJsonObject(body)) throw invalidProvider([{ field: '', message: 'The body must be a JSON object' }])
  const problems: FieldProblem[] = []
  const name = readText(body, 'name', providerLimits.nameMax, problems)
  if (impersonates(name)) problems.push({ field: 'name', message: nameImpersonates })
  const type = readText(body, 'type', providerLimits.typeMax, problems)
  const settings = readSettings(body['settings'], urlProblem, problems)
  if (problems.length > 0) throw invalidProvider(problems)
  return { name, type, settings }
}

/** `provider.invalid` with its problems, also as its detail. */
export function invalidProvider(problems: readonly FieldProblem[], cause?: unknown): HubError {
  return invalidFields('provider.invalid', problems, cause)
}

function readSettings(
  settings: JsonValue | undefined,
  urlProblem: UrlProblem,
  problems: FieldProblem[],
): DraftSettings {
  const shapes = 'Give well_known_url, or issuer and jwks_url'
  if (settings === undefined || settings === null) {
    problems.push({ field: 'settings', message: blank })
  } else if (!isJsonObject(settings)) {
    problems.push({
      field: 'settings',
      message: `The field settings is not valid. It must be an object. ${shapes}`,
    })
  } else if (!['well_known_url', 'issuer', 'jwks_url'].some((member) => isGiven(settings[member]))) {
    problems.push({ field: 'settings', message: `The field settings is not valid. ${shapes}` })
  } else if (isGiven(settings['well_known_url'])) {
    return { wellKnownUrl: readUrl(settings, 'well_known_url', urlProblem, problems) }
  } else {
    const issuer = readText(settings, 'issuer', providerLimits.issuerMax, problems, 'settings.')
    return { issuer, jwksUrl: readUrl(settings, 'jwks_url', urlProblem, problems) }
  }
  return { wellKnownUrl: '' } // never returned: there is a problem
}

const blank = 'The field cannot be left blank'

/** Null and blank strings count as not given (OKTA-R27). */
function isGiven(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null && (typeof value !== 'string' || value.trim() !== '')
}

function readUrl(
  settings: JsonObject,
  name: string,
  urlProblem: UrlProblem,
  problems: FieldProblem[],
): string {
  const before = problems.length
  const url = readText(settings, name, providerLimits.urlMax, problems, 'settings.')
  if (problems.length > before) return url
  const reason = urlProblem(url)
  if (reason !== undefined)
    problems.push({ field: `settings.${name}`, message: `${name} is not valid: ${reason}` })
  return url
}

/** @returns the member as given, or '' after adding its problem. */
function readText(
  from: JsonObject,
  name: string,
  charactersMax: number,
  problems: FieldProblem[],
  prefix = '',
): string {
  const value = from[name]
  const message = !isGiven(value) ? blank : textProblem(name, value, charactersMax)
  if (message === undefined && typeof value === 'string') return value
  problems.push({ field: prefix + name, message: message ?? blank })
  return ''
}

function textProblem(name: string, value: JsonValue | undefined, charactersMax: number): string | undefined {
  if (typeof value !== 'string') return `The field ${name} is not valid. It must be a string`
  if (value.length > charactersMax)
    return `The field is too long. It may have ${charactersMax} characters at most`
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
    return `The field ${name} is not valid. It must not contain control characters`
  }
  return undefined
}
