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

/** A row that stands and falls with claims. */
interface Claimed {
  /** JSON array of their keys. */
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

/** Whether a row counts, as far as claims go: not while one of them is not believed. */
export function believing(refused: readonly { readonly key: string }[]): (row: Claimed) => boolean {
  const keys = new Set(refused.map(({ key }) => key))
  return (row) => keys.size === 0 || !claimKeysOf(row).some((key) => keys.has(key))
}

/** Whether a row is about whom its identifier names now: what happened before it was recycled was about somebody else. */
export function isSinceRecycled(happenedAt: number, recycledAt: number | null): boolean {
  return recycledAt === null || happenedAt >= recycledAt
}
