import type { RiskAction } from './risk-action.ts'
import { highestLevel, riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'

/** News in this slot is about taking part (RISC 1.0 §2.8), and of no level itself. */
export const participationSlot = 'participation'
const optOutEffective = '/opt-out-effective'

/** Whether `a` is later news than `b`: by when it happened; of one moment the worse, then by id, so that order of arrival never matters. */
export function isLater(
  a: Pick<RiskReason, 'occurredAt' | 'level' | 'id'>,
  b: Pick<RiskReason, 'occurredAt' | 'level' | 'id'>,
): boolean {
  const apart = a.occurredAt.getTime() - b.occurredAt.getTime()
  if (apart !== 0) return apart > 0
  const worse = riskLevels.indexOf(a.level) - riskLevels.indexOf(b.level)
  return worse !== 0 ? worse > 0 : a.id > b.id
}

/**
 * Which of an entity's reasons count at a time, whatever their sources' word counts for:
 *
 * 1. Of each source and slot the latest, over all identifiers of the entity; earlier ones are replaced, even when the
 *    latest has run out.
 * 2. Of a source that the user opted out of, none (R69).
 * 3. What happened before an administrator set the level is set aside by it.
 * 4. What has run out, and what has level NONE, is over.
 */
export function reasonsInForce(reasons: readonly RiskReason[], now: Date): readonly RiskReason[] {
  const latest = latestOfEach(reasons)
  const optedOut = new Set(latest.filter(isOptOut).map(({ source }) => source.id))
  const override = latest
    .filter(({ source }) => source.kind === 'admin')
    .reduce<RiskReason | undefined>((last, each) => (last && isLater(last, each) ? last : each), undefined)
  return latest.filter(
    (reason) =>
      reason.level !== 'NONE' &&
      (reason.expiresAt === undefined || reason.expiresAt > now) &&
      !optedOut.has(reason.source.id) &&
      (override === undefined || reason === override || reason.occurredAt > override.occurredAt),
  )
}

function latestOfEach(reasons: readonly RiskReason[]): readonly RiskReason[] {
  if (reasons.length < 2) return reasons
  const latest = new Map<string, RiskReason>()
  for (const reason of reasons) {
    const key = `${reason.source.id}\0${reason.slot}`
    const other = latest.get(key)
    if (other === undefined || isLater(reason, other)) latest.set(key, reason)
  }
  return [...latest.values()]
}

function isOptOut({ slot, eventType }: RiskReason): boolean {
  return slot === participationSlot && eventType?.endsWith(optOutEffective) === true
}

export interface RiskLevels {
  /** Over the sources whose word is acted on. */
  readonly enforced: RiskLevel
  /** Over those that are only to be seen. */
  readonly reported: RiskLevel
}

/** @param inForce - see {@link reasonsInForce} */
export function levelsOf(
  inForce: readonly RiskReason[],
  actionOf: (source: RiskSource) => RiskAction,
): RiskLevels {
  const over = (action: RiskAction): RiskLevel =>
    highestLevel(inForce.filter(({ source }) => actionOf(source) === action).map(({ level }) => level))
  return { enforced: over('enforce_and_log'), reported: over('log_only') }
}

/** When the first of them runs out: the level cannot change by itself before. */
export function nextExpiry(inForce: readonly RiskReason[]): Date | undefined {
  let next: Date | undefined
  for (const { expiresAt } of inForce) {
    if (expiresAt !== undefined && (next === undefined || expiresAt < next)) next = expiresAt
  }
  return next
}
