import type { FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import { domainOf, formatOf, kindOf, scopeOf, type Identifier } from '../subjects/identifier.ts'
import { normaliseDomain } from '../subjects/email.ts'

/** What a security events provider may say, beyond what its action makes of it. docs/trust.md explains it. */
export interface SourceTrust {
  /** Of whom and what it may speak. Undefined members limit nothing. */
  readonly speaksOf: {
    /** Of email addresses, accounts and sign-in names; lower case. */
    readonly domains: readonly string[] | undefined
    /** Of ids that mean something to one issuer. */
    readonly issuers: readonly string[] | undefined
    /** URIs of event types. */
    readonly events: readonly string[] | undefined
  }
  /** Whose identifiers it may join, part and end although other sources vouch for them. */
  readonly joins: {
    readonly everything: boolean
    readonly domains: readonly string[]
    readonly issuers: readonly string[]
  }
  /** Of two sources that contradict each other the one with the lower number is right; those without come after, by registration. */
  readonly precedence: number | undefined
}

/** What every provider begins with, as at Okta: it may speak of everybody, and join nothing that others vouch for. */
export const defaultTrust: SourceTrust = {
  speaksOf: { domains: undefined, issuers: undefined, events: undefined },
  joins: { everything: false, domains: [], issuers: [] },
  precedence: undefined,
}

/** Whether a source may speak of an identifier. Where domains or issuers are limited, what has neither is not covered. */
export function maySpeakOf({ speaksOf: { domains, issuers } }: SourceTrust, identifier: Identifier): boolean {
  if (domains === undefined && issuers === undefined) return true
  const scope = scopeOf(identifier)
  if (scope !== undefined) return issuers === undefined || issuers.includes(scope)
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

/** Why a source may not speak of it, in words. */
export function outsideItsLimits(identifier: Identifier): string {
  const format = kindOf(identifier) === 'address' ? 'ip' : formatOf(identifier)
  return `its provider may not speak of this subject (${format})`
}

const listMax = 1_000
const textMax = 2_048

/**
 * Reads `{speaks_of: {domains, issuers, events}, joins: {everything, domains, issuers}, precedence}`. Members that are left
 * out or null are as every provider begins.
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

/** As the API shows it, and as it is stored. */
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
