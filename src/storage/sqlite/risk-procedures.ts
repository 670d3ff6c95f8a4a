import { reasonsInForce } from '../../risk/risk-state.ts'
import type { EntityRisk, RiskPicture } from '../../risk/risk-reader.ts'
import type { Revocation } from '../../risk/revocation.ts'
import type { RiskReason } from '../../risk/risk-reason.ts'
import { kindOf, type Asked } from '../../subjects/anchor.ts'
import { reasonOf } from '../risk-store.ts'
import type { RevocationRow, RiskReasonRow } from '../schema.ts'
import type { SqliteConnection } from './connection.ts'

export interface RiskQuestion {
  readonly asked: readonly Asked[]
  readonly now: Date
}

/** Questions on their way to the thread that answers them: as text, which crosses several times faster than objects do. */
export function packQuestions(questions: readonly RiskQuestion[]): string {
  return JSON.stringify(questions.map(({ asked, now }) => ({ asked, now: now.getTime() })))
}

export function unpackQuestions(packed: string): readonly RiskQuestion[] {
  const questions = JSON.parse(packed) as readonly { asked: readonly Asked[]; now: number }[] // by packQuestions
  return questions.map(({ asked, now }) => ({ asked, now: new Date(now) }))
}

/** Answers on their way back. */
export function packPictures(pictures: readonly RiskPicture[]): string {
  return JSON.stringify(pictures)
}

export function unpackPictures(packed: string): readonly RiskPicture[] {
  const pictures = JSON.parse(packed) as readonly Packed<RiskPicture>[] // by packPictures
  return pictures.map(({ entities, revocations }) => ({
    entities: entities.map(({ id, kind, reasons }) => ({ id, kind, reasons: reasons.map(unpackReason) })),
    revocations: revocations.map(({ id, user, device, session, providerId, signalId, message, ...times }) => ({
      id,
      user,
      device,
      session,
      revokedAt: new Date(times.revokedAt),
      receivedAt: new Date(times.receivedAt),
      providerId,
      signalId,
      message,
    })),
  }))
}

/** As JSON has it: times are text. What is undefined is left out, and reads as undefined again. */
type Packed<T> = T extends Date
  ? string
  : T extends object
    ? { readonly [Name in keyof T]: Packed<T[Name]> }
    : T

function unpackReason({ occurredAt, receivedAt, expiresAt, ...reason }: Packed<RiskReason>): RiskReason {
  return {
    ...reason,
    message: reason.message,
    signalId: reason.signalId,
    eventType: reason.eventType,
    occurredAt: new Date(occurredAt),
    receivedAt: new Date(receivedAt),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
  }
}

const bareMax = 20
const revocationsMax = 20

interface Node {
  readonly node: number
  readonly entity: number
  readonly anchor: string
  readonly id: string
  readonly recycled_at: number | null
}

/**
 * Answers many questions together: each statement looks up, by key, what all of them need. However many there are, it
 * is the same handful of statements. @see RiskReader
 */
