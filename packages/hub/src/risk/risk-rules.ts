import { isJsonArray, isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import type { SecurityEvent } from '@watchbell/receiver/events'
import {
  caseOf,
  compromiseSlot,
  detectionTable,
  hourMs,
  isDetectionCase,
  type About,
  type Detection,
  type DetectionRule,
} from './detection-table.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'

/** An administrator's rule for an event, instead of the detection table. */
export interface RiskOverride {
  /** A case of the table, or the URI of an event type that the table does not know. */
  readonly event: string
  /** Only from the provider with this issuer; undefined means from all of them. */
  readonly issuer: string | undefined
  readonly level: RiskLevel
  /** In milliseconds; undefined holds until replaced. */
  readonly holdsMs: number | undefined
}

/** What an event says of risk, and of which kind of subject. */
export interface RiskReading {
  readonly about: About
  readonly detections: readonly Detection[]
}

export interface RiskRules {
  /** Reads an event of this issuer; undefined when it is about no subject, as events of SSF are. */
  read(event: SecurityEvent, issuer: string): RiskReading | undefined
}

export function createRiskRules(overrides: readonly RiskOverride[]): RiskRules {
  const byKey = new Map(overrides.map((override) => [keyOf(override.event, override.issuer), override]))
  return {
    read(event, issuer) {
      if (event.family === 'ssf') return undefined
      const known = caseOf(event)
      const name = known ?? event.type
      const rule: DetectionRule =
        known === undefined ? { about: 'user', says: undefined, settles: [] } : detectionTable[known]
      const override = byKey.get(keyOf(name, issuer)) ?? byKey.get(keyOf(name, undefined))
      const said =
        override === undefined
          ? rule.says
          : {
              slot: rule.says?.slot ?? name,
              detection: rule.says?.detection ?? event.name,
              level: override.level,
              holdsMs: override.holdsMs,
            }
      return {
        about: aboutOf(event) ?? rule.about,
        detections: [...(said === undefined ? [] : [said]), ...rule.settles.map(settled)].map((detection) =>
          ofThisEvent(detection, event),
        ),
      }
    },
  }
}

function settled(slot: string): Detection {
  return { slot, detection: 'Credential changed since', level: 'NONE', holdsMs: undefined }
}

/** CAEP's risk-level-change names the kind of its subject in `principal`. */
function aboutOf(event: SecurityEvent): About | undefined {
  if (event.family !== 'caep' || event.name !== 'risk-level-change') return undefined
  switch (event.claims.principal) {
    case 'DEVICE':
      return 'device'
    case 'SESSION':
      return 'session'
    default:
      return 'user'
  }
}

function ofThisEvent(detection: Detection, event: SecurityEvent): Detection {
  if (event.family === 'caep' && event.name === 'risk-level-change') {
    // The same slot as Okta's own types, so that the two replace each other.
    const principal = principals.find((known) => known === event.claims.principal) ?? 'OTHER'
    return { ...detection, slot: `${principal.toLowerCase()}-risk` }
  }
  const type = event.claims['credential_type']
  if (detection.slot !== compromiseSlot || typeof type !== 'string') return detection
  const known = credentialTypes.includes(type) ? type : 'other'
  return { ...detection, slot: `${compromiseSlot}:${known}` }
}

/**
 * Slots are a closed vocabulary: senders cannot add one, so the reasons of one source for one identifier are bounded.
 * CAEP 1.0 §3.8 (principal) and §3.3 (credential_type, whose values RISC 1.0 §2.7 shares).
 */
const principals = ['USER', 'DEVICE', 'SESSION'] as const
const credentialTypes: readonly string[] = [
  'password',
  'pin',
  'x509',
  'fido2-platform',
  'fido2-roaming',
  'fido-u2f',
  'verifiable-credential',
  'phone-voice',
  'phone-sms',
  'app',
]

function keyOf(event: string, issuer: string | undefined): string {
  return JSON.stringify([event, issuer ?? null])
}

const overridesMax = 1_000
const hoursMax = 87_600
const members = ['event', 'issuer', 'level', 'hours']

/**
 * Reads overrides: `{"rules": [{"event": "caep/session-revoked", "issuer": "https://idp.example", "level": "HIGH",
 * "hours": 8}]}`. `issuer` is optional; without `hours` the reason holds until it is replaced.
 * @returns the overrides, or all problems
 */
export function readRiskOverrides(
  value: JsonValue,
):
  | { readonly ok: true; readonly value: readonly RiskOverride[] }
  | { readonly ok: false; readonly problems: readonly string[] } {
  const rules = isJsonObject(value) && Object.keys(value).join() === 'rules' ? value['rules'] : undefined
  if (!isJsonArray(rules))
    return { ok: false, problems: ['it is not an object with `rules`, an array, and nothing else'] }
  if (rules.length > overridesMax) return { ok: false, problems: [`it has more than ${overridesMax} rules`] }
  const problems: string[] = []
  const seen = new Set<string>()
  const overrides = rules.map((rule, at) => {
    const before = problems.length
    const override = readOverride(rule, (problem) => problems.push(`rules[${at}] ${problem}`))
    const key = keyOf(override.event, override.issuer)
    if (problems.length === before && seen.has(key)) problems.push(`rules[${at}] repeats an earlier one`)
    seen.add(key)
    return override
  })
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: overrides }
}

function readOverride(rule: JsonValue, refuse: (problem: string) => void): RiskOverride {
  const given = isJsonObject(rule) ? rule : {}
  if (!isJsonObject(rule)) refuse('is not an object')
  for (const name of Object.keys(given)) {
    if (!members.includes(name)) refuse(`has a member '${name}', which is none of ${members.join(', ')}`)
  }
  const { event, issuer, hours } = given
  const level = riskLevels.find((level) => level === given['level'])
  if (typeof event !== 'string' || !isEventName(event)) {
    refuse(
      'needs `event`: a case of the table, such as caep/session-revoked, or the URI of a type that it does not have',
    )
  }
  if (issuer !== undefined && (typeof issuer !== 'string' || issuer === '')) {
    refuse('has an `issuer` that is no non-empty string')
  }
  if (level === undefined) refuse(`needs \`level\`, one of ${riskLevels.join(', ')}`)
  if (hours !== undefined && (typeof hours !== 'number' || !(hours > 0 && hours <= hoursMax))) {
    refuse(`has \`hours\` that are no number above 0 and up to ${hoursMax}`)
  }
  return {
    event: typeof event === 'string' ? event : '',
    issuer: typeof issuer === 'string' ? issuer : undefined,
    level: level ?? 'NONE',
    holdsMs: typeof hours === 'number' ? Math.round(hours * hourMs) : undefined,
  }
}

/** A case of the table, or a URI. Not the URI of a type that the table has: it would not say which of its cases. */
function isEventName(name: string): boolean {
  if (isDetectionCase(name)) return true
  return /^[a-z][a-z0-9+.-]*:\S+$/i.test(name) && !knownPrefixes.some((prefix) => name.startsWith(prefix))
}

const knownPrefixes = [
  'https://schemas.openid.net/secevent/caep/event-type/',
  'https://schemas.openid.net/secevent/risc/event-type/',
  'https://schemas.openid.net/secevent/ssf/event-type/',
  'https://schemas.okta.com/secevent/okta/event-type/',
]
