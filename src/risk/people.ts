import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import { findSubject } from '../subjects/find-subject.ts'
import { subjectKinds } from '../subjects/anchor.ts'
import type { Subject, SubjectPage, SubjectQuery, SubjectStore } from '../subjects/subject-store.ts'
import type { UserDraft } from '../subjects/user-draft.ts'
import { loadUser } from './load-user.ts'
import type { LevelChange } from './ledger.ts'
import type { NewsDeps } from './news.ts'
import type { RiskReason } from './risk-reason.ts'
import type { WordJudge } from './risk-sources.ts'
import type { RiskStore } from './risk-store.ts'
import { getUser, riskOf, setUserRisk, type SubjectRisk, type UserRiskDraft } from './user-risk.ts'

/** What happens in one transaction. */
export interface PeopleWork {
  readonly subjects: SubjectStore
  readonly risk: RiskStore
  /** What sources' words count for, as this transaction has it. */
  readonly judge: WordJudge
  readonly journal: {
    levelsChanged(changes: readonly LevelChange[], by: Actor): Promise<void>
    loaded(subject: Subject, by: Actor): Promise<void>
  }
}

export interface PeopleDeps {
  readonly world: NewsDeps['world'] & Parameters<typeof setUserRisk>[0]['world']
  readonly judge: () => WordJudge
  /** Issuer of our own users' ids. */
  readonly origin: string
  readonly stores: Pick<PeopleWork, 'subjects' | 'risk'>
  readonly transaction: <T>(work: (tx: PeopleWork) => Promise<T>) => Promise<T>
}

export interface SubjectDetails extends SubjectRisk {
  /** What was replaced or came too late, newest first; at most 100. */
  readonly history: readonly RiskReason[]
}

/** Users, devices, sessions and addresses, and their risk, for people to look at and to change. */
export interface People {
  /** @throws HubError `subject.not_found` */
  userRisk(userId: string): Promise<SubjectRisk>
  /** @throws HubError `subject.not_found` */
  setUserRisk(
    userId: string,
    draft: UserRiskDraft,
    by: Actor,
  ): Promise<SubjectRisk & { readonly created: boolean }>
  list(query: SubjectQuery): Promise<SubjectPage>
  /** By id or name. @throws HubError `subject.not_found` */
  get(id: string): Promise<SubjectDetails>
  /** @throws HubError `subject.contradictory` */
  load(draft: UserDraft, by: Actor): Promise<SubjectDetails & { readonly created: boolean }>
}

const historyMax = 100

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

  return {
    userRisk: async (userId) =>
      riskOf({ risk, world, judge: judge() }, await getUser({ subjects, vouches: judge().vouches }, userId)),
    setUserRisk: (userId, draft, by) =>
      transaction(async ({ journal, ...tx }) => {
        const { risk, created, changes } = await setUserRisk(
          { ...tx, world, origin, ignoreUnknownUsers: false },
          userId,
          draft,
        )
        await journal.levelsChanged(changes, by)
        return { ...risk, created }
      }),
    list: (query) => subjects.list(query),
    async get(id) {
      const subject = await find(id)
      if (subject === undefined) throw new HubError('subject.not_found', { facts: { id, type: 'Subject' } })
      return details(subject)
    },
    async load(draft, by) {
      const { subject, created } = await transaction(async ({ journal, ...tx }) => {
        const loaded = await loadUser({ ...tx, world, origin }, draft)
        await journal.loaded(loaded.subject, by)
        await journal.levelsChanged(loaded.changes, by)
        return loaded
      })
      return { ...(await details(subject)), created }
    },
  }
}
