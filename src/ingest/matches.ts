import { newsOfEvent } from '../risk/event-news.ts'
import { claimsOf } from '../risk/names-of-news.ts'
import { createRiskRules } from '../risk/risk-rules.ts'
import type { Signal } from '../signals/signal.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'

/** Whether an event was applied to whom it is about; undefined while it waits, and for events that are about nobody. */
export interface EventMatch {
  readonly matched: boolean | undefined
  /** Why not. */
  readonly reason: string | undefined
}

const open: EventMatch = { matched: undefined, reason: undefined }
/** Overrides change levels, and never whom an event is about. */
const rules = createRiskRules([])

/**
 * Tells of each event of some signals whether it was matched. Most of that was settled when it was handled; whether what
 * it claims of identifiers is believed can change with every later signal, so it is looked up now.
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
      if (signal.outcome !== 'handled') return open
      const settled = signal.unmatched.find(({ event }) => event === index)
      if (settled !== undefined) return { matched: false, reason: settled.reason }
      if (keys === undefined) return open
      const refusal = keys.map((key) => refused.get(key)).find((reason) => reason !== undefined)
      return refusal === undefined
        ? { matched: true, reason: undefined }
        : {
            matched: false,
            reason: `its identifiers contradict others, and it counts for each by itself: ${refusal}`,
          }
    }),
  )
}

/** @returns undefined for an event that is about nobody */
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
  const read = newsOfEvent(rules, origin, event, index)
  if (read === undefined || 'unmatched' in read) return undefined
  return claimsOf(read.news).map(({ key }) => key)
}
