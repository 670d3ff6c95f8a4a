import { reasonsInForce } from '../../risk/risk-state.ts'
import type { EntityRisk, RiskPicture } from '../../risk/risk-reader.ts'
import type { Revocation } from '../../risk/revocation.ts'
import { kindOf, type Asked } from '../../subjects/anchor.ts'
import { reasonOf } from '../risk-store.ts'
import type { RevocationRow, RiskReasonRow } from '../schema.ts'
import type { SqliteConnection } from './connection.ts'

export interface RiskQuestion {
  readonly asked: readonly Asked[]
  readonly now: Date
}

const bareMax = 20
const revocationsMax = 20

type Node = { readonly node: number; readonly anchor: string; readonly recycled_at: number | null }

/** Answers many questions, each with a handful of look-ups by key. @see RiskReader */
export function readRisks(
  connection: SqliteConnection,
  questions: readonly RiskQuestion[],
): readonly RiskPicture[] {
  const statements = {
    byAnchor: connection.prepare('SELECT entity FROM anchors WHERE anchor = ?'),
    byId: connection.prepare('SELECT entity, anchor FROM anchors WHERE id = ?'),
    byBare: connection.prepare('SELECT entity FROM anchors WHERE bare = ? LIMIT ?'),
    oldest: connection.prepare('SELECT node, anchor, id, recycled_at FROM anchors WHERE node = ?'),
    others: connection.prepare(
      'SELECT node, anchor, recycled_at FROM anchors WHERE entity = ? AND entity <> node',
    ),
    reasons: connection.prepare('SELECT * FROM risk_reasons WHERE node = ?'),
    revocations: connection.prepare('SELECT * FROM revocations WHERE node = ?'),
    claimRefused: connection.prepare('SELECT 1 FROM claims WHERE key = ? AND refused IS NOT NULL'),
  }
  // The casts below state the columns of the statements above.
  const believed = (claims: string): boolean =>
    claims === '[]' ||
    (JSON.parse(claims) as readonly string[]).every((key) => statements.claimRefused.get(key) === undefined)

  function entitiesOf({ kind, id, anchors, bare }: Asked): ReadonlySet<number> {
    const entities = new Set<number>()
    const add = (row: unknown) => {
      if (row !== undefined) entities.add((row as { entity: number }).entity)
    }
    for (const anchor of anchors) add(statements.byAnchor.get(anchor))
    const named = statements.byId.get(id) as { entity: number; anchor: string } | undefined
    if (named !== undefined && kindOf(named.anchor) === kind) add(named)
    for (const row of statements.byBare.all(bare, bareMax)) add(row)
    return entities
  }

  function answer({ asked, now }: RiskQuestion): RiskPicture {
    const entities: EntityRisk[] = []
    const nodes = new Map<number, Node>()
    for (const entity of new Set(asked.flatMap((one) => [...entitiesOf(one)]))) {
      const oldest = statements.oldest.get(entity) as (Node & { id: string }) | undefined
      if (oldest === undefined) continue
      const members = [oldest, ...(statements.others.all(entity) as Node[])]
      const reasons = members.flatMap((node) => {
        nodes.set(node.node, node)
        return (statements.reasons.all(node.node) as RiskReasonRow[])
          .filter((row) => row.occurred_at >= (node.recycled_at ?? row.occurred_at) && believed(row.claims))
          .map((row) => reasonOf(row, node.anchor))
      })
      entities.push({ id: oldest.id, kind: kindOf(oldest.anchor), reasons: reasonsInForce(reasons, now) })
    }
    return { entities, revocations: revocationsAmong(nodes) }
  }

  function revocationsAmong(nodes: ReadonlyMap<number, Node>): readonly Revocation[] {
    const found: RevocationRow[] = []
    for (const node of nodes.keys()) {
      for (const row of statements.revocations.all(node) as RevocationRow[]) {
        const members = [row.user_node, row.device_node, row.session_node].filter((member) => member !== 0)
        const holds = members.every((member) => {
          const asked = nodes.get(member)
          return asked !== undefined && row.revoked_at >= (asked.recycled_at ?? row.revoked_at)
        })
        if (holds && believed(row.claims)) found.push(row)
      }
    }
    const anchorOf = (node: number) => nodes.get(node)?.anchor
    return found
      .toSorted((a, b) => b.revoked_at - a.revoked_at)
      .slice(0, revocationsMax)
      .map((row) => ({
        id: row.signal_id,
        user: anchorOf(row.user_node),
        device: anchorOf(row.device_node),
        session: anchorOf(row.session_node),
        revokedAt: new Date(row.revoked_at),
        receivedAt: new Date(row.received_at),
        providerId: row.provider_id,
        signalId: row.signal_id,
        message: row.message ?? undefined,
      }))
  }

  return questions.map(answer)
}
