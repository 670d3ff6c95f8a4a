import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'

/** One entry of the System Log in Okta's shape, its members in the order of real entries (OKTA §6.4, OKTA-L40–OKTA-L46). */
export interface LogEvent {
  readonly actor: LogActor
  /** The HTTP caller; null when there was none. */
  readonly client: LogClient | null
  readonly device: null
  readonly authenticationContext: null
  readonly displayMessage: string
  readonly eventType: string
  readonly outcome: { readonly result: LogResult; readonly reason: string | null }
  /** ISO 8601 in UTC with milliseconds (OKTA-A2). */
  readonly published: string
  readonly securityContext: null
  readonly severity: LogSeverity
  readonly debugContext: { readonly debugData: JsonObject }
  readonly legacyEventType: string | null
  readonly transaction: LogTransaction
  readonly uuid: string
  readonly version: '0'
  readonly request: { readonly ipChain: readonly LogIpAddress[] }
  readonly target: readonly LogTarget[] | null
}

/** OKTA-L41. */
export type LogResult =
  | 'SUCCESS'
  | 'FAILURE'
  | 'SKIPPED'
  | 'ALLOW'
  | 'DENY'
  | 'CHALLENGE'
  | 'UNKNOWN'
  | 'RATE_LIMIT'
  | 'DEFERRED'
  | 'SCHEDULED'
  | 'ABANDONED'
  | 'UNANSWERED'

/** OKTA-L42. */
export type LogSeverity = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'

/** OKTA-L40. */
export interface LogActor {
  readonly id: string
  readonly type: string
  readonly alternateId: string
  readonly displayName: string
  /** JSON. */
  readonly detailEntry: object | null
}

export interface LogTarget extends LogActor {
  readonly changeDetails?: { readonly from: JsonObject; readonly to: JsonObject }
}

export interface LogClient {
  readonly userAgent: { readonly rawUserAgent: string; readonly os: string; readonly browser: string } | null
  readonly zone: null
  readonly device: string
  /** The service app, when it was the caller. */
  readonly id: string | null
  readonly ipAddress: string | null
  readonly geographicalContext: null
}

/** OKTA-L43. */
export interface LogTransaction {
  readonly type: 'WEB' | 'JOB'
  readonly id: string
  readonly detail: JsonObject | null
}

export interface LogIpAddress {
  readonly ip: string
  readonly geographicalContext: null
  readonly version: 'V4' | 'V6'
  readonly source: null
}

/** The facts of an entry; the other members are derived. */
export interface LogFacts {
  readonly eventType: string
  readonly displayMessage: string
  readonly by: Actor
  readonly target: readonly LogTarget[] | null
  readonly debugData: JsonObject
  /** Shared by entries of one job that no HTTP request caused, such as the id of a signal. */
  readonly job?: string
  readonly legacyEventType?: string
  /** SUCCESS unless given. */
  readonly outcome?: LogEvent['outcome']
  /** INFO unless given. WARN: an operator should look; ERROR: something no longer works (OKTA-L42). */
  readonly severity?: LogSeverity
}

/** Okta's value for a missing `alternateId`. */
export const noAlternateId = 'unknown'

/** An entry for something that was done. */
export function logEvent(world: Pick<World, 'now' | 'newUuid'>, facts: LogFacts): LogEvent {
  const { by } = facts
  const uuid = world.newUuid()
  return {
    actor: {
      id: by.id,
      type: by.type,
      alternateId: by.alternateId ?? noAlternateId,
      displayName: by.displayName,
      detailEntry: null,
    },
    client: clientOf(by),
    device: null,
    authenticationContext: null,
    displayMessage: facts.displayMessage,
    eventType: facts.eventType,
    outcome: facts.outcome ?? { result: 'SUCCESS', reason: null },
    published: world.now().toISOString(),
    securityContext: null,
    severity: facts.severity ?? 'INFO',
    debugContext: { debugData: facts.debugData },
    legacyEventType: facts.legacyEventType ?? null,
    transaction: {
      type: by.requestId === undefined ? 'JOB' : 'WEB',
      id: by.requestId ?? facts.job ?? uuid,
      detail: null,
    },
    uuid,
    version: '0',
    request: { ipChain: by.ip === undefined ? [] : [ipAddress(by.ip)] },
    target: facts.target,
  }
}

/** The caller chooses its User-Agent, and every call may be an entry: so it is cut. */
const userAgentCharsMax = 500

function clientOf({ id, type, ip, userAgent }: Actor): LogClient | null {
  if (ip === undefined && userAgent === undefined) return null
  return {
    userAgent:
      userAgent === undefined
        ? null
        : { rawUserAgent: userAgent.slice(0, userAgentCharsMax), os: 'Unknown', browser: 'UNKNOWN' },
    zone: null,
    device: 'Unknown',
    id: type === serviceAppType ? id : null,
    ipAddress: ip ?? null,
    geographicalContext: null,
  }
}

/** Okta's name for a service app, as actor and as target. */
export const serviceAppType = 'PublicClientApp'

function ipAddress(ip: string): LogIpAddress {
  return { ip, geographicalContext: null, version: ip.includes(':') ? 'V6' : 'V4', source: null }
}
