import { sql, type Kysely, type RawBuilder } from 'kysely'
import { riskLevels } from '../../risk/risk-level.ts'
import type { RiskReason } from '../../risk/risk-reason.ts'
import type { SpokenReason } from '../../risk/risk-state.ts'
import type { NewRevocation, RiskStore } from '../../risk/risk-store.ts'
import { formatOf, kindOf, valueOf, type Identifier } from '../../subjects/identifier.ts'
import { deletionStep, type Deletions } from './deletions.ts'
import { fixedStatement } from '../sql/fixed-statement.ts'
import { aboutEntities, type RecycledRow } from './risk-rows.ts'
import type { IdentifierRow, MembershipRow, RiskReasonRow, DatabaseSchema } from '../sql/schema.ts'
import { ofEntities } from './subject-store.ts'
import { inParts, type Cell } from '../sql/sized-statement.ts'
import type { RowStatement, SqlVariant } from '../sql/sql-variant.ts'

export function createRiskStore(
  db: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  deletions: Pick<Deletions, 'deleteHistory'>,
): RiskStore {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<readonly Row[]> => (await query.execute(db)).rows

  return {
    async states(entities) {
      if (entities.length === 0) return []
      const found = await statesOfEntities(db, variant, { entities })
      const own = new Set(found.map(({ node }) => node))
      const memberships = await membershipsAround(db, variant, { nodes: [...own] })
      const elsewhere = [...new Set(memberships.map(({ node }) => node))].filter((node) => !own.has(node))
      const others = elsewhere.length === 0 ? [] : await reasonsOfNodes(db, variant, { nodes: elsewhere })
      const recycled = await recycledAmong(db, variant, { nodes: [...own, ...elsewhere] })
      const about = aboutEntities({
        identifierOf: new Map([...found, ...others].map(({ node, identifier }) => [node, identifier])),
        memberships,
        recycled,
        reasons: [...found, ...others].filter((row) => row.source !== null),
      })
      return [...Map.groupBy(found, ({ entity }) => entity)].flatMap(([entity, members]) => {
        const [oldest] = members
        if (oldest === undefined) return []
        return [
          {
            entity,
            id: oldest.identifier_id,
            kind: kindOf(oldest.identifier),
            name: entityName(members.map(({ identifier }) => identifier)),
            level: oldest.entity_level,
            changesAt: oldest.changes_at === null ? undefined : new Date(oldest.changes_at),
            known: about(members.map(({ node }) => node)),
          },
        ]
      })
    },

    async writeReasons(reasons) {
      await variant.each(db, putReasons, reasons.map(reasonCells))
    },

    async dropReasons(reasons) {
      const given = variant.rows(
        { node: 'integer', source: 'text', slot: 'text' },
        reasons.map(({ node, reason: { source, slot } }) => [node, source.id, slot]),
      )
      await sql`DELETE FROM risk_reasons WHERE (node, source, slot) IN (
        SELECT node, source, slot FROM ${given} g)`.execute(db)
    },

    async addHistory(reasons, at) {
      for (const part of inParts(reasons)) {
        const rows = part.map(({ node, reason }) => ({ node, reason: JSON.stringify(asWritten(reason)) }))
        await db.executeQuery(variant.historyInsertion(rows, at.getTime()))
      }
    },

    async history(entity, limit) {
      const found = await rows(sql<{ reason: string }>`
        SELECT reason FROM ${variant.newestOfEach('risk_history', 'node', ofEntities(variant, [entity]), limit)} AS newest
        ORDER BY sequence DESC LIMIT ${limit}`)
      return found.map(({ reason }) => readReason(reason))
    },

    deleteHistoryBefore: (added, max, now) => deletions.deleteHistory(deletionStep(added, max, now)),

    async putLevels(levels) {
      await variant.each(
        db,
        putLevels,
        levels.map(({ entity, level, changesAt }) => [entity, level, changesAt?.getTime() ?? null]),
      )
    },

    async due(now, max) {
      const found = await rows(sql<{ node: number }>`
        SELECT node FROM identifiers WHERE changes_at IS NOT NULL AND changes_at <= ${now.getTime()} ORDER BY changes_at LIMIT ${max}`)
      return found.map(({ node }) => node)
    },

    async putRevocations(revocations) {
      // A batch may repeat a revocation, and no statement may change one row twice.
      const latest = new Map<string, readonly Cell[]>()
      for (const revocation of revocations.toSorted(byTime)) {
        latest.set(JSON.stringify(revocationKey(revocation)), [
          ...revocationKey(revocation),
          revocation.revokedAt.getTime(),
          revocation.receivedAt.getTime(),
          revocation.signalId,
          revocation.eventType,
          revocation.message ?? null,
        ])
      }
      await variant.each(db, putRevocations, [...latest.values()])
    },
  }
}

