import type { AskedAbout, RiskPicture } from '../../risk/risk-reader.ts'
import type { RiskReason } from '../../risk/risk-reason.ts'
import { kindOf } from '../../subjects/identifier.ts'
import { riskQuestions, type RiskQuestion, type RiskRows } from '../stores/risk-pictures.ts'
import type { SqliteConnection } from './connection.ts'

/** Questions for the thread that answers them: as text, which is passed several times faster than objects. */
export function packQuestions(questions: readonly RiskQuestion[]): string {
  return JSON.stringify(questions.map(({ about, now }) => ({ about, now: now.getTime() })))
}

export function unpackQuestions(packed: string): readonly RiskQuestion[] {
  const questions = JSON.parse(packed) as readonly { about: AskedAbout; now: number }[] // by packQuestions
  return questions.map(({ about, now }) => ({ about, now: new Date(now) }))
}

/** The answers of that thread. */
export function packPictures(pictures: readonly RiskPicture[]): string {
  return JSON.stringify(pictures)
}

export function unpackPictures(packed: string): readonly RiskPicture[] {
  const pictures = JSON.parse(packed) as readonly Packed<RiskPicture>[] // by packPictures
  return pictures.map(({ entities, revocations }) => ({
    entities: entities.map(({ reasons, ...entity }) => ({ ...entity, reasons: reasons.map(unpackReason) })),
    revocations: revocations.map(({ user, device, session, message, revokedAt, receivedAt, ...rest }) => ({
      ...rest,
      user,
      device,
      session,
      revokedAt: new Date(revokedAt),
      receivedAt: new Date(receivedAt),
      message,
    })),
  }))
}

/** JSON: times are text; undefined members are absent, and are undefined again when read. */
type Packed<T> = T extends Date
  ? string
  : T extends object
    ? { readonly [Name in keyof T]: Packed<T[Name]> }
    : T

function unpackReason({
  occurredAt,
  receivedAt,
  expiresAt,
  dismissedAt,
  ...reason
}: Packed<RiskReason>): RiskReason {
  return {
    ...reason,
    message: reason.message,
    signalId: reason.signalId,
    eventType: reason.eventType,
    occurredAt: new Date(occurredAt),
    receivedAt: new Date(receivedAt),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
    dismissedAt: dismissedAt === undefined ? undefined : new Date(dismissedAt),
  }
}

/**
 * Answers many questions with the same few statements, however many questions there are: each statement looks up, by key,
 * what all of them need. Runs inside a transaction. @see RiskReader
 */
export function readSqliteRisks(
  connection: SqliteConnection,
  questions: readonly RiskQuestion[],
): readonly RiskPicture[] {
  const { named, answer } = riskQuestions(questions)
  /** The caller's type states the statement's columns. */
  const select = (sql: string, ...keys: readonly (readonly (string | number)[])[]): readonly unknown[] =>
    keys.every(({ length }) => length === 0)
      ? []
      : connection.prepare(sql).all(...keys.map((list) => JSON.stringify(list)))

  const nodes = select(nodeRows, named.identifiers, named.ids, named.bares) as RiskRows['nodes']
  if (nodes.length === 0) {
    return answer({ nodes, others: [], memberships: [], recycled: [], reasons: [], revocations: [] })
  }
  const own = [...new Set(nodes.map(({ node }) => node))]
  const list = JSON.stringify(own)
  const [has] = connection.prepare(whatThereIs).all(list, list, list) as readonly Existing[] // always one row
  const memberships = (has?.memberships === 1 ? select(membershipRows, own) : []) as RiskRows['memberships']
  const isOwn = new Set(own)
  const elsewhere = [...new Set(memberships.map(({ node }) => node))].filter((node) => !isOwn.has(node))
  const others = select(otherRows, elsewhere) as RiskRows['others']
  const numbers = [...own, ...elsewhere]
  const ofKind = (kind: string): readonly number[] => [
    0,
    ...[...nodes, ...others].flatMap(({ node, identifier }) => (kindOf(identifier) === kind ? [node] : [])),
  ]
  const revoked = (): readonly unknown[] =>
    select(revocationRows, numbers, ofKind('user'), ofKind('device'), ofKind('session'))
  return answer({
    nodes,
    others,
    memberships,
    recycled: (has?.endings === 1 || elsewhere.length > 0
      ? select(recycledRows, numbers)
      : []) as RiskRows['recycled'],
    reasons: select(reasonRows, numbers) as RiskRows['reasons'],
    revocations: (has?.revocations === 1 || elsewhere.length > 0 ? revoked() : []) as RiskRows['revocations'],
  })
}

