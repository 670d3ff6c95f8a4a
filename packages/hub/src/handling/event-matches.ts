import { statementOfEvent } from '../risk/event-statement.ts'
import { claimsOf } from '../risk/statement-names.ts'
import { createRiskRules } from '../risk/risk-rules.ts'
import type { Signal } from '../signals/signal.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'

/** Whether an event was applied to the subject that it is about. */
export interface EventMatch {
  /** Undefined while the signal waits for the handler, and for event types that have no subject. */
  readonly matched: boolean | undefined
  /** Why the event was not matched. */
  readonly reason: string | undefined
  /** Whether the event was handled and changed nothing for any subject. */
  readonly aboutNobody: boolean
}

const waiting: EventMatch = { matched: undefined, reason: undefined, aboutNobody: false }
const aboutStream: EventMatch = {
  matched: undefined,
  reason: 'the event is about the stream itself, not about a subject with a risk level',
  aboutNobody: true,
}
/** Without overrides: they change levels, never the subject of an event. */
const rules = createRiskRules([])

/**
 * Finds for each event of the signals whether it was matched. The handler stored most of the answer; later signals can
 * change whether an event's claims are believed, so that part is read now.
 */
export async function matchesOf(
  subjects: Pick<SubjectStore, 'claims'>,
  signals: readonly Signal[],
): Promise<readonly (readonly EventMatch[])[]> {
  const read = signals.map((signal) => ({
    signal,
    claims: signal.events.map((event, index) => claimsOfEvent(signal, event, index)),
  }))
  const keys = read.flatMap(({ claims }) => claims.flatMap((keys) => keys ?? []))
  const known = keys.length === 0 ? [] : await subjects.claims([...new Set(keys)])
  const refused = new Map(
    known.flatMap(({ key, refused }) => (refused === undefined ? [] : [[key, refused] as const])),
  )
  return read.map(({ signal, claims }) =>
    claims.map((keys, index): EventMatch => {
      if (signal.outcome !== 'handled') return waiting
      const settled = signal.unmatched.find(({ event }) => event === index)
      if (settled !== undefined) return { matched: false, reason: settled.reason, aboutNobody: true }
      if (keys === undefined) return aboutStream
      const refusal = keys.map((key) => refused.get(key)).find((reason) => reason !== undefined)
      return refusal === undefined
        ? { matched: true, reason: undefined, aboutNobody: false }
        : {
            matched: false,
            reason: `its identifiers contradict others, so it counts for each identifier separately: ${refusal}`,
            aboutNobody: false,
          }
    }),
  )
}

/** @returns undefined for an event without a subject */
function claimsOfEvent(
  { id, providerId = '', iss = '', issuedAt, receivedAt }: Signal,
  event: Signal['events'][number],
  index: number,
): readonly string[] | undefined {
  const origin = {
    id,
    provider: { id: providerId, issuer: iss },
    issuedAt: issuedAt ?? receivedAt,
    receivedAt,
  }
  const read = statementOfEvent(rules, origin, event, index)
  if (read === undefined || 'unmatched' in read) return undefined
  return claimsOf(read.statement).map(({ key }) => key)
}