type ReasonColumns = Omit<RiskReasonRow, 'node'>
/** An identifier, and one of its reasons if it has any. */
type StateRow = Pick<IdentifierRow, 'identifier' | 'entity' | 'changes_at'> & {
  node: number
  identifier_id: IdentifierRow['id']
  entity_level: IdentifierRow['level']
} & (ReasonColumns | { [Column in keyof ReasonColumns]: null })

const reasonColumns = sql`r.source, r.slot, r.id, r.source_kind, r.detection, r.level, r.message, r.occurred_at,
      r.received_at, r.expires_at, r.signal_id, r.event_type, r.dismissed_at`

const statesOfEntities = fixedStatement<{ entities: readonly number[] }, StateRow>(
  (slot, variant) => sql`
    SELECT a.node, a.entity, a.identifier, a.id AS identifier_id, a.level AS entity_level, a.changes_at, ${reasonColumns}
    FROM identifiers a LEFT JOIN risk_reasons r ON r.node = a.node
    WHERE a.node IN ${ofEntities(variant, slot('entities'))} ORDER BY a.node`,
)

/** Memberships of nodes, and of all identifiers that some source identifies with them. */
const membershipsAround = fixedStatement<{ nodes: readonly number[] }, MembershipRow>(
  (slot, variant) => sql`
    SELECT node, source, lasts_until, root FROM memberships WHERE node IN (
      SELECT o.node FROM memberships m JOIN memberships o ON o.root = m.root AND o.source = m.source
      WHERE m.node IN ${variant.numbers(slot('nodes'))})`,
)

const reasonsOfNodes = fixedStatement<
  { nodes: readonly number[] },
  RiskReasonRow & { identifier: Identifier }
>(
  (slot, variant) => sql`
    SELECT a.node, a.identifier, ${reasonColumns} FROM identifiers a JOIN risk_reasons r ON r.node = a.node
    WHERE a.node IN ${variant.numbers(slot('nodes'))}`,
)

const recycledAmong = fixedStatement<{ nodes: readonly number[] }, RecycledRow>(
  (slot, variant) => sql`
    SELECT node, source, ended_at, everybody FROM endings
    WHERE node IN ${variant.numbers(slot('nodes'))} AND recycled = 1`,
)

/** The display name of an entity: a login name or email address, else its first identifier. */
function entityName(identifiers: readonly Identifier[]): string {
  const known = (format: string): Identifier | undefined =>
    identifiers.find((identifier) => formatOf(identifier) === format)
  return valueOf(known('login') ?? known('email') ?? identifiers[0] ?? '')
}

