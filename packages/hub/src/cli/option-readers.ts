import { InvalidArgumentError } from 'commander'
import { isJsonObject, type JsonObject } from '@watchbell/receiver/base'

/** A whole number from `min` to `max`, for commander's options. */
export function integerFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** A JSON object, for commander's options. */
export function jsonObject(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(
      `It is not JSON: ${error instanceof Error ? error.message : String(error)}.`,
    )
  }
  if (isJsonObject(value)) return value
  throw new InvalidArgumentError('It must be a JSON object, such as {"reason_admin":{"en":"Stolen"}}.')
}

/** Gathers an option that may be given several times, or once with several words. */
export function gatherList(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(/[\s,]+/).filter((word) => word !== '')]
}

export interface Listen {
  readonly host: string
  readonly port: number
}

/** `host:port` or `:port`; an IPv6 address stands in brackets. */
export function listenAddress(text: string): Listen {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError('It must be host:port, such as 127.0.0.1:9000; port 0 takes a free one.')
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}

/** Subject formats with one member that is the identifier itself (RFC 9493 §3.2), by the word before the colon. */
const subjectMembers: ReadonlyMap<string, readonly [format: string, member: string]> = new Map([
  ['email', ['email', 'email']],
  ['phone', ['phone_number', 'phone_number']],
  ['phone_number', ['phone_number', 'phone_number']],
  ['opaque', ['opaque', 'id']],
  ['account', ['account', 'uri']],
  ['uri', ['uri', 'uri']],
  ['did', ['did', 'url']],
])

/** `email:ada@example.com` and the like, as a subject identifier. */
export function subjectIdentifier(text: string): JsonObject {
  const at = text.indexOf(':')
  const [format, member] = subjectMembers.get(text.slice(0, at)) ?? []
  const value = text.slice(at + 1)
  if (format === undefined || member === undefined || value === '') {
    throw new InvalidArgumentError(
      `It must be FORMAT:VALUE with one of ${[...subjectMembers.keys()].join(', ')}, such as email:ada@example.com; ` +
        '--subject-json takes all others.',
    )
  }
  // Schemes of these formats may be written once: account:ada@example.com is acct:ada@example.com.
  if (format === 'account' && !value.startsWith('acct:')) return { format, uri: `acct:${value}` }
  if (format === 'did' && !value.startsWith('did:')) return { format, url: `did:${value}` }
  return { format, [member]: value }
}

/** An ISO 8601 time, or how long ago: `15m`, `2h`, `3d`. */
export function timeAsIso(now: () => Date): (text: string) => string {
  return (text) => {
    const time = timeFrom(text, now(), -1)
    if (time !== undefined) return time.toISOString()
    throw new InvalidArgumentError(
      'It must be a time such as 2026-01-31T12:00:00Z, or how long ago: 90s, 15m, 2h, 3d.',
    )
  }
}

/** An ISO 8601 time to come, or how long until then: `12h`, `90d`. */
export function timeAhead(now: () => Date): (text: string) => Date {
  return (text) => {
    const time = timeFrom(text, now(), 1)
    if (time !== undefined && time > now()) return time
    throw new InvalidArgumentError(
      'It must be a time to come such as 2027-01-31T12:00:00Z, or how long until then: 90s, 15m, 12h, 90d.',
    )
  }
}

function timeFrom(text: string, now: Date, direction: 1 | -1): Date | undefined {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (amount !== undefined && unit !== undefined) {
    return new Date(now.getTime() + direction * Number(amount) * (unitMs[unit] ?? 0))
  }
  const time = new Date(/^\d{4}-\d{2}-\d{2}/.test(text) ? text : Number.NaN)
  return Number.isNaN(time.getTime()) ? undefined : time
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
