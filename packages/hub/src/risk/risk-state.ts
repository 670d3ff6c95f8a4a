import { byLasting } from '../subjects/identifier.ts'
import type { Membership } from '../subjects/subject-store.ts'
import { adminSource } from '../subjects/claim.ts'
import type { RiskAction } from './risk-action.ts'
import { highestLevel, riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'

/** The slot of opt-in and opt-out (RISC 1.0 §2.8), whose statements have the level NONE. */
export const participationSlot = 'participation'
const optOutEffective = '/opt-out-effective'

/**
 * Whether `a` is the later of two statements: by the time it happened, then by its receipt, then the higher level, then
 * the id. The order is total, so the order of processing never matters.
 */
export function isLater(
  a: Pick<RiskReason, 'occurredAt' | 'receivedAt' | 'level' | 'id'>,
  b: Pick<RiskReason, 'occurredAt' | 'receivedAt' | 'level' | 'id'>,
): boolean {
  const apart =
    a.occurredAt.getTime() - b.occurredAt.getTime() || a.receivedAt.getTime() - b.receivedAt.getTime()
  if (apart !== 0) return apart > 0
  const worse = riskLevels.indexOf(a.level) - riskLevels.indexOf(b.level)
  return worse !== 0 ? worse > 0 : a.id > b.id
}

/** An identifier names another subject since: earlier statements about its node do not count. */
export interface EndedStatement {
  readonly node: number
  /** Ends the statements of this source, and with `everybody` of all sources but administrators. */
  readonly source: string
  readonly at: Date
  readonly everybody: boolean
}

export interface SpokenReason {
  readonly node: number
  readonly reason: RiskReason
}

/** All stored facts that may count for one entity. */
export interface KnownAbout {
  /** The nodes of its identifiers. */
  readonly nodes: ReadonlySet<number>
  /** The memberships of these nodes, and of nodes that some source joins with them. */
  readonly memberships: readonly Membership[]
  readonly ended: readonly EndedStatement[]
  readonly reasons: readonly SpokenReason[]
}

/** Which statements count for an entity, and which identifiers a source joins. */
export interface SpokenFor {
  /** Whether a statement of a source about a node at a time counts for the entity. */
  isAbout(node: number, source: string, at: Date): boolean
  /** The node that represents all identifiers that the source joins with this one. */
  rootOf(node: number, source: string, at: Date): number
}

/**
 * A statement counts for the entity of its identifier, and for the entities of all identifiers that the same source joins
 * with it, whatever other sources claim. Statements from before an identifier was recycled do not count: those of the
 * source that said so, and those of other sources if it may end them; an administrator's statements still count.
 */
export function spokenFor({ nodes, memberships, ended }: Omit<KnownAbout, 'reasons'>): SpokenFor {
  if (memberships.length === 0 && ended.length === 0) {
    return { isAbout: (node) => nodes.has(node), rootOf: (node) => node }
  }
  const byNode = Map.groupBy(
    memberships.toSorted((a, b) => a.until - b.until),
    ({ node, source }) => `${node}\0${source}`,
  )
  const rootIn = (node: number, source: string, at: number): number | undefined =>
    byNode.get(`${node}\0${source}`)?.find(({ until }) => at <= until)?.root
  const rootOf = (node: number, source: string, at: number): number =>
    rootIn(node, source, at) ?? rootIn(node, adminSource, at) ?? node
  const now = Number.MAX_SAFE_INTEGER
  const rootsSeen = new Map<string, ReadonlySet<number>>()
  const rootsOf = (source: string): ReadonlySet<number> => {
    const known = rootsSeen.get(source)
    if (known !== undefined) return known
    const roots = new Set([...nodes].map((node) => rootOf(node, source, now)))
    rootsSeen.set(source, roots)
    return roots
  }
  const isOver = (node: number, source: string, at: Date): boolean =>
    ended.some(
      (ending) =>
        ending.node === node &&
        ending.at > at &&
        (ending.source === source || (ending.everybody && source !== adminSource)),
    )
  return {
    isAbout: (node, source, at) =>
      (nodes.has(node) || rootsOf(source).has(rootOf(node, source, at.getTime()))) &&
      !isOver(node, source, at),
    rootOf: (node, source, at) => rootOf(node, source, at.getTime()),
  }
}

/**
 * The reasons of an entity that are in force at a time, whatever the actions of their sources:
 *
 * 1. Of each source and slot the latest, over all identifiers that the source joins; earlier ones are replaced, even when
 *    the latest has expired. A source replaces only its own reasons.
 * 2. None of a source that the user opted out of (RISC 1.0 §2.8).
 * 3. None from before an administrator set the level of the identifier.
 * 4. None that has expired, was dismissed, or has the level NONE.
 */
export function reasonsInForce(known: KnownAbout, now: Date): readonly RiskReason[] {
  if (known.reasons.length === 0) return []
  const { isAbout, rootOf } = spokenFor(known)
  const latest = new Map<string, SpokenReason>()
  const overrides = new Map<number, RiskReason>()
  const reasonPlace = ({ node, reason: { source, slot, occurredAt } }: SpokenReason): string =>
    `${rootOf(node, source.id, occurredAt)}\0${source.id}\0${slot}`
  for (const spoken of known.reasons) {
    const { node, reason } = spoken
    if (!isAbout(node, reason.source.id, reason.occurredAt)) continue
    const place = reasonPlace(spoken)
    const other = latest.get(place)
    if (other === undefined || isShownBefore(reason, other.reason)) latest.set(place, spoken)
    if (reason.source.kind !== 'admin') continue
    for (const named of [node, rootOf(node, adminSource, now)]) {
      const override = overrides.get(named)
      if (override === undefined || isLater(reason, override)) overrides.set(named, reason)
    }
  }
  const optedOut = new Set(
    [...latest.values()]
      .filter(({ reason }) => isOptOut(reason))
      .map(
        ({ node, reason: { source, occurredAt } }) => `${rootOf(node, source.id, occurredAt)}\0${source.id}`,
      ),
  )
  const inForce = new Map<string, RiskReason>()
  for (const { node, reason } of latest.values()) {
    const { id, level, source, expiresAt, occurredAt, dismissedAt } = reason
    if (level === 'NONE' || dismissedAt !== undefined || (expiresAt !== undefined && expiresAt <= now))
      continue
    if (optedOut.has(`${rootOf(node, source.id, occurredAt)}\0${source.id}`)) continue
    const override = overrides.get(node) ?? overrides.get(rootOf(node, adminSource, now))
    if (override !== undefined && override.id !== id && occurredAt <= override.occurredAt) continue
    inForce.set(id, reason)
  }
  return [...inForce.values()]
}

/** The dismissed reasons that would otherwise be in force. */
export function dismissedReasons(known: KnownAbout, now: Date): readonly RiskReason[] {
  if (known.reasons.every(({ reason }) => reason.dismissedAt === undefined)) return []
  const reasons = known.reasons.map(({ node, reason }) => ({
    node,
    reason: { ...reason, dismissedAt: undefined },
  }))
  const dismissedAt = new Map(known.reasons.map(({ reason }) => [reason.id, reason.dismissedAt]))
  return reasonsInForce({ ...known, reasons }, now).flatMap((reason) => {
    const at = dismissedAt.get(reason.id)
    return at === undefined ? [] : [{ ...reason, dismissedAt: at }]
  })
}

/** A reason with several identifiers is shown with the most lasting one. */
function isShownBefore(a: RiskReason, b: RiskReason): boolean {
  return a.id === b.id ? byLasting(a.identifier, b.identifier) < 0 : isLater(a, b)
}

function isOptOut({ slot, eventType }: RiskReason): boolean {
  return slot === participationSlot && eventType?.endsWith(optOutEffective) === true
}

export interface RiskLevels {
  /** Over the reasons that count as `enforce_and_log`. */
  readonly enforced: RiskLevel
  /** Over the reasons that count as `log_only`. */
  readonly reported: RiskLevel
}

/**
 * @param inForce - see {@link reasonsInForce}
 * @param actionOf - what a reason counts for
 */
export function levelsOf(
  inForce: readonly RiskReason[],
  actionOf: (reason: RiskReason) => RiskAction,
): RiskLevels {
  const over = (action: RiskAction): RiskLevel =>
    highestLevel(inForce.filter((reason) => actionOf(reason) === action).map(({ level }) => level))
  return { enforced: over('enforce_and_log'), reported: over('log_only') }
}

/** When the first reason expires: without new statements, the level cannot change earlier. */
export function nextExpiry(inForce: readonly RiskReason[]): Date | undefined {
  let next: Date | undefined
  for (const { expiresAt } of inForce) {
    if (expiresAt !== undefined && (next === undefined || expiresAt < next)) next = expiresAt
  }
  return next
}
