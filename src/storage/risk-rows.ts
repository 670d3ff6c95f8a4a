import { riskLevels } from '../risk/risk-level.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import type { Anchor } from '../subjects/anchor.ts'
import type { RiskReasonRow } from './schema.ts'

export function reasonOf(row: Omit<RiskReasonRow, 'node' | 'claims'>, anchor: Anchor): RiskReason {
  return {
    id: row.id,
    anchor,
    source: { kind: row.source_kind, id: row.source },
    slot: row.slot,
    detection: row.detection,
    level: riskLevels[row.level] ?? 'NONE',
    message: row.message ?? undefined,
    occurredAt: new Date(row.occurred_at),
    receivedAt: new Date(row.received_at),
    expiresAt: row.expires_at === null ? undefined : new Date(row.expires_at),
    signalId: row.signal_id ?? undefined,
    eventType: row.event_type ?? undefined,
  }
}

/**
 * News of something with several names stands with its main name, always, and with each other one, only while the claim
 * that they name the same is not believed: it then counts for each by itself, and a contradiction makes no risk vanish.
 */
interface Claimed {
  /** JSON array of the keys of such claims; none with the main name. */
  readonly claims: string
}

/** Of most rows there are none. */
const none = JSON.stringify([])

export function claimKeysOf({ claims }: Claimed): readonly string[] {
  return claims === none ? [] : (JSON.parse(claims) as readonly string[]) // as the risk store wrote it
}

/** The claims that any of the rows needs, each once. */
export function claimKeysIn(rows: readonly Claimed[]): readonly string[] {
  return [...new Set(rows.flatMap(claimKeysOf))]
}

/** Whether a row counts, as far as claims go. */
export function countingWhile(refused: readonly { readonly key: string }[]): (row: Claimed) => boolean {
  const keys = new Set(refused.map(({ key }) => key))
  return (row) => row.claims === none || claimKeysOf(row).some((key) => keys.has(key))
}

/** Whether a row is about whom its identifier names now: what happened before it was recycled was about somebody else. */
export function isSinceRecycled(happenedAt: number, recycledAt: number | null): boolean {
  return recycledAt === null || happenedAt >= recycledAt
}
