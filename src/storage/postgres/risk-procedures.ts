import type { RiskPicture } from '../../risk/risk-reader.ts'
import { bareMax, riskQuestions, type RiskQuestion, type RiskRows } from '../risk-pictures.ts'
import type { SqlSession } from '../sql-sessions.ts'

/**
 * Answers many questions together, with one statement: one round trip, and one look at the data for all of them.
 * @see RiskReader
 */
export async function readRisks(
  session: Pick<SqlSession, 'run'>,
  questions: readonly RiskQuestion[],
): Promise<readonly RiskPicture[]> {
  const { named, answer } = riskQuestions(questions)
  const { rows } = await session.run(riskRows, [named.anchors, named.ids, named.bares])
  const [found] = rows as readonly { readonly [Part in keyof RiskRows]: string }[] // see the statement
  if (found === undefined) throw new Error('The statement gives one row whatever it finds.')
  const part = <Name extends keyof RiskRows>(name: Name) => JSON.parse(found[name]) as RiskRows[Name] // by its columns
  return answer({
    nodes: part('nodes'),
    reasons: part('reasons'),
    revocations: part('revocations'),
    refused: part('refused'),
  })
}

/** Named tables that lead from the few keys to the many rows; the answer is one row of JSON. */
const riskRows = `
  WITH found AS (
    SELECT a.entity FROM unnest($1::text[]) AS given (name) JOIN anchors a ON a.anchor = given.name
    UNION SELECT a.entity FROM unnest($2::text[]) AS given (name) JOIN anchors a ON a.id = given.name
    UNION SELECT a.entity FROM unnest($3::text[]) AS given (name) CROSS JOIN LATERAL (
      SELECT entity FROM anchors WHERE bare = given.name ORDER BY node LIMIT ${bareMax}) a),
  nodes AS (
    SELECT a.node, a.entity, a.anchor, a.bare, a.id, a.recycled_at
    FROM found JOIN anchors a ON a.node = found.entity WHERE a.entity = a.node
    UNION ALL SELECT a.node, a.entity, a.anchor, a.bare, a.id, a.recycled_at
    FROM found JOIN anchors a ON a.entity = found.entity WHERE a.entity <> a.node),
  reasons AS (
    SELECT r.node, r.source, r.slot, r.claims, r.id, r.source_kind, r.detection, r.level, r.message, r.occurred_at,
      r.received_at, r.expires_at, r.signal_id, r.event_type
    FROM nodes JOIN risk_reasons r ON r.node = nodes.node),
  revoked AS (
    SELECT r.node, r.provider_id, r.user_node, r.device_node, r.session_node, r.claims, r.revoked_at, r.received_at,
      r.signal_id, r.message
    FROM nodes JOIN revocations r ON r.node = nodes.node),
  needed AS (SELECT claims FROM reasons UNION SELECT claims FROM revoked),
  refused AS (
    SELECT DISTINCT c.key
    FROM needed CROSS JOIN LATERAL json_array_elements_text(needed.claims::json) AS given (key)
      JOIN claims c ON c.key = given.key
    WHERE c.refused IS NOT NULL)
  SELECT
    (SELECT coalesce(json_agg(n), '[]')::text FROM nodes n) AS nodes,
    (SELECT coalesce(json_agg(r ORDER BY r.node, r.source, r.slot, r.claims), '[]')::text FROM reasons r) AS reasons,
    (SELECT coalesce(json_agg(r ORDER BY r.node, r.provider_id, r.user_node, r.device_node, r.session_node, r.claims),
      '[]')::text FROM revoked r) AS revocations,
    (SELECT coalesce(json_agg(r), '[]')::text FROM refused r) AS refused`
