import type { RiskPicture } from '../../risk/risk-reader.ts'
import { riskQuestions, type RiskQuestion, type RiskRows } from '../stores/risk-pictures.ts'
import type { SqlSession } from '../sql/sql-sessions.ts'

/**
 * Answers many questions with one statement: one round trip, and one snapshot for all of them.
 * @see RiskReader
 */
export async function readPostgresRisks(
  session: Pick<SqlSession, 'run'>,
  questions: readonly RiskQuestion[],
): Promise<readonly RiskPicture[]> {
  const { named, answer } = riskQuestions(questions)
  const { rows } = await session.run(riskRows, [named.identifiers, named.ids, named.bares])
  const [found] = rows as readonly { readonly [Part in keyof RiskRows]: string }[] // the columns of the statement
  if (found === undefined) throw new Error('The statement gives one row whatever it finds.')
  const part = <Name extends keyof RiskRows>(name: Name) => JSON.parse(found[name]) as RiskRows[Name] // built by the statement
  return answer({
    nodes: part('nodes'),
    others: part('others'),
    memberships: part('memberships'),
    recycled: part('recycled'),
    reasons: part('reasons'),
    revocations: part('revocations'),
  })
}

/** Common table expressions that go from the few keys to the many rows; the result is one row of JSON. */
const riskRows = `
  WITH found AS (
    SELECT a.entity FROM unnest($1::text[]) AS given (name) JOIN identifiers a ON a.identifier = given.name
    UNION SELECT a.entity FROM unnest($2::text[]) AS given (name) JOIN identifiers a ON a.id = given.name
    UNION SELECT a.entity FROM unnest($3::text[]) AS given (name)
      JOIN identifiers a ON a.bare = given.name AND a.vouched_by IS NOT NULL),
  named AS (
    SELECT a.node, a.entity, a.identifier, a.bare, a.id, a.vouched_by
    FROM found JOIN identifiers a ON a.node = found.entity WHERE a.entity = a.node
    UNION ALL SELECT a.node, a.entity, a.identifier, a.bare, a.id, a.vouched_by
    FROM found JOIN identifiers a ON a.entity = found.entity WHERE a.entity <> a.node),
  nodes AS (
    SELECT n.node, n.entity, n.identifier, n.bare, n.id, CASE
      WHEN n.bare IS NULL OR n.vouched_by IS NULL THEN NULL
      WHEN n.vouched_by = 'admin' THEN 'enforce_and_log'
      ELSE (
        SELECT coalesce(x.action, 'enforce_and_log') FROM providers p LEFT JOIN provider_actions x ON x.provider_id = p.id
        WHERE p.id = n.vouched_by) END AS vouched,
      (SELECT p.issuer FROM providers p WHERE p.id = n.vouched_by) AS issuer
    FROM named n),
  roots AS (SELECT DISTINCT m.root, m.source FROM named n JOIN memberships m ON m.node = n.node),
  everyone AS (
    SELECT node FROM named
    UNION SELECT m.node FROM roots JOIN memberships m ON m.root = roots.root AND m.source = roots.source),
  others AS (
    SELECT a.node, a.identifier FROM everyone e JOIN identifiers a ON a.node = e.node
    WHERE e.node NOT IN (SELECT node FROM named)),
  members AS (
    SELECT m.node, m.source, m.lasts_until, m.root FROM everyone e JOIN memberships m ON m.node = e.node),
  ended AS (
    SELECT x.node, x.source, x.ended_at, x.everybody FROM everyone e JOIN endings x ON x.node = e.node
    WHERE x.recycled = 1),
  reasons AS (
    SELECT r.node, r.source, r.slot, r.id, r.source_kind, r.detection, r.level, r.message, r.occurred_at,
      r.received_at, r.expires_at, r.signal_id, r.event_type, r.dismissed_at
    FROM everyone e JOIN risk_reasons r ON r.node = e.node),
  revoked AS (
    SELECT r.node, r.provider_id, r.user_node, r.device_node, r.session_node, r.revoked_at, r.received_at,
      r.signal_id, r.event_type, r.message
    FROM everyone e JOIN revocations r ON r.node = e.node
    WHERE r.user_node = ANY (ARRAY(SELECT node FROM everyone UNION ALL SELECT 0))
      AND r.device_node = ANY (ARRAY(SELECT node FROM everyone UNION ALL SELECT 0))
      AND r.session_node = ANY (ARRAY(SELECT node FROM everyone UNION ALL SELECT 0)))
  SELECT
    (SELECT coalesce(json_agg(n), '[]')::text FROM nodes n) AS nodes,
    (SELECT coalesce(json_agg(o), '[]')::text FROM others o) AS others,
    (SELECT coalesce(json_agg(m), '[]')::text FROM members m) AS memberships,
    (SELECT coalesce(json_agg(x), '[]')::text FROM ended x) AS recycled,
    (SELECT coalesce(json_agg(r ORDER BY r.node, r.source, r.slot), '[]')::text FROM reasons r) AS reasons,
    (SELECT coalesce(json_agg(r ORDER BY r.node, r.user_node, r.device_node, r.session_node, r.provider_id),
      '[]')::text FROM revoked r) AS revocations`
