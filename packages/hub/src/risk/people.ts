import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { Transact } from '../base/transaction.ts'
import { findSubject } from '../subjects/find-subject.ts'
import { subjectKinds } from '../subjects/identifier.ts'
import type { Subject, SubjectPage, SubjectQuery, SubjectStore } from '../subjects/subject-store.ts'
import type { UserDraft } from '../subjects/user-draft.ts'
import type { LevelCause, LevelJournal } from './level-journal.ts'
import { loadUser } from './load-user.ts'
import type { StatementDeps } from './apply-statements.ts'
import type { RiskReason } from './risk-reason.ts'
import { wordJudge, type RiskSourceStore, type WordJudge } from './risk-sources.ts'
import type { RiskStore } from './risk-store.ts'
import { dismissReason, getUser, riskOf, setRisk, type RiskDraft, type SubjectRisk } from './user-risk.ts'

/** An administrator dismissed a reason, or restored it. */
export interface ReasonDismissal {
  readonly subject: Subject
  readonly reason: RiskReason
  readonly by: Actor
}

export interface PeopleJournal extends LevelJournal {
  userLoaded(subject: Subject, by: Actor): Promise<void>
  reasonDismissed(change: ReasonDismissal): Promise<void>
}

interface PeopleStores {
  readonly subjects: SubjectStore
  readonly risk: RiskStore
}

interface ChangingStores extends PeopleStores {
  readonly riskSources: Pick<RiskSourceStore, 'list'>
}

export interface PeopleDeps {
  readonly world: StatementDeps['world'] & Parameters<typeof setRisk>[0]['world']
  readonly judge: () => WordJudge
  /** The issuer of our own users' ids. */
  readonly origin: string
  readonly stores: PeopleStores
  readonly transaction: Transact<ChangingStores, PeopleJournal>
}

export interface SubjectDetails extends SubjectRisk {
  /** Replaced reasons and those that were never current, newest first; at most 100. */
  readonly history: readonly RiskReason[]
}

/** Reads and changes users, devices, sessions, addresses and their risk. */
export interface People {
  /** @throws HubError `subject.not_found` */
  userRisk(userId: string): Promise<SubjectRisk>
  /** @throws HubError `subject.not_found` */
  setUserRisk(
    userId: string,
    draft: RiskDraft,
    by: Actor,
  ): Promise<SubjectRisk & { readonly created: boolean }>
  /** By id or name, of any kind. @throws HubError `subject.not_found` */
  setRisk(id: string, draft: RiskDraft, by: Actor): Promise<SubjectDetails>
  /**
   * Dismisses one reason, or restores it: see dismissReason.
   * @throws HubError `subject.not_found`, `subject.no_such_reason`
   */
  dismiss(id: string, reasonId: string, isDismissed: boolean, by: Actor): Promise<SubjectDetails>
  list(query: SubjectQuery): Promise<SubjectPage>
  /** By id or name. @throws HubError `subject.not_found` */
  get(id: string): Promise<SubjectDetails>
  /** @throws HubError `subject.contradictory` */
  load(draft: UserDraft, by: Actor): Promise<SubjectDetails & { readonly created: boolean }>
}

const historyMax = 100

const byAdmin = (by: Actor): LevelCause => ({ by, detectionName: 'Admin Reported User Risk' })

export function createPeople({ world, judge, origin, stores, transaction }: PeopleDeps): People {
  const { subjects, risk } = stores

  const details = async (subject: Subject): Promise<SubjectDetails> => ({
    ...(await riskOf({ risk, world, judge: judge() }, subject)),
    history: await risk.history(subject.entity, historyMax),
  })

  async function find(name: string): Promise<Subject | undefined> {
    for (const kind of subjectKinds) {
      const subject = await findSubject({ subjects, vouches: judge().vouches }, kind, name)
      if (subject !== undefined) return subject
    }
    return subjects.find(name)
  }

  async function get(id: string): Promise<Subject> {
    const subject = await find(id)
    if (subject === undefined) throw new HubError('subject.not_found', { facts: { id, type: 'Subject' } })
    return subject
  }

  const depsIn = async ({ subjects, risk, riskSources }: ChangingStores) => ({
    subjects,
    risk,
    world,
    origin,
    judge: wordJudge(await riskSources.list()),
    ignoreUnknownUsers: false,
  })

  return {
    userRisk: async (userId) =>
      riskOf({ risk, world, judge: judge() }, await getUser({ subjects, vouches: judge().vouches }, userId)),
    setUserRisk: (userId, draft, by) =>
      transaction(async ({ stores, journal }) => {
        const deps = await depsIn(stores)
        const subject = await getUser({ subjects: deps.subjects, vouches: deps.judge.vouches }, userId)
        const { risk, created, changes } = await setRisk(deps, subject, draft)
        await journal.levelsChanged(changes, byAdmin(by))
        return { ...risk, created }
      }),
    async setRisk(id, draft, by) {
      const subject = await get(id)
      await transaction(async ({ stores, journal }) => {
        const { changes } = await setRisk(await depsIn(stores), subject, draft)
        await journal.levelsChanged(changes, byAdmin(by))
      })
      return details(subject)
    },
    async dismiss(id, reasonId, isDismissed, by) {
      const subject = await get(id)
      await transaction(async ({ stores, journal }) => {
        const deps = await depsIn(stores)
        const { reason, changes } = await dismissReason(deps, subject, reasonId, isDismissed)
        if (reason === undefined) {
          throw new HubError('subject.no_such_reason', {
            detail:
              'The subject has no current reason with this id; `watchbell subject show --json` lists them.',
            facts: { id: reasonId, type: 'Reason' },
          })
        }
        await journal.reasonDismissed({ subject, reason, by })
        await journal.levelsChanged(changes, byAdmin(by))
      })
      return details(subject)
    },
    list: (query) => subjects.list(query),
    get: async (id) => details(await get(id)),
    async load(draft, by) {
      const { subject, created } = await transaction(async ({ stores, journal }) => {
        const loaded = await loadUser(await depsIn(stores), draft)
        await journal.userLoaded(loaded.subject, by)
        await journal.levelsChanged(loaded.changes, byAdmin(by))
        return loaded
      })
      return { ...(await details(subject)), created }
    },
  }
}
