import { HubError } from '../base/hub-error.ts'
import { askedOf, formatOf, type SubjectKind } from './identifier.ts'
import type { Subject, SubjectStore } from './subject-store.ts'

export interface FindSubjectDeps {
  readonly subjects: Pick<SubjectStore, 'find' | 'resolve' | 'ofEntities' | 'findBare'>
  /** Whether a source vouches for its own ids, or an administrator does: its word counts. */
  readonly vouches: (source: string) => boolean
}

/** Formats that a made-up identifier with somebody's bare id must not stand before. */
const peculiar: ReadonlySet<string> = new Set(['login', 'email'])

/**
 * The one entity of a kind that a text names: by its id, else by a sign-in name or an email address, else by an id that an
 * issuer vouches for, else by an identifier in any other format.
 * @throws HubError `subject.ambiguous` when several issuers vouch for the id, each for another entity
 */
export async function findSubject(
  { subjects, vouches }: FindSubjectDeps,
  kind: SubjectKind,
  text: string,
): Promise<Subject | undefined> {
  const asked = askedOf(kind, text)
  if (asked === undefined) return undefined
  const byId = await subjects.find(asked.id)
  if (byId?.kind === kind) return byId
  const nodes = new Map((await subjects.resolve(asked.identifiers)).map((node) => [node.identifier, node]))
  const named = asked.identifiers.flatMap((identifier) => nodes.get(identifier) ?? [])
  const known = named.find(({ identifier }) => peculiar.has(formatOf(identifier)))
  if (known !== undefined) return (await subjects.ofEntities([known.entity]))[0]
  const vouched = new Set(
    (await subjects.findBare(asked.bare)).flatMap(({ entity, vouchedBy }) =>
      vouches(vouchedBy) ? [entity] : [],
    ),
  )
  if (vouched.size > 1) {
    const ids = (await subjects.ofEntities([...vouched])).map(({ id }) => id)
    throw new HubError('subject.ambiguous', {
      detail: `Several issuers have this id for different ones of kind ${kind}: name one of ${ids.slice(0, 20).join(', ')}.`,
    })
  }
  const [entity = named[0]?.entity] = vouched
  return entity === undefined ? undefined : (await subjects.ofEntities([entity]))[0]
}
