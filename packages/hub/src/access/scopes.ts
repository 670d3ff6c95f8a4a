/** All scopes: Okta's names where Okta has one, otherwise names that begin with `watchbell.`. */
export const scopes = [
  'okta.securityEventsProviders.read',
  'okta.securityEventsProviders.manage',
  'okta.logs.read',
  'okta.riskProviders.read',
  'okta.riskProviders.manage',
  'okta.riskEvents.manage',
  'okta.userRisk.read',
  'okta.userRisk.manage',
  'okta.clients.read',
  'okta.clients.manage',
  'watchbell.signals.read',
  'watchbell.subjects.read',
  'watchbell.subjects.manage',
  'watchbell.providers.manage',
  'watchbell.streams.read',
  'watchbell.streams.manage',
  'watchbell.access.evaluate',
] as const
export type Scope = (typeof scopes)[number]

const known: ReadonlySet<string> = new Set(scopes)

export function isScope(text: string): text is Scope {
  return known.has(text)
}

/** The names in a space-separated list (RFC 6749 §3.3), each once, in their order. */
export function scopeNames(text: string): readonly string[] {
  return [...new Set(text.split(' ').filter((name) => name !== ''))]
}

/** Whether one of the scopes is the needed one, or the `.manage` of a needed `.read`. */
export function permits(held: readonly Scope[], needed: Scope): boolean {
  const managing = needed.replace(/\.read$/, '.manage')
  return held.some((scope) => scope === needed || scope === managing)
}

/** Whether an API token with the role `read_only` has the scope: it reads anything and requests decisions, and changes nothing. */
export function onlyReads(scope: Scope): boolean {
  return scope.endsWith('.read') || scope === 'watchbell.access.evaluate'
}
