import { sql, type Kysely, type RawBuilder } from 'kysely'
import { riskLevels } from '../risk/risk-level.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import type { NewReason, NewRevocation, RiskStore } from '../risk/risk-store.ts'
import { formatOf, kindOf, valueOf, type Anchor } from '../subjects/anchor.ts'
import { deletionStep, type Deletions } from './deletions.ts'
import { fixedStatement } from './fixed-statement.ts'
import { claimKeysIn, claimKeysOf, countingWhile, isSinceRecycled, reasonOf } from './risk-rows.ts'
import type { AnchorRow, RiskReasonRow, Schema } from './schema.ts'
import { ofEntities } from './subject-store.ts'
import { inParts, type Cell } from './sized-statement.ts'
import type { RowStatement, Words } from './words.ts'

export function createRiskStore(
  db: Kysely<Schema>,
  words: Words,
  deletions: Pick<Deletions, 'deleteHistory'>,
): RiskStore {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<readonly Row[]> => (await query.execute(db)).rows

  return {
    async states(entities) {
      if (entities.length === 0) return []
      const found = await statesOfEntities(db, words, { entities })
      const reasons = found.filter((row) => row.source !== null)
      const claims = claimKeysIn(reasons)
      const refused = claims.length === 0 ? [] : await refusedAmong(db, words, { claims })
      const isSaidHere = countingWhile(refused)
      const reasonsOf = Map.groupBy(reasons, ({ entity }) => entity)
      return [...Map.groupBy(found, ({ entity }) => entity)].flatMap(([entity, members]) => {
        const [oldest] = members
        if (oldest === undefined) return []
        return [
          {
            entity,
            id: oldest.anchor_id,
            kind: kindOf(oldest.anchor),
            name: nameOf(members.map(({ anchor }) => anchor)),
            level: oldest.entity_level,
            changesAt: oldest.changes_at === null ? undefined : new Date(oldest.changes_at),
            reasons: (reasonsOf.get(entity) ?? []).map((row) => ({
              node: row.node,
              reason: reasonOf(row, row.anchor),
              claims: claimKeysOf(row),
              counts: isSinceRecycled(row.occurred_at, row.recycled_at) && isSaidHere(row),
            })),
          },
        ]
      })
    },

    async writeReasons(reasons) {
      await words.each(db, putReasons, reasons.map(reasonCells))
    },

    async addHistory(reasons, at) {
      for (const part of inParts(reasons)) {
        const rows = part.map(({ node, reason }) => ({ node, reason: JSON.stringify(asWritten(reason)) }))
        await db.executeQuery(words.historyInsertion(rows, at.getTime()))
      }
    },

    async history(entity, limit) {
      const found = await rows(sql<{ reason: string }>`
        SELECT reason FROM ${words.newestOfEach('risk_history', 'node', ofEntities(words, [entity]), limit)} AS newest
        ORDER BY sequence DESC LIMIT ${limit}`)
      return found.map(({ reason }) => readReason(reason))
    },

    deleteHistoryBefore: (added, max, now) => deletions.deleteHistory(deletionStep(added, max, now)),

    async putLevels(levels) {
      await words.each(
        db,
        putLevels,
        levels.map(({ entity, level, changesAt }) => [entity, level, changesAt?.getTime() ?? null]),
      )
    },

    async due(now, max) {
      const found = await rows(sql<{ node: number }>`
        SELECT node FROM anchors WHERE changes_at IS NOT NULL AND changes_at <= ${now.getTime()} ORDER BY changes_at LIMIT ${max}`)
      return found.map(({ node }) => node)
    },

    async putRevocations(revocations) {
      // A batch may say the same twice, and no statement may touch one row twice.
      const latest = new Map<string, readonly Cell[]>()
      for (const revocation of revocations.toSorted(byTime)) {
        latest.set(JSON.stringify(revocationKey(revocation)), [
          ...revocationKey(revocation),
          revocation.revokedAt.getTime(),
          revocation.receivedAt.getTime(),
          revocation.signalId,
          revocation.message ?? null,
        ])
      }
      await words.each(db, putRevocations, [...latest.values()])
    },
  }
}

type ReasonColumns = Omit<RiskReasonRow, 'node'>
/** An anchor, and one of its reasons if it has any. */
type StateRow = Pick<AnchorRow, 'anchor' | 'entity' | 'changes_at' | 'recycled_at'> & {
  node: number
  anchor_id: AnchorRow['id']
  entity_level: AnchorRow['level']
} & (ReasonColumns | { [Column in keyof ReasonColumns]: null })

