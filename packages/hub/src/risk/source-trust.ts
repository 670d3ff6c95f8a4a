import type { FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import { domainOf, formatOf, kindOf, scopeOf, valueOf, type Identifier } from '../subjects/identifier.ts'
import { domainIn, normaliseDomain } from '../subjects/email.ts'

/** What a security events provider may state, whatever its action. Explained in docs/trust.md. */
export interface SourceTrust {
  /** The subjects and event types that it may send. Undefined members do not limit. */
  readonly speaksOf: {
    /** Domains of email addresses, accounts and sign-in names, in lower case. */
    readonly domains: readonly string[] | undefined
    /** Issuers of ids that have one. */
    readonly issuers: readonly string[] | undefined
    /** URIs of event types. */
    readonly events: readonly string[] | undefined
  }
  /** Identifiers that it may join, part and end although other sources vouch for them. */
  readonly joins: {
    readonly everything: boolean
    readonly domains: readonly string[]
    readonly issuers: readonly string[]
  }
  /** Of two sources that contradict each other the lower number wins; sources without one come last, the oldest first. */
  readonly precedence: number | undefined
}

/** The trust of a new provider, as at Okta: it may speak of all subjects, and join nothing that others vouch for. */
export const defaultTrust: SourceTrust = {
  speaksOf: { domains: undefined, issuers: undefined, events: undefined },
  joins: { everything: false, domains: [], issuers: [] },
  precedence: undefined,
}

/**
 * Whether a source may speak of an identifier. With limited domains or issuers, identifiers that have neither are excluded. A
 * user's id that reads as an email address needs its domain, too: a question that names the address finds the id.
 */
export function maySpeakOf({ speaksOf: { domains, issuers } }: SourceTrust, identifier: Identifier): boolean {
  if (domains === undefined && issuers === undefined) return true
  const scope = scopeOf(identifier)
  if (scope !== undefined) {
    const isOfIssuer = issuers === undefined || issuers.includes(scope)
    const domain = domains && kindOf(identifier) === 'user' ? domainIn(valueOf(identifier)) : undefined
    return isOfIssuer && (domain === undefined || domains?.includes(domain) === true)
  }
  const domain = domainOf(identifier)
  if (domain !== undefined) return domains === undefined || domains.includes(domain)
  return false
}

/** Whether a source may send events of a type. */
export function maySend({ speaksOf: { events } }: SourceTrust, eventType: string): boolean {
  return events === undefined || events.includes(eventType)
}

/** Whether a source may join, part and end an identifier that others vouch for. */
export function mayJoin({ joins }: SourceTrust, identifier: Identifier): boolean {
  if (joins.everything) return true
  const scope = scopeOf(identifier)
  if (scope !== undefined) return joins.issuers.includes(scope)
  const domain = domainOf(identifier)
  return domain !== undefined && joins.domains.includes(domain)
}

/** The message for a statement about an identifier that its source may not speak of. */
export function outsideItsLimits(identifier: Identifier): string {
  const format = kindOf(identifier) === 'address' ? 'ip' : formatOf(identifier)
  return `its provider may not speak of this subject (${format})`
}

const listMax = 1_000
const textMax = 2_048

/**
 * Reads `{speaks_of: {domains, issuers, events}, joins: {everything, domains, issuers}, precedence}`. Missing and null
 * members get their value of `defaultTrust`.
 * @throws HubError `request.invalid` with every problem
 */
export function readSourceTrust(body: JsonValue | undefined): SourceTrust {
  const problems: FieldProblem[] = []
  const refuse = (field: string, message: string): void => void problems.push({ field, message })
  if (!isJsonObject(body))
    throw invalidFields('request.invalid', [{ field: '', message: 'The body must be a JSON object' }])
  const knownIn = (object: JsonObject, known: readonly string[], within: string): void => {
    for (const name of Object.keys(object)) {
      if (!known.includes(name))
        refuse(`${within}${name}`, `There is no such member; known are ${known.join(', ')}`)
    }
  }
  const part = (name: string): JsonObject => {
    const value = body[name]
    if (value === undefined || value === null) return {}
    if (isJsonObject(value)) return value
    refuse(name, 'It must be an object')
    return {}
  }
  const texts = (
    object: JsonObject,
    field: string,
    check: (text: string) => string | undefined,
  ): readonly string[] | undefined => {
    const value = object[field.slice(field.indexOf('.') + 1)]
    if (value === undefined || value === null) return undefined
    if (!isJsonArray(value) || value.length > listMax) {
      refuse(field, `It must be an array of at most ${listMax} strings`)
      return undefined
    }
    return value.flatMap((text, at) => {
      const read = typeof text === 'string' && text !== '' && text.length <= textMax ? check(text) : undefined
      if (read === undefined) refuse(`${field}[${at}]`, describe(field))
      return read ?? []
    })
  }
  knownIn(body, ['speaks_of', 'joins', 'precedence'], '')
  const speaksOf = part('speaks_of')
  const joins = part('joins')
  knownIn(speaksOf, ['domains', 'issuers', 'events'], 'speaks_of.')
  knownIn(joins, ['everything', 'domains', 'issuers'], 'joins.')
  const asItIs = (text: string): string => text
  const trust: SourceTrust = {
    speaksOf: {
      domains: texts(speaksOf, 'speaks_of.domains', readDomain),
      issuers: texts(speaksOf, 'speaks_of.issuers', asItIs),
      events: texts(speaksOf, 'speaks_of.events', (text) => (URL.canParse(text) ? text : undefined)),
    },
    joins: {
      everything: joins['everything'] === true,
      domains: texts(joins, 'joins.domains', readDomain) ?? [],
      issuers: texts(joins, 'joins.issuers', asItIs) ?? [],
    },
    precedence: undefined,
  }
  const { everything } = joins
  if (everything !== undefined && everything !== null && typeof everything !== 'boolean')
    refuse('joins.everything', 'It must be true or false')
  const { precedence } = body
  const isPlace = typeof precedence === 'number' && Number.isInteger(precedence) && precedence >= 1
  if (precedence !== undefined && precedence !== null && !(isPlace && precedence <= 1_000_000))
    refuse('precedence', 'It must be a whole number from 1 to 1000000')
  if (problems.length > 0) throw invalidFields('request.invalid', problems)
  return isPlace ? { ...trust, precedence } : trust
}

function describe(field: string): string {
  if (field.endsWith('domains')) return 'It must be a domain, such as corp.example'
  return field.endsWith('events') ? 'It must be the URI of an event type' : 'It must be an issuer'
}

function readDomain(text: string): string | undefined {
  const domain = normaliseDomain(text)
  return /^[^\s@/:]+$/.test(domain) ? domain : undefined
}

/** The trust as the API shows it and as it is stored. */
export function trustBody({ speaksOf, joins, precedence }: SourceTrust) {
  return {
    speaks_of: {
      domains: speaksOf.domains ?? null,
      issuers: speaksOf.issuers ?? null,
      events: speaksOf.events ?? null,
    },
    joins: { everything: joins.everything, domains: joins.domains, issuers: joins.issuers },
    precedence: precedence ?? null,
  }
}
