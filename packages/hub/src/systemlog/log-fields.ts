/** `value`: has no members. `open`: may have any members. A list counts as its elements. */
type Shape = 'value' | 'open' | { readonly [name: string]: Shape }

function values(...names: readonly string[]): Readonly<Record<string, 'value'>> {
  return Object.fromEntries(names.map((name) => [name, 'value' as const]))
}

const geographicalContext: Shape = {
  ...values('city', 'state', 'country', 'postalCode'),
  geolocation: values('lat', 'lon'),
}
const ipDetails: Shape = {
  ...values('asNumber', 'asOrg', 'domain', 'isp'),
  ipServiceCategories: values('isAnonymous', 'operator', 'type'),
}
const entity = { ...values('id', 'type', 'alternateId', 'displayName'), detailEntry: 'open' } as const

/** All members of Okta's LogEvent, including those that Watchbell never fills: a filter on them is valid (OKTA §6.4). */
const logEvent: Shape = {
  ...values('displayMessage', 'eventType', 'legacyEventType', 'published', 'severity', 'uuid', 'version'),
  actor: entity,
  client: {
    ...values('zone', 'device', 'id', 'ipAddress'),
    userAgent: values('rawUserAgent', 'os', 'browser'),
    geographicalContext,
  },
  device: 'open',
  authenticationContext: {
    ...values('authenticationProvider', 'credentialProvider', 'credentialType', 'interface'),
    ...values('authenticationStep', 'rootSessionId', 'externalSessionId'),
    issuer: values('id', 'type'),
  },
  outcome: values('result', 'reason'),
  securityContext: {
    ...values('asNumber', 'asOrg', 'isp', 'domain', 'isProxy'),
    risk: values('detectionName', 'issuer', 'level', 'previousLevel', 'reasons'),
    ipDetails,
    userBehaviors: values('id', 'name', 'result'),
    botProtection: values('level'),
  },
  debugContext: { debugData: 'open' },
  transaction: { ...values('type', 'id'), detail: 'open' },
  request: { ipChain: { ...values('ip', 'version', 'source'), geographicalContext, ipDetails } },
  target: { ...entity, changeDetails: { from: 'open', to: 'open' } },
}

/** The field at the end of a path. */
export interface LogField {
  /** The path with every name spelled as in entries. */
  readonly path: string
  /** Has members, so it cannot be compared. */
  readonly isObject: boolean
}

/** The field of this name, also in the snake_case of Okta's samples (`event_type`); undefined when there is none. */
export function findLogField(name: string): LogField | undefined {
  let shape: Shape = logEvent
  let within = false
  const path: string[] = []
  for (const part of name.split('.')) {
    if (part === '' || shape === 'value') return undefined
    if (shape === 'open') {
      within = true
      path.push(part)
      continue
    }
    const member: string = Object.hasOwn(shape, part) ? part : camelCase(part)
    const next: Shape | undefined = Object.hasOwn(shape, member) ? shape[member] : undefined
    if (next === undefined) return undefined
    path.push(member)
    shape = next
  }
  return { path: path.join('.'), isObject: shape === 'open' ? !within : shape !== 'value' }
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
