import { HubError, type FieldProblem } from '../base/hub-error.ts'
import { isJsonObject, type JsonValue } from '../base/json.ts'
import type { World } from '../base/world.ts'
import { findSubject, type FindSubjectDeps } from '../subjects/find-subject.ts'
import { adminSource } from '../subjects/claim.ts'
import type { Subject } from '../subjects/subject-store.ts'
import type { LevelChange } from './ledger.ts'
import { applyNews, newsOfReason, type NewsDeps } from './news.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'
import type { WordJudge } from './risk-sources.ts'
import { levelsOf, reasonsInForce, type RiskLevels } from './risk-state.ts'
import type { RiskStore } from './risk-store.ts'

/** The risk of one entity at a time. */
export interface SubjectRisk extends RiskLevels {
  readonly subject: Subject
  /** What counts, the worst first. */
  readonly inForce: readonly RiskReason[]
}

/** What an administrator sets (U3, U4). Only readUserRisk makes one from outside data. */
export interface UserRiskDraft {
  readonly level: Exclude<RiskLevel, 'NONE'>
  readonly reason: string
}

/** U5, as the specification has it; what Okta recorded earlier is `Admin override risk`. */
const defaultReason = 'override.by.admin'
export const riskReasonCharsMax = 500
const levels = ['HIGH', 'MEDIUM', 'LOW'] as const
/** Of administrators' words there is one at a time. */
const adminSlot = 'admin'

/** @throws HubError `user_risk.invalid` with every problem (U3, U4, U7) */
export function readUserRisk(body: JsonValue | undefined): UserRiskDraft {
  if (!isJsonObject(body)) throw invalid([{ field: '', message: 'The body must be a JSON object' }])
  const problems: FieldProblem[] = []
  const { riskLevel, riskReason } = body
  const level = levels.find((level) => level === riskLevel)
  if (riskLevel === undefined || riskLevel === null) {
    problems.push({ field: 'riskLevel', message: 'The field cannot be left blank' })
  } else if (level === undefined) {
    problems.push({
      field: 'riskLevel',
      message: `It is not one of the allowed values: ${levels.join(', ')}`,
    })
  }
  const reason = riskReason ?? ''
  if (
    typeof reason !== 'string' ||
    reason.length > riskReasonCharsMax ||
    !/^[a-zA-Z0-9\s\-,.]*$/.test(reason)
  ) {
    problems.push({
      field: 'riskReason',
      message: `It must be a string of at most ${riskReasonCharsMax} letters, digits, spaces, hyphens, commas and full stops`,
    })
  }
  if (problems.length > 0 || level === undefined || typeof reason !== 'string') throw invalid(problems)
  return { level, reason: reason.trim() === '' ? defaultReason : reason }
}

function invalid(problems: readonly FieldProblem[]): HubError {
  const detail = problems
    .map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
    .join('; ')
  return new HubError('user_risk.invalid', { detail, problems })
}

/** @throws HubError `subject.not_found`, `subject.ambiguous` */
export async function getUser(deps: FindSubjectDeps, userId: string): Promise<Subject> {
  const user = await findSubject(deps, 'user', userId)
  if (user !== undefined) return user
  throw new HubError('subject.not_found', { facts: { id: userId, type: 'User' } })
}

/** The levels of an entity as they are at this moment, and why. */
export async function riskOf(
  {
    risk,
    world,
    judge,
  }: {
    readonly judge: Pick<WordJudge, 'ofReason'>
    readonly risk: Pick<RiskStore, 'states'>
    readonly world: Pick<World, 'now'>
  },
  subject: Subject,
): Promise<SubjectRisk> {
  const [state] = await risk.states([subject.entity])
  const inForce = (state === undefined ? [] : reasonsInForce(state.known, world.now())).toSorted(
    (a, b) => riskLevels.indexOf(b.level) - riskLevels.indexOf(a.level),
  )
  return { subject, inForce, ...levelsOf(inForce, judge.ofReason) }
}

export interface UserRiskSet {
  readonly risk: SubjectRisk
  /** Whether an administrator had set none before (U3). */
  readonly created: boolean
  readonly changes: readonly LevelChange[]
}

/**
 * Sets a user's risk by hand. It sets aside what providers said before, and holds until it is set again; what they say
 * from then on counts beside it. Runs inside a transaction.
 * @throws HubError `subject.not_found`
 */
export async function setUserRisk(
  deps: Omit<NewsDeps, 'subjects'> & {
    readonly subjects: NewsDeps['subjects'] & FindSubjectDeps['subjects']
    readonly world: Pick<World, 'now' | 'newId' | 'newUuid'>
  },
  userId: string,
  draft: UserRiskDraft,
): Promise<UserRiskSet> {
  const subject = await getUser({ subjects: deps.subjects, vouches: deps.judge.vouches }, userId)
  const [state] = await deps.risk.states([subject.entity])
  const created = !(state?.known.reasons ?? []).some(({ reason }) => reason.source.kind === 'admin')
  const now = deps.world.now()
  const id = deps.world.newUuid()
  // Of every identifier that the administrator was shown: whatever sources join or part later, it was decided of these.
  const news = subject.anchors.map(({ anchor }) =>
    newsOfReason({
      id,
      anchor,
      source: { kind: 'admin', id: adminSource },
      slot: adminSlot,
      detection: 'Admin Reported User Risk',
      level: draft.level,
      message: draft.reason,
      occurredAt: now,
      receivedAt: now,
      expiresAt: undefined,
      signalId: undefined,
      eventType: undefined,
      dismissedAt: undefined,
    }),
  )
  const [all] = news
  if (all === undefined) throw new Error('A user has at least one identifier.')
  const [heard] = await applyNews({ ...deps, ignoreUnknownUsers: false }, [
    {
      ...all,
      things: news.flatMap(({ things }) => things),
      reasons: news.flatMap(({ reasons }) => reasons),
    },
  ])
  return { risk: await riskOf(deps, subject), created, changes: heard?.changes ?? [] }
}
