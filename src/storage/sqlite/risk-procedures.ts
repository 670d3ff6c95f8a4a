import type { AskedAbout, RiskPicture } from '../../risk/risk-reader.ts'
import type { RiskReason } from '../../risk/risk-reason.ts'
import { bareMax, riskQuestions, type RiskQuestion, type RiskRows } from '../risk-pictures.ts'
import { claimKeysIn } from '../risk-rows.ts'
import type { SqliteConnection } from './connection.ts'

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

/**
 * Answers many questions together: each statement looks up, by key, what all of them need. However many there are, it
 * is the same handful of statements. Runs inside a transaction. @see RiskReader
 */
export function readRisks(
  connection: SqliteConnection,
  questions: readonly RiskQuestion[],
): readonly RiskPicture[] {
  const { named, answer } = riskQuestions(questions)
  /** The casts of what it gives state the statement's columns. */
  const select = (sql: string, ...keys: readonly (readonly (string | number)[])[]): readonly unknown[] =>
    keys.every(({ length }) => length === 0)
      ? []
      : connection.prepare(sql).all(...keys.map((list) => JSON.stringify(list)))

  const nodes = select(nodeRows, named.anchors, named.ids, named.bares) as RiskRows['nodes']
  const numbers = nodes.map(({ node }) => node)
  const reasons = select(reasonRows, numbers) as RiskRows['reasons']
  const revocations = select(revocationRows, numbers) as RiskRows['revocations']
  const claims = claimKeysIn([...reasons, ...revocations])
  return answer({
    nodes,
    reasons,
    revocations,
    refused: select(refusedRows, claims) as RiskRows['refused'],
  })
}

// CROSS JOIN keeps the order: from the few keys to the many rows, never the other way round.
const nodeRows = `
  WITH found AS MATERIALIZED (
    SELECT entity FROM json_each(?) CROSS JOIN anchors ON anchor = value
    UNION SELECT entity FROM json_each(?) CROSS JOIN anchors ON anchors.id = value
    UNION SELECT entity FROM json_each(?) CROSS JOIN anchors
      ON node IN (SELECT node FROM anchors WHERE bare = value ORDER BY node LIMIT ${bareMax}))
  SELECT node, a.entity, anchor, bare, id, recycled_at
  FROM found CROSS JOIN anchors a ON node = found.entity WHERE a.entity = node
  UNION ALL SELECT node, a.entity, anchor, bare, id, recycled_at
  FROM found CROSS JOIN anchors a ON a.entity = found.entity WHERE a.entity <> node`
const reasonRows = 'SELECT risk_reasons.* FROM json_each(?) CROSS JOIN risk_reasons ON node = value'
const revocationRows = 'SELECT revocations.* FROM json_each(?) CROSS JOIN revocations ON node = value'
const refusedRows =
  'SELECT claims.key FROM json_each(?) CROSS JOIN claims ON claims.key = value WHERE refused IS NOT NULL'