/** Most subjects have none of these: one query finds out. */
interface Existing {
  readonly memberships: 0 | 1
  readonly endings: 0 | 1
  readonly revocations: 0 | 1
}

const whatThereIs = `SELECT
  EXISTS (SELECT 1 FROM json_each(?) CROSS JOIN memberships m ON m.node = value) AS memberships,
  EXISTS (SELECT 1 FROM json_each(?) CROSS JOIN endings e ON e.node = value AND e.recycled = 1) AS endings,
  EXISTS (SELECT 1 FROM json_each(?) CROSS JOIN revocations r ON r.node = value) AS revocations`

// CROSS JOIN fixes the order: from the few keys to the many rows.
const nodeRows = `
  WITH found AS MATERIALIZED (
    SELECT entity FROM json_each(?) CROSS JOIN identifiers ON identifier = value
    UNION SELECT entity FROM json_each(?) CROSS JOIN identifiers ON identifiers.id = value
    UNION SELECT entity FROM json_each(?) CROSS JOIN identifiers ON bare = value AND vouched_by IS NOT NULL),
  nodes AS (
    SELECT node, a.entity, identifier, bare, id, vouched_by
    FROM found CROSS JOIN identifiers a ON node = found.entity WHERE a.entity = node
    UNION ALL SELECT node, a.entity, identifier, bare, id, vouched_by
    FROM found CROSS JOIN identifiers a ON a.entity = found.entity WHERE a.entity <> node)
  SELECT node, entity, identifier, bare, id, CASE
    WHEN bare IS NULL OR vouched_by IS NULL THEN NULL
    WHEN vouched_by = 'admin' THEN 'enforce_and_log'
    ELSE (
      SELECT coalesce(action, 'enforce_and_log') FROM providers p LEFT JOIN provider_actions ON provider_id = p.id
      WHERE p.id = vouched_by) END AS vouched,
    (SELECT issuer FROM providers p WHERE p.id = vouched_by) AS issuer
  FROM nodes`
const membershipRows = `
  WITH roots AS MATERIALIZED (
    SELECT DISTINCT m.root, m.source FROM json_each(?) CROSS JOIN memberships m ON m.node = value),
  members AS MATERIALIZED (
    SELECT DISTINCT m.node FROM roots CROSS JOIN memberships m ON m.root = roots.root AND m.source = roots.source)
  SELECT memberships.* FROM members CROSS JOIN memberships USING (node)`
const otherRows = 'SELECT node, identifier FROM json_each(?) CROSS JOIN identifiers ON node = value'
const recycledRows = `
  SELECT node, source, ended_at, everybody FROM json_each(?) CROSS JOIN endings ON node = value WHERE recycled = 1`
const reasonRows = 'SELECT risk_reasons.* FROM json_each(?) CROSS JOIN risk_reasons ON node = value'
const revocationRows = `
  SELECT r.* FROM json_each(?) CROSS JOIN revocations r ON r.node = value
  WHERE r.user_node IN (SELECT value FROM json_each(?)) AND r.device_node IN (SELECT value FROM json_each(?))
    AND r.session_node IN (SELECT value FROM json_each(?))`
