import {
  formatOf,
  kindOf,
  mainIdentifier,
  scopeOf,
  valueOf,
  type Identifier,
} from '../subjects/identifier.ts'
import type { Claim } from '../subjects/claim.ts'
import type { SubjectStore } from '../subjects/subject-store.ts'
import type { WordJudge } from './risk-sources.ts'
import { outsideItsLimits } from './source-trust.ts'
import { claimsOf } from './statement-names.ts'
import type { Statement } from './statement.ts'

/** The part of a statement that its source is allowed to make, with its claims; or why none of it is applied. */
export type Admission =
  | { readonly statement: Statement; readonly claims: readonly Claim[] }
  | {
      readonly unmatched: string
      /** Whether the statement is about an unknown user. */
      readonly ignored: boolean
    }

export interface AdmissionDeps {
  readonly subjects: Pick<SubjectStore, 'withIds' | 'resolve' | 'loadedAmong'>
  readonly judge: WordJudge
  /** The issuer of our own users' ids. */
  readonly origin: string
  /** Whether statements about users that were not loaded are ignored (OKTA-E79). */
  readonly ignoreUnknownUsers: boolean
}

const unknownUser = 'the user is not known here, and unknown users are ignored'

/**
 * Limits each statement to what may be applied. Reads the store only when statements name our own ids, or unknown users
 * are ignored.
 */
export async function admit(
  deps: AdmissionDeps,
  statements: readonly Statement[],
): Promise<readonly Admission[]> {
  const limited = statements.map((statement) => withinLimits(statement, deps.judge))
  const named = await withOurOwnIds(deps, limited)
  const unknown = deps.ignoreUnknownUsers ? await ofUnknownUsers(deps, named) : new Set()
  return named.map((statement) => {
    if (typeof statement === 'string') return { unmatched: statement, ignored: false }
    if (unknown.has(statement)) return { unmatched: unknownUser, ignored: true }
    return { statement, claims: claimsOf(statement) }
  })
}

/**
 * Removes the identifiers that the source may not speak of. Claims and endings are dated to the registration of the
 * source at the earliest, whatever its clock says.
 * @returns the rest of the statement, or why nothing is left
 */
export function withinLimits(statement: Statement, judge: WordJudge): Statement | string {
  const { source, eventType, occurredAt } = statement
  if (source.kind !== 'security_events_provider') return statement
  if (eventType !== undefined && !judge.maySend(source, eventType))
    return 'its provider may not send events of this type'
  const registeredAt = judge.registeredAt(source)
  const claimedAt =
    registeredAt !== undefined && occurredAt < registeredAt
      ? registeredAt
      : (statement.claimedAt ?? occurredAt)
  const maySpeakOf = (identifier: Identifier): boolean => judge.maySpeakOf(source, identifier)
  const endings = statement.endings
    .filter(({ identifier }) => maySpeakOf(identifier))
    .map((ending) =>
      ending.successor === undefined || maySpeakOf(ending.successor)
        ? ending
        : { ...ending, successor: undefined },
    )
  const limited = { ...statement, claimedAt, endings }
  const outside = statement.things.flatMap(({ identifiers }) =>
    identifiers.filter((identifier) => !maySpeakOf(identifier)),
  )
  const [first] = outside
  if (first === undefined) return limited
  const things = limited.things.map(({ kind, identifiers }) => ({
    kind,
    identifiers: identifiers.filter((identifier) => !outside.includes(identifier)),
  }))
  if (things.some(({ identifiers }) => identifiers.length === 0)) return outsideItsLimits(first)
  const instead = new Map(
    limited.things.flatMap(({ identifiers }, at) =>
      identifiers
        .filter((identifier) => outside.includes(identifier))
        .map((identifier) => [identifier, mainIdentifier(things[at]?.identifiers ?? [])] as const),
    ),
  )
  return renamed({ ...limited, things }, instead)
}

/** Replaces identifiers of the statement. */
function renamed(statement: Statement, instead: ReadonlyMap<Identifier, Identifier>): Statement {
  if (instead.size === 0) return statement
  const of = <A extends Identifier | undefined>(identifier: A): A | Identifier =>
    identifier === undefined ? identifier : (instead.get(identifier) ?? identifier)
  const reasons = statement.reasons.map((reason) => ({ ...reason, identifier: of(reason.identifier) }))
  return {
    ...statement,
    things: statement.things.map(({ kind, identifiers }) => ({
      kind,
      identifiers: [...new Set(identifiers.map((identifier) => of(identifier)))].toSorted(),
    })),
    reasons: [...new Map(reasons.map((reason) => [`${reason.id}\0${reason.identifier}`, reason])).values()],
    revokes: statement.revokes && {
      ...statement.revokes,
      user: of(statement.revokes.user),
      device: of(statement.revokes.device),
      session: of(statement.revokes.session),
    },
  }
}

/** The form of our own ids of users, devices and sessions: see newSubjectId. */
const ownId = /^(?:00u|dev|ses)[A-Za-z0-9]{17}$/

/** Replaces our own ids, given as opaque ids or as a `sub` of ours, by identifiers of their subjects (RFC 9493 §3.2.3, §3.2.4). */
async function withOurOwnIds(
  { subjects, origin }: AdmissionDeps,
  statements: readonly (Statement | string)[],
): Promise<readonly (Statement | string)[]> {
  const idOf = (identifier: Identifier): string | undefined => {
    const format = formatOf(identifier)
    const isOurs = format === 'opaque' || (format === 'iss_sub' && scopeOf(identifier) === origin)
    return isOurs && ownId.test(valueOf(identifier)) ? valueOf(identifier) : undefined
  }
  const named = new Map<Identifier, string>()
  for (const statement of statements) {
    if (typeof statement === 'string') continue
    for (const { identifiers } of statement.things) {
      for (const identifier of identifiers) {
        const id = idOf(identifier)
        if (id !== undefined) named.set(identifier, id)
      }
    }
  }
  if (named.size === 0) return statements
  const byId = new Map(
    (await subjects.withIds([...new Set(named.values())])).map(({ id, identifier }) => [id, identifier]),
  )
  const instead = new Map(
    [...named].flatMap(([identifier, id]) => {
      const theirs = byId.get(id)
      return theirs !== undefined && kindOf(theirs) === kindOf(identifier)
        ? [[identifier, theirs] as const]
        : []
    }),
  )
  return statements.map((statement) =>
    typeof statement === 'string' ? statement : renamed(statement, instead),
  )
}

async function ofUnknownUsers(
  { subjects }: AdmissionDeps,
  statements: readonly (Statement | string)[],
): Promise<ReadonlySet<Statement | string>> {
  const usersOf = (statement: Statement | string) =>
    typeof statement === 'string' ? [] : statement.things.filter(({ kind }) => kind === 'user')
  const identifiers = new Set(
    statements.flatMap((statement) => usersOf(statement).flatMap(({ identifiers }) => identifiers)),
  )
  const nodes = await subjects.resolve([...identifiers])
  const loaded = new Set(await subjects.loadedAmong(nodes.map(({ entity }) => entity)))
  const known = new Set(nodes.filter(({ entity }) => loaded.has(entity)).map(({ identifier }) => identifier))
  return new Set(
    statements.filter((statement) =>
      usersOf(statement).some(({ identifiers }) => !identifiers.some((identifier) => known.has(identifier))),
    ),
  )
}
