import { HubError } from '../base/hub-error.ts'
import { adminSource, claimKey } from '../subjects/claim.ts'
import type { Subject, SubjectStore } from '../subjects/subject-store.ts'
import type { UserDraft } from '../subjects/user-draft.ts'
import type { LevelChange } from './relevel.ts'
import { applyStatements, type StatementDeps } from './apply-statements.ts'

export interface LoadedSubject {
  readonly subject: Subject
  /** Whether this sign-in name was loaded for the first time. */
  readonly created: boolean
  readonly changes: readonly LevelChange[]
}

/**
 * Loads a user with all identifiers, or replaces the identifiers of a user that was loaded before. The claim of an
 * administrator takes precedence over those of all providers. Runs inside a transaction.
 * @throws HubError `subject.contradictory` when another loaded user has one of the identifiers
 */
export async function loadUser(
  deps: Omit<StatementDeps, 'subjects' | 'ignoreUnknownUsers'> & {
    readonly subjects: StatementDeps['subjects'] &
      Pick<SubjectStore, 'putLoaded' | 'ofEntities' | 'loadedBefore'>
  },
  draft: UserDraft,
): Promise<LoadedSubject> {
  const now = deps.world.now()
  const { subjects } = deps
  const by = draft.loginIdentifier
  const key = draft.identifiers.length > 1 ? claimKey(adminSource, draft.identifiers, by) : undefined
  const before = await subjects.loadedBefore(draft.loginIdentifier)
  const stale = before?.claim !== undefined && before.claim !== key ? [before.claim] : []
  const [outcome] = await applyStatements({ ...deps, ignoreUnknownUsers: false }, [
    {
      source: { kind: 'admin', id: adminSource },
      id: `~${now.toISOString()} ${by}`, // Of two loaded users with a common identifier the later is refused: the id begins with the time.
      occurredAt: now,
      receivedAt: now,
      things: [{ kind: 'user', identifiers: draft.identifiers }],
      loadedAs: by,
      withdraws: stale,
      reasons: [],
      revokes: undefined,
      endings: [],
    },
  ])
  if (outcome?.refused !== undefined) {
    throw new HubError('subject.contradictory', {
      detail: `The identifiers of '${draft.login}' cannot belong to one user: ${outcome.refused}.`,
    })
  }
  await subjects.putLoaded(draft.loginIdentifier, {
    login: draft.login,
    displayName: draft.displayName,
    loadedAt: now,
    claim: key,
  })
  const [node] = await subjects.resolve([draft.loginIdentifier])
  const [subject] = node === undefined ? [] : await subjects.ofEntities([node.entity])
  if (subject === undefined) throw new Error('A loaded user was not stored.')
  return { subject, created: before === undefined, changes: outcome?.changes ?? [] }
}