const putReasons: RowStatement = {
  columns: {
    node: 'integer',
    source: 'text',
    slot: 'text',
    id: 'text',
    source_kind: 'text',
    detection: 'text',
    level: 'integer',
    message: 'text',
    occurred_at: 'integer',
    received_at: 'integer',
    expires_at: 'integer',
    signal_id: 'text',
    event_type: 'text',
    dismissed_at: 'integer',
  },
  text: (given) => sql`
    INSERT INTO risk_reasons (node, source, slot, id, source_kind, detection, level, message, occurred_at,
      received_at, expires_at, signal_id, event_type, dismissed_at)
    SELECT node, source, slot, id, source_kind, detection, level, message, occurred_at, received_at,
      expires_at, signal_id, event_type, dismissed_at
    FROM ${given} g WHERE true
    ON CONFLICT (node, source, slot) DO UPDATE SET id = excluded.id, source_kind = excluded.source_kind,
      detection = excluded.detection, level = excluded.level, message = excluded.message,
      occurred_at = excluded.occurred_at, received_at = excluded.received_at, expires_at = excluded.expires_at,
      signal_id = excluded.signal_id, event_type = excluded.event_type, dismissed_at = excluded.dismissed_at`,
}

function reasonCells({ node, reason }: SpokenReason): readonly Cell[] {
  return [
    node,
    reason.source.id,
    reason.slot,
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
    reason.dismissedAt?.getTime() ?? null,
  ]
}

const putLevels: RowStatement = {
  columns: { node: 'integer', level: 'integer', changes_at: 'integer' },
  text: (given) => sql`
    UPDATE identifiers SET level = g.level, changes_at = g.changes_at
    FROM ${given} g WHERE identifiers.node = g.node`,
}

const putRevocations: RowStatement = {
  columns: {
    node: 'integer',
    provider_id: 'text',
    user_node: 'integer',
    device_node: 'integer',
    session_node: 'integer',
    revoked_at: 'integer',
    received_at: 'integer',
    signal_id: 'text',
    event_type: 'text',
    message: 'text',
  },
  text: (given) => sql`
    INSERT INTO revocations (node, provider_id, user_node, device_node, session_node, revoked_at, received_at,
      signal_id, event_type, message)
    SELECT node, provider_id, user_node, device_node, session_node, revoked_at, received_at, signal_id, event_type,
      message
    FROM ${given} g WHERE true
    ON CONFLICT (node, user_node, device_node, session_node, provider_id) DO UPDATE SET
      revoked_at = excluded.revoked_at, received_at = excluded.received_at, signal_id = excluded.signal_id,
      event_type = excluded.event_type, message = excluded.message
    WHERE (excluded.revoked_at, excluded.signal_id) > (revocations.revoked_at, revocations.signal_id)`,
}

/** The key of a revocation: the first columns of {@link putRevocations}. */
function revocationKey({ user = 0, device = 0, session = 0, providerId }: NewRevocation) {
  return [session || device || user, providerId, user, device, session] as const
}

function byTime(a: NewRevocation, b: NewRevocation): number {
  return a.revokedAt.getTime() - b.revokedAt.getTime() || (a.signalId < b.signalId ? -1 : 1)
}

/** In the history: times are milliseconds since 1970. */
type WrittenReason = Omit<RiskReason, 'occurredAt' | 'receivedAt' | 'expiresAt' | 'dismissedAt'> & {
  readonly occurredAt: number
  readonly receivedAt: number
  readonly expiresAt: number | undefined
  readonly dismissedAt?: number | undefined
}

function asWritten(reason: RiskReason): WrittenReason {
  return {
    ...reason,
    occurredAt: reason.occurredAt.getTime(),
    receivedAt: reason.receivedAt.getTime(),
    expiresAt: reason.expiresAt?.getTime(),
    dismissedAt: reason.dismissedAt?.getTime(),
  }
}

function readReason(text: string): RiskReason {
  const { occurredAt, receivedAt, expiresAt, dismissedAt, ...rest } = JSON.parse(text) as WrittenReason
  return {
    ...rest,
    message: rest.message,
    signalId: rest.signalId,
    eventType: rest.eventType,
    occurredAt: new Date(occurredAt),
    receivedAt: new Date(receivedAt),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
    dismissedAt: dismissedAt === undefined ? undefined : new Date(dismissedAt),
  }
}
