import { HubError, type FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import { findSubject, type FindSubjectDeps } from '../subjects/find-subject.ts'
import { adminSource } from '../subjects/claim.ts'
import type { Subject } from '../subjects/subject-store.ts'
import { relevel, type LevelChange } from './relevel.ts'
import { applyStatements, type StatementDeps } from './apply-statements.ts'
import { statementOfReason } from './statement.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'
import type { WordJudge } from './risk-sources.ts'
import { dismissedReasons, levelsOf, reasonsInForce, type RiskLevels } from './risk-state.ts'
import type { RiskStore } from './risk-store.ts'

/** The risk of one subject at a time. */
export interface SubjectRisk extends RiskLevels {
  readonly subject: Subject
  /** The reasons that count, highest level first. */
  readonly inForce: readonly RiskReason[]
  /** The reasons that would count if they were not dismissed. */
  readonly dismissed: readonly RiskReason[]
}

/** A level that an administrator sets (OKTA-U3, OKTA-U4). Only readUserRisk and readSubjectRisk make one from outside data. */
export interface RiskDraft {
  readonly level: RiskLevel
  readonly reason: string
}

/** OKTA-U5, as in Okta's specification; its older recordings have `Admin override risk`. */
const defaultReason = 'override.by.admin'
export const riskReasonCharsMax = 500
const levels = ['HIGH', 'MEDIUM', 'LOW'] as const
/** All administrators share one slot. */
const adminSlot = 'admin'

/** Reads Okta's body. @throws HubError `user_risk.invalid` with every problem (OKTA-U3, OKTA-U4, OKTA-U7) */
export function readUserRisk(body: JsonValue | undefined): RiskDraft {
  return readDraft(body, { level: 'riskLevel', reason: 'riskReason' }, levels)
}

/** Reads our own body, `{level, reason}`, which also allows NONE. @throws HubError `user_risk.invalid` with every problem */
export function readSubjectRisk(body: JsonValue | undefined): RiskDraft {
  return readDraft(body, { level: 'level', reason: 'reason' }, riskLevels)
}

function readDraft(
  body: JsonValue | undefined,
  fields: { readonly level: string; readonly reason: string },
  allowed: readonly RiskLevel[],
): RiskDraft {
  if (!isJsonObject(body))
    throw invalidFields('user_risk.invalid', [{ field: '', message: 'The body must be a JSON object' }])
  const problems: FieldProblem[] = []
  const given = body[fields.level]
  const level = allowed.find((level) => level === given)
  if (given === undefined || given === null) {
    problems.push({ field: fields.level, message: 'The field cannot be left blank' })
  } else if (level === undefined) {
    problems.push({
      field: fields.level,
      message: `It is not one of the allowed values: ${allowed.join(', ')}`,
    })
  }
  const reason = body[fields.reason] ?? ''
  if (
    typeof reason !== 'string' ||
    reason.length > riskReasonCharsMax ||
    !/^[a-zA-Z0-9\s\-,.]*$/.test(reason)
  ) {
    problems.push({
      field: fields.reason,
      message: `It must be a string of at most ${riskReasonCharsMax} letters, digits, spaces, hyphens, commas and full stops`,
    })
  }
  if (problems.length > 0 || level === undefined || typeof reason !== 'string')
    throw invalidFields('user_risk.invalid', problems)
  return { level, reason: reason.trim() === '' ? defaultReason : reason }
}

/** @throws HubError `subject.not_found`, `subject.ambiguous` */
export async function getUser(deps: FindSubjectDeps, userId: string): Promise<Subject> {
  const user = await findSubject(deps, 'user', userId)
  if (user !== undefined) return user
  throw new HubError('subject.not_found', { facts: { id: userId, type: 'User' } })
}

/** The levels of a subject now, with their reasons. */
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
  const now = world.now()
  const worstFirst = (a: RiskReason, b: RiskReason): number =>
    riskLevels.indexOf(b.level) - riskLevels.indexOf(a.level)
  const inForce = (state === undefined ? [] : reasonsInForce(state.known, now)).toSorted(worstFirst)
  const dismissed = (state === undefined ? [] : dismissedReasons(state.known, now)).toSorted(worstFirst)
  return { subject, inForce, dismissed, ...levelsOf(inForce, judge.ofReason) }
}

export interface RiskSet {
  readonly risk: SubjectRisk
  /** Whether this is the first level that an administrator set (OKTA-U3). */
  readonly created: boolean
  readonly changes: readonly LevelChange[]
}

/**
 * Sets the level of a user, device, session or address. It overrides all earlier reasons of providers and holds until it is
 * set again; later statements of providers count beside it. Runs inside a transaction.
 */
export async function setRisk(
  deps: StatementDeps & { readonly world: Pick<World, 'now' | 'newId' | 'newUuid'> },
  subject: Subject,
  draft: RiskDraft,
): Promise<RiskSet> {
  const [state] = await deps.risk.states([subject.entity])
  const created = !(state?.known.reasons ?? []).some(({ reason }) => reason.source.kind === 'admin')
  const now = deps.world.now()
  const id = deps.world.newUuid()
  // One reason for each identifier that the administrator saw: later joins must not change what was decided.
  const statements = subject.identifiers.map(({ identifier }) =>
    statementOfReason({
      id,
      identifier,
      source: { kind: 'admin', id: adminSource },
      slot: adminSlot,
      detection: subject.kind === 'user' ? 'Admin Reported User Risk' : 'Admin Reported Risk',
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
  const [all] = statements
  if (all === undefined) throw new Error('A subject has at least one identifier.')
  const [outcome] = await applyStatements({ ...deps, ignoreUnknownUsers: false }, [
    {
      ...all,
      things: statements.flatMap(({ things }) => things),
      reasons: statements.flatMap(({ reasons }) => reasons),
    },
  ])
  return { risk: await riskOf(deps, subject), created, changes: outcome?.changes ?? [] }
}

/**
 * Dismisses one reason, such as a false positive, or restores it. A dismissed reason does not count until its source
 * states it again. Runs inside a transaction.
 * @returns the reason, undefined when the subject has no current one with this id, and the levels that changed
 */
export async function dismissReason(
  {
    risk,
    subjects,
    world,
    judge,
  }: Pick<StatementDeps, 'subjects' | 'risk' | 'judge'> & { readonly world: Pick<World, 'now'> },
  subject: Subject,
  reasonId: string,
  isDismissed: boolean,
): Promise<{ readonly reason: RiskReason | undefined; readonly changes: readonly LevelChange[] }> {
  const now = world.now()
  const dismissedAt = isDismissed ? now : undefined
  const [state] = await risk.states([subject.entity])
  const found = (state?.known.reasons ?? []).filter(({ reason }) => reason.id === reasonId)
  const [first] = found
  if (first === undefined) return { reason: undefined, changes: [] }
  await risk.writeReasons(found.map(({ node, reason }) => ({ node, reason: { ...reason, dismissedAt } })))
  const seeing = await subjects.entitiesSeeing(found.map(({ node }) => node))
  const { levels, changes } = relevel(
    await risk.states([...new Set([subject.entity, ...seeing])]),
    now,
    judge,
  )
  await risk.putLevels(levels)
  return { reason: { ...first.reason, dismissedAt }, changes }
}
