import type { SecurityEvent } from '@watchbell/receiver/events'
import { subjectTerms } from '@watchbell/receiver/set'

/** What a stored signal can be looked up by. A term is compared whole. */
export const signalTerm = {
  provider: (id: string) => `provider:${id}`,
  issuer: (iss: string) => `iss:${iss}`,
  type: (uri: string) => `type:${uri}`,
  subject: (value: string) => `subject:${value.toLowerCase()}`,
} as const

/** Bounds what one hostile SET can make us index. */
const termsMax = 64

/** Every term of a signal, each once. An event that cannot be read has none, and keeps nothing from the others. */
export function termsOf(signal: {
  readonly provider: { readonly id: string; readonly issuer: string }
  readonly events: readonly SecurityEvent[]
}): readonly string[] {
  const terms = new Set([signalTerm.provider(signal.provider.id), signalTerm.issuer(signal.provider.issuer)])
  for (const term of signal.events.flatMap(termsOfEvent)) terms.add(term)
  return [...terms].slice(0, termsMax)
}

function termsOfEvent(event: SecurityEvent): readonly string[] {
  try {
    const { type, subject } = event
    const values = subject === undefined ? [] : subjectTerms(subject)
    return [signalTerm.type(type), ...values.map(signalTerm.subject)]
  } catch {
    return [] // handling sets it aside and says why
  }
}