export function readRisks(
  connection: SqliteConnection,
  questions: readonly RiskQuestion[],
): readonly RiskPicture[] {
  /** Rows for a list of keys, `value` being the key. The caller says which columns the statement has. */
  const rowsFor = <Row>(sql: string, keys: readonly (string | number)[]): readonly Row[] =>
    keys.length === 0 ? [] : (connection.prepare(sql).all(JSON.stringify(keys)) as Row[])

  const asked = questions.flatMap(({ asked }) => asked)
  const entitiesOf = entityFinder(rowsFor, asked)
  const entities = new Set(asked.flatMap(entitiesOf))
  const nodes = new Map<number, Node>()
  for (const sql of [oldestNodes, otherNodes]) {
    for (const row of rowsFor<Node>(sql, [...entities])) nodes.set(row.node, row)
  }
  const nodesOf = Map.groupBy(nodes.values(), ({ entity }) => entity)
  const keys = [...nodes.keys()]
  const reasonsOf = Map.groupBy(rowsFor<RiskReasonRow>(reasonRows, keys), ({ node }) => node)
  const revocationsOf = Map.groupBy(rowsFor<RevocationRow>(revocationRows, keys), ({ node }) => node)

  const refused = connection.prepare('SELECT 1 FROM claims WHERE key = ? AND refused IS NOT NULL')
  const believed = (claims: string): boolean =>
    claims === '[]' ||
    (JSON.parse(claims) as readonly string[]).every((key) => refused.get(key) === undefined) // as writeReasons wrote it

  return questions.map(({ asked, now }) => {
    const about = [...new Set(asked.flatMap(entitiesOf))].flatMap((entity) => {
      const [oldest, ...others] = nodesOf.get(entity) ?? []
      return oldest === undefined ? [] : [{ oldest, members: [oldest, ...others] }]
    })
    return {
      entities: about.map(({ oldest, members }): EntityRisk => {
        const reasons = members.flatMap(({ node, anchor, recycled_at: recycledAt }) =>
          (reasonsOf.get(node) ?? [])
            .filter((row) => row.occurred_at >= (recycledAt ?? row.occurred_at) && believed(row.claims))
            .map((row) => reasonOf(row, anchor)),
        )
        return { id: oldest.id, kind: kindOf(oldest.anchor), reasons: reasonsInForce(reasons, now) }
      }),
      revocations: revocationsAmong(
        about.flatMap(({ members }) => members),
        revocationsOf,
        believed,
      ),
    }
  })
}

// CROSS JOIN keeps the order: from the few keys to the many rows, never the other way round.
const byKey = 'FROM json_each(?) CROSS JOIN anchors ON'
const oldestNodes = `SELECT node, entity, anchor, anchors.id, recycled_at ${byKey} node = value WHERE entity = node`
const otherNodes = `SELECT node, entity, anchor, anchors.id, recycled_at ${byKey} entity = value AND entity <> node`
const reasonRows = 'SELECT risk_reasons.* FROM json_each(?) CROSS JOIN risk_reasons ON node = value'
const revocationRows = 'SELECT revocations.* FROM json_each(?) CROSS JOIN revocations ON node = value'

type RowsFor = <Row>(sql: string, keys: readonly (string | number)[]) => readonly Row[]

/** Looks up everything that was asked about, and finds the entities of each in what came. */
function entityFinder(rowsFor: RowsFor, asked: readonly Asked[]): (one: Asked) => readonly number[] {
  const byAnchor = new Map(
    rowsFor<{ anchor: string; entity: number }>(
      `SELECT anchor, entity ${byKey} anchor = value`,
      asked.flatMap(({ anchors }) => anchors),
    ).map(({ anchor, entity }) => [anchor, entity]),
  )
  const byId = new Map(
    rowsFor<{ id: string; entity: number; anchor: string }>(
      `SELECT anchors.id, entity, anchor ${byKey} anchors.id = value`,
      asked.map(({ id }) => id),
    ).map((row) => [row.id, row]),
  )
  const byBare = Map.groupBy(
    rowsFor<{ bare: string; entity: number }>(
      `SELECT bare, entity ${byKey} node IN (SELECT node FROM anchors WHERE bare = value LIMIT ${bareMax})`,
      asked.map(({ bare }) => bare),
    ),
    ({ bare }) => bare,
  )
  return ({ kind, id, anchors, bare }) => {
    const named = byId.get(id)
    return [
      ...anchors.flatMap((anchor) => byAnchor.get(anchor) ?? []),
      ...(named !== undefined && kindOf(named.anchor) === kind ? [named.entity] : []),
      ...(byBare.get(bare) ?? []).map(({ entity }) => entity),
    ]
  }
}

function revocationsAmong(
  members: readonly Node[],
  revocationsOf: ReadonlyMap<number, readonly RevocationRow[]>,
  believed: (claims: string) => boolean,
): readonly Revocation[] {
  const nodes = new Map(members.map((member) => [member.node, member]))
  const found = members
    .flatMap(({ node }) => revocationsOf.get(node) ?? [])
    .filter((row) => {
      const named = [row.user_node, row.device_node, row.session_node].filter((member) => member !== 0)
      const holds = named.every((member) => {
        const asked = nodes.get(member)
        return asked !== undefined && row.revoked_at >= (asked.recycled_at ?? row.revoked_at)
      })
      return holds && believed(row.claims)
    })
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
