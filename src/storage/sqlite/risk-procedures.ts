import { reasonsInForce } from '../../risk/risk-state.ts'
import type { AskedAbout, EntityRisk, RiskPicture } from '../../risk/risk-reader.ts'
import type { Revocation } from '../../risk/revocation.ts'
import type { RiskReason } from '../../risk/risk-reason.ts'
import { askedOf, kindOf, subjectKinds, type Asked } from '../../subjects/anchor.ts'
import { reasonOf } from '../risk-store.ts'
import type { RevocationRow, RiskReasonRow } from '../schema.ts'
import type { SqliteConnection } from './connection.ts'

export interface RiskQuestion {
  readonly about: AskedAbout
  readonly now: Date
}

/** Questions on their way to the thread that answers them: as text, which crosses several times faster than objects do. */
export function packQuestions(questions: readonly RiskQuestion[]): string {
  return JSON.stringify(questions.map(({ about, now }) => ({ about, now: now.getTime() })))
}

export function unpackQuestions(packed: string): readonly RiskQuestion[] {
  const questions = JSON.parse(packed) as readonly { about: AskedAbout; now: number }[] // by packQuestions
  return questions.map(({ about, now }) => ({ about, now: new Date(now) }))
}

/** Answers on their way back. */
export function packPictures(pictures: readonly RiskPicture[]): string {
  return JSON.stringify(pictures)
}

export function unpackPictures(packed: string): readonly RiskPicture[] {
  const pictures = JSON.parse(packed) as readonly Packed<RiskPicture>[] // by packPictures
  return pictures.map(({ entities, revocations }) => ({
    entities: entities.map(({ id, kind, reasons }) => ({ id, kind, reasons: reasons.map(unpackReason) })),
    revocations: revocations.map(
      ({ id, user, device, session, providerId, signalId, message, ...times }) => ({
        id,
        user,
        device,
        session,
        revokedAt: new Date(times.revokedAt),
        receivedAt: new Date(times.receivedAt),
        providerId,
        signalId,
        message,
      }),
    ),
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
  const rowsFor: RowsFor = (sql, keys) =>
    keys.length === 0 ? [] : connection.prepare(sql).all(JSON.stringify(keys))

  const asked = questions.map(({ about }) => readAsked(about))
  const found = entitiesOfAll(rowsFor, asked)
  const entities = new Set(found.flatMap((each) => [...each]))
  const nodes = new Map<number, Node>()
  for (const sql of [oldestNodes, otherNodes]) {
    for (const row of rowsFor(sql, [...entities]) as Node[]) nodes.set(row.node, row)
  }
  const nodesOf = Map.groupBy(nodes.values(), ({ entity }) => entity)
  const keys = [...nodes.keys()]
  const reasonsOf = Map.groupBy(rowsFor(reasonRows, keys) as RiskReasonRow[], ({ node }) => node)
  const revocationsOf = Map.groupBy(rowsFor(revocationRows, keys) as RevocationRow[], ({ node }) => node)

  const refused = connection.prepare('SELECT 1 FROM claims WHERE key = ? AND refused IS NOT NULL')
  const believed = (claims: string): boolean =>
    claims === '[]' ||
    (JSON.parse(claims) as readonly string[]).every((key) => refused.get(key) === undefined) // as writeReasons wrote it

  return questions.map(({ now }, at) => {
    const about = [...(found[at] ?? [])].flatMap((entity) => {
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

/** Rows for a list of keys, of which each is `value` in turn. The casts of what it gives state the statement's columns. */
type RowsFor = (sql: string, keys: readonly (string | number)[]) => readonly unknown[]

function readAsked(about: AskedAbout): readonly Asked[] {
  return subjectKinds.flatMap((kind) => {
    const text = about[kind]
    return text === undefined ? [] : (askedOf(kind, text) ?? [])
  })
}

/** Looks up everything that was asked about, and finds the entities of each question in what came. */
function entitiesOfAll(
  rowsFor: RowsFor,
  asked: readonly (readonly Asked[])[],
): readonly ReadonlySet<number>[] {
  const all = asked.flat()
  const others = all.filter(({ kind }) => kind !== 'address') // which is its own id, and its only name
  const byAnchor = new Map(
    (
      rowsFor(
        `SELECT anchor, entity ${byKey} anchor = value`,
        all.flatMap(({ anchors }) => anchors),
      ) as { anchor: string; entity: number }[]
    ).map(({ anchor, entity }) => [anchor, entity]),
  )
  const byId = new Map(
    (
      rowsFor(
        `SELECT anchors.id, entity, anchor ${byKey} anchors.id = value`,
        others.map(({ id }) => id),
      ) as { id: string; entity: number; anchor: string }[]
    ).map((row) => [row.id, row]),
  )
  const byBare = Map.groupBy(
    rowsFor(
      `SELECT bare, entity ${byKey} node IN (SELECT node FROM anchors WHERE bare = value LIMIT ${bareMax})`,
      others.map(({ bare }) => bare),
    ) as { bare: string; entity: number }[],
    ({ bare }) => bare,
  )
  return asked.map((named) => {
    const entities = new Set<number>()
    for (const { kind, id, anchors, bare } of named) {
      for (const anchor of anchors) {
        const entity = byAnchor.get(anchor)
        if (entity !== undefined) entities.add(entity)
      }
      const byItsId = byId.get(id)
      if (byItsId !== undefined && kindOf(byItsId.anchor) === kind) entities.add(byItsId.entity)
      for (const { entity } of byBare.get(bare) ?? []) entities.add(entity)
    }
    return entities
  })
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
