import type { SecurityEvent } from '@watchbell/receiver/events'
import type { RiskLevel } from './risk-level.ts'
import { participationSlot } from './risk-state.ts'

/** What a security event means for risk. */
export interface Detection {
  /** A later statement in the same slot replaces an earlier one of the same source. */
  readonly slot: string
  /** For people. */
  readonly detection: string
  readonly level: RiskLevel
  /** How long it holds from the time of the event, in milliseconds; undefined holds until replaced. */
  readonly holdsMs: number | undefined
}

/** The kind whose risk an event is about when its subject does not say. */
export type About = 'user' | 'device' | 'session'

/** One case of an event type. */
export interface DetectionRule {
  readonly about: About
  /** Undefined when the event says nothing about risk. */
  readonly says: Detection | undefined
  /** Slots whose reasons of the same source the event ends. */
  readonly settles: readonly string[]
}

export const hourMs = 3_600_000
const dayMs = 24 * hourMs

function says(
  level: RiskLevel,
  slot: string,
  detection: string,
  {
    holdsMs,
    about = 'user',
    settles = [],
  }: { holdsMs?: number; about?: About; settles?: readonly string[] } = {},
): DetectionRule {
  return { about, settles, says: { slot, detection, level, holdsMs } }
}

function nothing(about: About = 'user'): DetectionRule {
  return { about, settles: [], says: undefined }
}

const month = { holdsMs: 30 * dayMs }
const day = { holdsMs: dayMs }

/** Prefix of one slot for each type of credential, so that a changed PIN does not end the risk of a leaked password. */
export const compromiseSlot = 'credential-compromise'
const changeRequired = 'credential-change-required'
const changed = { ...day, settles: [compromiseSlot, changeRequired] }

/**
 * What each case of each event type means, unless an administrator overrides it. The table is ours: no specification
 * gives one, and Okta has not published its own (OKTA-Z10, OKTA-E92). docs/risk.md shows it.
 */
export const detectionTable = {
  'okta/user-risk-change/high': says('HIGH', 'user-risk', 'User risk is high', month),
  'okta/user-risk-change/medium': says('MEDIUM', 'user-risk', 'User risk is medium', month),
  'okta/user-risk-change/low': says('LOW', 'user-risk', 'User risk is low', month),
  'okta/user-risk-change/none': says('NONE', 'user-risk', 'User is at no risk'),
  'okta/device-risk-change/high': says('HIGH', 'device-risk', 'Device risk is high', {
    ...month,
    about: 'device',
  }),
  'okta/device-risk-change/medium': says('MEDIUM', 'device-risk', 'Device risk is medium', {
    ...month,
    about: 'device',
  }),
  'okta/device-risk-change/low': says('LOW', 'device-risk', 'Device risk is low', {
    ...month,
    about: 'device',
  }),
  'okta/device-risk-change/none': says('NONE', 'device-risk', 'Device is at no risk', { about: 'device' }),
  'okta/ip-change': says('LOW', 'ip-change', 'Session moved to another address', { holdsMs: hourMs }),
  'caep/risk-level-change/high': says('HIGH', 'risk', 'Risk is high', month),
  'caep/risk-level-change/medium': says('MEDIUM', 'risk', 'Risk is medium', month),
  'caep/risk-level-change/low': says('LOW', 'risk', 'Risk is low', month),
  'caep/device-compliance-change/not-compliant': says(
    'MEDIUM',
    'device-compliance',
    'Device out of compliance',
    { about: 'device' },
  ),
  'caep/device-compliance-change/compliant': says('NONE', 'device-compliance', 'Device in compliance', {
    about: 'device',
  }),
  'caep/session-revoked': says('LOW', 'session-revoked', 'Session revoked', {
    holdsMs: hourMs,
    about: 'session',
  }),
  'caep/session-established': nothing('session'),
  'caep/session-presented': nothing('session'),
  'caep/token-claims-change': nothing(),
  'caep/credential-change/create': says('LOW', 'credential-change', 'Credential added', day),
  'caep/credential-change/update': says('LOW', 'credential-change', 'Credential changed', changed),
  'caep/credential-change/revoke': says('LOW', 'credential-change', 'Credential revoked', changed),
  'caep/credential-change/delete': says('LOW', 'credential-change', 'Credential deleted', changed),
  'caep/assurance-level-change/decrease': says('LOW', 'assurance-level', 'Assurance level decreased', day),
  'caep/assurance-level-change/increase': says('NONE', 'assurance-level', 'Assurance level increased'),
  'caep/assurance-level-change': nothing(),
  'risc/account-credential-change-required': says('MEDIUM', changeRequired, 'Credential must be changed', {
    holdsMs: 7 * dayMs,
  }),
  'risc/account-purged': nothing(),
  'risc/account-disabled/hijacking': says('HIGH', 'account', 'Account disabled: hijacked'),
  'risc/account-disabled': says('MEDIUM', 'account', 'Account disabled'),
  'risc/account-enabled': says('NONE', 'account', 'Account enabled'),
  'risc/identifier-changed': nothing(),
  'risc/identifier-recycled': nothing(),
  'risc/credential-compromise': says('HIGH', compromiseSlot, 'Credential compromised', month),
  'risc/opt-in': says('NONE', participationSlot, 'Opted in'),
  'risc/opt-out-initiated': says('NONE', participationSlot, 'Asked to opt out'),
  'risc/opt-out-cancelled': says('NONE', participationSlot, 'Opt-out cancelled'),
  'risc/opt-out-effective': says('NONE', participationSlot, 'Opted out'),
  'risc/recovery-activated': says('LOW', 'recovery', 'Account recovery began', day),
  'risc/recovery-information-changed': says(
    'LOW',
    'recovery-information',
    'Account recovery information changed',
    day,
  ),
  'risc/sessions-revoked': says('LOW', 'session-revoked', 'Sessions revoked', {
    holdsMs: hourMs,
    about: 'session',
  }),
} as const satisfies Readonly<Record<string, DetectionRule>>

export type DetectionCase = keyof typeof detectionTable

export function isDetectionCase(name: string): name is DetectionCase {
  return Object.hasOwn(detectionTable, name)
}

/** The case of the table that an event is; undefined for events without a subject and for types that the table lacks. */
export function caseOf(event: SecurityEvent): DetectionCase | undefined {
  switch (event.family) {
    case 'ssf':
    case 'scim':
    case 'unknown':
      return undefined
    case 'okta':
      if (event.name === 'ip-change') return 'okta/ip-change'
      return `okta/${event.name}/${event.claims.current_level === 'secure' ? 'none' : event.claims.current_level}`
    case 'risc':
      return event.name === 'account-disabled' && event.claims.reason === 'hijacking'
        ? 'risc/account-disabled/hijacking'
        : `risc/${event.name}`
    case 'caep':
      switch (event.name) {
        case 'risk-level-change':
          return `caep/risk-level-change/${lowered(event.claims.current_level)}`
        case 'device-compliance-change':
          return `caep/device-compliance-change/${event.claims.current_status}`
        case 'credential-change':
          return `caep/credential-change/${event.claims.change_type}`
        case 'assurance-level-change':
          return event.claims.change_direction === undefined
            ? 'caep/assurance-level-change'
            : `caep/assurance-level-change/${event.claims.change_direction}`
        default:
          return `caep/${event.name}`
      }
  }
}

function lowered<Level extends string>(level: Level): Lowercase<Level> {
  return level.toLowerCase() as Lowercase<Level> // true for ASCII
}
