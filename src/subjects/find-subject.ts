import { askedOf, type SubjectKind } from './anchor.ts'
import type { Subject, SubjectStore } from './subject-store.ts'

/**
 * The one entity of a kind that a text names: by its id, else by a sign-in name, an email address and so on, else by an
 * id of whatever issuer, if that is the id of one only.
 */
export async function findSubject(
  subjects: Pick<SubjectStore, 'find' | 'resolve' | 'ofEntities' | 'findBare'>,
  kind: SubjectKind,
  text: string,
): Promise<Subject | undefined> {
  const asked = askedOf(kind, text)
  if (asked === undefined) return undefined
  const byId = await subjects.find(asked.id)
  if (byId?.kind === kind) return byId
  const nodes = new Map((await subjects.resolve(asked.anchors)).map((node) => [node.anchor, node]))
  const named = asked.anchors.map((anchor) => nodes.get(anchor)).find((node) => node !== undefined)
  const entities = named === undefined ? await subjects.findBare(asked.bare) : [named.entity]
  return entities.length === 1 ? (await subjects.ofEntities(entities))[0] : undefined
}
