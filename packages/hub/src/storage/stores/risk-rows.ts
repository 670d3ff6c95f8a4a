import { riskLevels } from '../../risk/risk-level.ts'
import type { RiskReason } from '../../risk/risk-reason.ts'
import type { EndedStatement, KnownAbout } from '../../risk/risk-state.ts'
import type { Identifier } from '../../subjects/identifier.ts'
import { forGood, type Membership } from '../../subjects/subject-store.ts'
import type { EndingRow, MembershipRow, RiskReasonRow } from '../sql/schema.ts'

export function reasonOf(row: Omit<RiskReasonRow, 'node'>, identifier: Identifier): RiskReason {
  return {
    id: row.id,
    identifier,
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
    dismissedAt: row.dismissed_at === null ? undefined : new Date(row.dismissed_at),
  }
}

export function membershipOf({ node, source, lasts_until, root }: MembershipRow): Membership {
  return { node, source, until: lasts_until, root }
}

export type RecycledRow = Pick<EndingRow, 'node' | 'source' | 'ended_at' | 'everybody'>

function endedStatementOf({ node, source, ended_at, everybody }: RecycledRow): EndedStatement {
  return { node, source, at: new Date(ended_at), everybody: everybody === 1 }
}

/** Rows about several entities: of their identifiers, and of identifiers that some source identifies with one of them. */
export interface RowsAbout {
  /** With identifiers; of more than one entity. */
  readonly identifierOf: ReadonlyMap<number, Identifier>
  readonly memberships: readonly MembershipRow[]
  readonly recycled: readonly RecycledRow[]
  readonly reasons: readonly RiskReasonRow[]
}

/** Selects the rows about one entity, by its nodes, from rows about several. */
export function aboutEntities({
  identifierOf,
  memberships,
  recycled,
  reasons,
}: RowsAbout): (nodes: Iterable<number>) => KnownAbout {
  const members = memberships.map(membershipOf)
  const membersOf = Map.groupBy(members, ({ node }) => node)
  const rootText = ({ source, root }: Membership): string => `${root}\0${source}`
  const byRoot = Map.groupBy(members, rootText)
  const reasonsOf = Map.groupBy(reasons, ({ node }) => node)
  const endedOf = Map.groupBy(recycled.map(endedStatementOf), ({ node }) => node)
  return (own) => {
    const nodes = new Set(own)
    const all = new Set(nodes)
    for (const node of nodes) {
      for (const member of membersOf.get(node) ?? []) {
        if (member.until !== forGood) continue
        for (const other of byRoot.get(rootText(member)) ?? []) all.add(other.node)
      }
    }
    const each = [...all]
    return {
      nodes,
      memberships: each.flatMap((node) => membersOf.get(node) ?? []),
      ended: each.flatMap((node) => endedOf.get(node) ?? []),
      reasons: each.flatMap((node) =>
        (reasonsOf.get(node) ?? []).map((row) => ({
          node,
          reason: reasonOf(row, identifierOf.get(node) ?? ''),
        })),
      ),
    }
  }
}
