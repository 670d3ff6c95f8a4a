import { sql, type Kysely, type RawBuilder } from 'kysely'
import { riskLevels } from '../risk/risk-level.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import type { NewReason, RiskStore } from '../risk/risk-store.ts'
import { formatOf, kindOf, valueOf, type Anchor } from '../subjects/anchor.ts'
import type { AnchorRow, RiskReasonRow, Schema } from './schema.ts'
import { ofEntities } from './subject-store.ts'

export function createRiskStore(db: Kysely<Schema>): RiskStore {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<readonly Row[]> => (await query.execute(db)).rows

  return {
    async states(entities) {
      if (entities.length === 0) return []
      const anchors = await rows(sql<StateRow>`
        SELECT node, anchor, id, entity, level, changes_at FROM anchors WHERE node IN ${ofEntities(entities)} ORDER BY node`)
      const reasons = await rows(sql<StoredRow>`
        SELECT r.*, a.anchor, a.entity, ${counts} AS counts
        FROM risk_reasons r JOIN anchors a USING (node) WHERE r.node IN ${ofEntities(entities)}`)
      const reasonsOf = Map.groupBy(reasons, ({ entity }) => entity)
      return [...Map.groupBy(anchors, ({ entity }) => entity)].flatMap(([entity, members]) => {
        const [oldest] = members
        if (oldest === undefined) return []
        return [
          {
            entity,
            id: oldest.id,
            kind: kindOf(oldest.anchor),
            name: nameOf(members.map(({ anchor }) => anchor)),
            level: oldest.level,
            changesAt: oldest.changes_at === null ? undefined : new Date(oldest.changes_at),
            reasons: (reasonsOf.get(entity) ?? []).map((row) => ({
              node: row.node,
              reason: reasonOf(row, row.anchor),
              claims: JSON.parse(row.claims) as readonly string[], // written by writeReasons
              counts: row.counts === 1,
            })),
          },
        ]
      })
    },

    async writeReasons(reasons) {
      await sql`
        INSERT OR REPLACE INTO risk_reasons (node, source, slot, claims, id, source_kind, detection, level, message,
          occurred_at, received_at, expires_at, signal_id, event_type)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
          value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13
        FROM json_each(${JSON.stringify(reasons.map(reasonColumns))})`.execute(db)
    },

    async addHistory(reasons) {
      const values = reasons.map(({ node, reason }) => [
        node,
        reason.receivedAt.getTime(),
        JSON.stringify(reason),
      ])
      await sql`
        INSERT INTO risk_history (node, received_at, reason)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(values)})`.execute(db)
    },

    async history(entity, limit) {
      const found = await rows(sql<{ reason: string }>`
        SELECT reason FROM risk_history WHERE node IN ${ofEntities([entity])} ORDER BY sequence DESC LIMIT ${limit}`)
      return found.map(({ reason }) => readReason(reason))
    },

    async deleteHistoryBefore(received, max) {
      const { numAffectedRows = 0n } = await sql`
        DELETE FROM risk_history WHERE sequence IN (
          SELECT sequence FROM risk_history WHERE received_at < ${received.getTime()} ORDER BY received_at LIMIT ${max})`.execute(
        db,
      )
      return Number(numAffectedRows)
    },

    async putLevels(levels) {
      const values = levels.map(({ entity, level, changesAt }) => [
        entity,
        level,
        changesAt?.getTime() ?? null,
      ])
      await sql`
        UPDATE anchors SET level = c.value ->> 1, changes_at = c.value ->> 2
        FROM json_each(${JSON.stringify(values)}) c WHERE node = c.value ->> 0`.execute(db)
    },

    async due(now, max) {
      const found = await rows(sql<{ node: number }>`
        SELECT node FROM anchors WHERE changes_at IS NOT NULL AND changes_at <= ${now.getTime()} ORDER BY changes_at LIMIT ${max}`)
      return found.map(({ node }) => node)
    },

    async putRevocations(revocations) {
      const values = revocations.map(({ user = 0, device = 0, session = 0, ...rest }) => [
        session || user || device,
        rest.providerId,
        user,
        device,
        session,
        JSON.stringify(rest.claims),
        rest.revokedAt.getTime(),
        rest.receivedAt.getTime(),
        rest.signalId,
        rest.message ?? null,
      ])
      await sql`
        INSERT INTO revocations (node, provider_id, user_node, device_node, session_node, claims, revoked_at,
          received_at, signal_id, message)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
          value ->> 8, value ->> 9
        FROM json_each(${JSON.stringify(values)}) WHERE true
        ON CONFLICT DO UPDATE SET revoked_at = excluded.revoked_at, received_at = excluded.received_at,
          signal_id = excluded.signal_id, message = excluded.message
          WHERE (excluded.revoked_at, excluded.signal_id) > (revoked_at, signal_id)`.execute(db)
    },

    async deleteRevocationsBefore(received, max) {
      const { numAffectedRows = 0n } = await sql`
        DELETE FROM revocations WHERE (node, provider_id, user_node, device_node, session_node, claims) IN (
          SELECT node, provider_id, user_node, device_node, session_node, claims FROM revocations
          WHERE received_at < ${received.getTime()} ORDER BY received_at LIMIT ${max})`.execute(db)
      return Number(numAffectedRows)
    },
  }
}

/** While one of its claims is not believed a reason does not count, nor when its identifier named somebody else then. */
const counts = sql`(
  r.occurred_at >= coalesce(a.recycled_at, r.occurred_at)
  AND (r.claims = '[]' OR NOT EXISTS (
    SELECT 1 FROM json_each(r.claims) j JOIN claims c ON c.key = j.value WHERE c.refused IS NOT NULL)))`

type StateRow = Pick<AnchorRow, 'anchor' | 'id' | 'entity' | 'level' | 'changes_at'> & { node: number }
type StoredRow = RiskReasonRow & { anchor: Anchor; entity: number; counts: 0 | 1 }

/** What people know an entity by: how somebody signs in or gets mail, else whatever came first. */
function nameOf(anchors: readonly Anchor[]): string {
  const known = (format: string): Anchor | undefined => anchors.find((anchor) => formatOf(anchor) === format)
  return valueOf(known('login') ?? known('email') ?? anchors[0] ?? '')
}

export function reasonOf(row: Omit<RiskReasonRow, 'claims'>, anchor: Anchor): RiskReason {
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

function reasonColumns({ node, reason, claims }: NewReason): readonly unknown[] {
  return [
    node,
    reason.source.id,
    reason.slot,
    JSON.stringify(claims),
    reason.id,
    reason.source.kind,
    reason.detection,
    riskLevels.indexOf(reason.level),
    reason.message ?? null,
    reason.occurredAt.getTime(),
    reason.receivedAt.getTime(),
    reason.expiresAt?.getTime() ?? null,
    reason.signalId ?? null,
    reason.eventType ?? null,
  ]
}

function readReason(text: string): RiskReason {
  // Written by addHistory: JSON made texts of its times.
  const { occurredAt, receivedAt, expiresAt, ...rest } = JSON.parse(text) as Omit<
    RiskReason,
    'occurredAt' | 'receivedAt' | 'expiresAt'
  > & { occurredAt: string; receivedAt: string; expiresAt?: string }
  return {
    ...rest,
    message: rest.message,
    signalId: rest.signalId,
    eventType: rest.eventType,
    occurredAt: new Date(occurredAt),
    receivedAt: new Date(receivedAt),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
  }
}