const statesOfEntities = fixedStatement<{ entities: readonly number[] }, StateRow>(
  (slot, words) => sql`
    SELECT a.node, a.entity, a.anchor, a.id AS anchor_id, a.level AS entity_level, a.changes_at, a.recycled_at,
      r.source, r.slot, r.claims, r.id, r.source_kind, r.detection, r.level, r.message, r.occurred_at,
      r.received_at, r.expires_at, r.signal_id, r.event_type
    FROM anchors a LEFT JOIN risk_reasons r ON r.node = a.node
    WHERE a.node IN ${ofEntities(words, slot('entities'))} ORDER BY a.node`,
)

const refusedAmong = fixedStatement<{ claims: readonly string[] }, { key: string }>(
  (slot, words) =>
    sql`SELECT key FROM claims WHERE key IN ${words.texts(slot('claims'))} AND refused IS NOT NULL`,
)

/** What people know an entity by: how somebody signs in or gets mail, else whatever came first. */
function nameOf(anchors: readonly Anchor[]): string {
  const known = (format: string): Anchor | undefined => anchors.find((anchor) => formatOf(anchor) === format)
  return valueOf(known('login') ?? known('email') ?? anchors[0] ?? '')
}

const putReasons: RowStatement = {
  columns: {
    node: 'integer',
    source: 'text',
    slot: 'text',
    claims: 'text',
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
  },
  text: (given) => sql`
    INSERT INTO risk_reasons (node, source, slot, claims, id, source_kind, detection, level, message, occurred_at,
      received_at, expires_at, signal_id, event_type)
    SELECT node, source, slot, claims, id, source_kind, detection, level, message, occurred_at, received_at,
      expires_at, signal_id, event_type
    FROM ${given} g WHERE true
    ON CONFLICT (node, source, slot, claims) DO UPDATE SET id = excluded.id, source_kind = excluded.source_kind,
      detection = excluded.detection, level = excluded.level, message = excluded.message,
      occurred_at = excluded.occurred_at, received_at = excluded.received_at, expires_at = excluded.expires_at,
      signal_id = excluded.signal_id, event_type = excluded.event_type`,
}

function reasonCells({ node, reason, claims }: NewReason): readonly Cell[] {
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

const putLevels: RowStatement = {
  columns: { node: 'integer', level: 'integer', changes_at: 'integer' },
  text: (given) => sql`
    UPDATE anchors SET level = g.level, changes_at = g.changes_at
    FROM ${given} g WHERE anchors.node = g.node`,
}

const putRevocations: RowStatement = {
  columns: {
    node: 'integer',
    provider_id: 'text',
    user_node: 'integer',
    device_node: 'integer',
    session_node: 'integer',
    claims: 'text',
    revoked_at: 'integer',
    received_at: 'integer',
    signal_id: 'text',
    message: 'text',
  },
  text: (given) => sql`
    INSERT INTO revocations (node, provider_id, user_node, device_node, session_node, claims, revoked_at, received_at,
      signal_id, message)
    SELECT node, provider_id, user_node, device_node, session_node, claims, revoked_at, received_at, signal_id, message
    FROM ${given} g WHERE true
    ON CONFLICT (node, provider_id, user_node, device_node, session_node, claims) DO UPDATE SET
      revoked_at = excluded.revoked_at, received_at = excluded.received_at, signal_id = excluded.signal_id,
      message = excluded.message
    WHERE (excluded.revoked_at, excluded.signal_id) > (revocations.revoked_at, revocations.signal_id)`,
}

/** What tells revocations apart: the first columns of {@link putRevocations}. */
function revocationKey({ user = 0, device = 0, session = 0, providerId, claims }: NewRevocation) {
  return [session || user || device, providerId, user, device, session, JSON.stringify(claims)] as const
}

function byTime(a: NewRevocation, b: NewRevocation): number {
  return a.revokedAt.getTime() - b.revokedAt.getTime() || (a.signalId < b.signalId ? -1 : 1)
}

/** In the history: times are milliseconds since 1970. */
type WrittenReason = Omit<RiskReason, 'occurredAt' | 'receivedAt' | 'expiresAt'> & {
  readonly occurredAt: number
  readonly receivedAt: number
  readonly expiresAt: number | undefined
}

function asWritten(reason: RiskReason): WrittenReason {
  return {
    ...reason,
    occurredAt: reason.occurredAt.getTime(),
    receivedAt: reason.receivedAt.getTime(),
    expiresAt: reason.expiresAt?.getTime(),
  }
}

function readReason(text: string): RiskReason {
  const { occurredAt, receivedAt, expiresAt, ...rest } = JSON.parse(text) as WrittenReason
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
