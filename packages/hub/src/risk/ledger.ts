import type { Identifier } from '../subjects/identifier.ts'
import type { Joined } from '../subjects/join.ts'
import { relevel, type LevelChange } from './relevel.ts'
import { riskLevels } from './risk-level.ts'
import type { RiskReason } from './risk-reason.ts'
import type { WordJudge } from './risk-sources.ts'
import { isLater, spokenFor, type SpokenFor, type SpokenReason } from './risk-state.ts'
import type { EntityState, NewRevocation, RiskStore } from './risk-store.ts'
import { namesOf, waysToName } from './statement-names.ts'
import type { Statement } from './statement.ts'

/**
 * Current reasons of one source for all identifiers that this source joins. Beyond that the lowest level moves to the
 * history, of the same level the oldest. Claims of other sources make no difference.
 */
export const reasonsPerSourceMax = 200

/** The state that a batch of statements is applied to. */
export interface RiskSnapshot {
  /** The identities, after the claims of the batch. */
  readonly joined: Pick<Joined, 'nodes' | 'changed' | 'refused' | 'newlyRefused'>
  /** Every entity that the batch can change. */
  readonly states: readonly EntityState[]
  readonly judge: Pick<WordJudge, 'ofReason'>
  readonly now: Date
}

/** What a batch writes. */
export interface RiskChanges {
  readonly reasons: readonly SpokenReason[]
  /** Reasons over the limit: see `reasonsPerSourceMax`. */
  readonly dropped: readonly SpokenReason[]
  /** Replaced reasons, and those older than the current one. */
  readonly history: readonly SpokenReason[]
  readonly revocations: readonly NewRevocation[]
  readonly levels: Parameters<RiskStore['putLevels']>[0]
}

/** The risk of every entity that a batch can change, in memory. */
export interface Ledger {
  /** @returns the levels that the statement changes */
  enter(statement: Statement): readonly LevelChange[]
  /** @returns what to write, and the level changes of entities that no statement named, but a join or its end changed */
  close(): { readonly changes: RiskChanges; readonly further: readonly LevelChange[] }
}

/** Later than every statement. */
const lastMoment = new Date(8_640_000_000_000_000)

interface Page {
  readonly state: EntityState
  /** Places of the reasons that may count for the entity. */
  readonly places: Set<string>
  readonly spoken: SpokenFor
  /** Places of reasons by source and by the identifiers that the source joins: see shareOf. */
  readonly bySource: Map<string, Set<string>>
  level: number
  changesAt: Date | undefined
}

export function createLedger({ joined, states, judge, now }: RiskSnapshot): Ledger {
  const nodeOf = (identifier: Identifier) => {
    const node = joined.nodes.get(identifier)
    if (node === undefined) throw new Error(`The identifier ${identifier} was not made known.`)
    return node
  }
  const rows = new Map<string, SpokenReason>()
  const pages = new Map<number, Page>()
  const pagesOfNode = new Map<number, Page[]>()
  for (const state of states) {
    const { known, level, changesAt } = state
    const spoken = spokenFor(known)
    const page: Page = { state, spoken, places: new Set(), bySource: new Map(), level, changesAt }
    pages.set(state.entity, page)
    for (const node of new Set([...known.nodes, ...known.memberships.map(({ node }) => node)])) {
      const others = pagesOfNode.get(node)
      if (others === undefined) pagesOfNode.set(node, [page])
      else others.push(page)
    }
    for (const spoken of known.reasons) {
      const place = reasonPlace(spoken)
      rows.set(place, rows.get(place) ?? spoken)
      note(page, place, spoken)
    }
  }
  const written = new Map<string, SpokenReason>()
  const replaced = new Map<string, SpokenReason>()
  const dropped = new Map<string, SpokenReason>()
  const revocations: NewRevocation[] = []

  function note(page: Page, place: string, spoken: SpokenReason): void {
    page.places.add(place)
    const share = shareOf(page, spoken)
    page.bySource.set(share, (page.bySource.get(share) ?? new Set()).add(place))
  }

  /** Enters a reason once for each entity, even when it was kept with several identifiers. */
  function becomesHistory(spoken: SpokenReason): void {
    const { node, reason } = spoken
    const own = pagesOfNode.get(node)?.find(({ state }) => state.known.nodes.has(node))
    const key = `${own?.state.entity ?? node}\0${reason.id}`
    if (!replaced.has(key)) replaced.set(key, spoken)
  }

  function put(spoken: SpokenReason): void {
    const place = reasonPlace(spoken)
    const before = rows.get(place)
    if (before !== undefined) {
      // At the same moment the reason that is entered last wins: signals are handled in their order.
      const isSameMoment =
        before.reason.occurredAt.getTime() === spoken.reason.occurredAt.getTime() &&
        before.reason.receivedAt.getTime() === spoken.reason.receivedAt.getTime()
      if (before.reason.id === spoken.reason.id) return
      if (!isSameMoment && !isLater(spoken.reason, before.reason)) {
        becomesHistory(spoken)
        return
      }
      becomesHistory(before)
    }
    rows.set(place, spoken)
    written.set(place, spoken)
    dropped.delete(place)
    for (const page of pagesOfNode.get(spoken.node) ?? []) {
      note(page, place, spoken)
      // Only the page of the reason's own entity holds all reasons that share the limit.
      if (page.state.known.nodes.has(spoken.node)) dropMildest(page, shareOf(page, spoken))
    }
  }

  function dropMildest({ bySource }: Page, share: string): void {
    const own = bySource.get(share)
    if (own === undefined || own.size <= reasonsPerSourceMax) return
    let mildest: [string, SpokenReason] | undefined
    for (const place of own) {
      const spoken = rows.get(place)
      if (spoken !== undefined && (mildest === undefined || isMilder(spoken.reason, mildest[1].reason)))
        mildest = [place, spoken]
    }
    if (mildest === undefined) return
    const [place, spoken] = mildest
    rows.delete(place)
    written.delete(place)
    dropped.set(place, spoken) // The store may hold an earlier reason in this place.
    becomesHistory(spoken)
    for (const page of pagesOfNode.get(spoken.node) ?? []) {
      page.places.delete(place)
      page.bySource.get(shareOf(page, spoken))?.delete(place)
    }
  }

  function settle(page: Page): readonly LevelChange[] {
    const { state } = page
    const reasons = [...page.places].flatMap((place) => rows.get(place) ?? [])
    const withReasons = { ...state, level: page.level, known: { ...state.known, reasons } }
    const { levels, changes } = relevel([withReasons], now, judge)
    page.level = levels[0]?.level ?? page.level
    page.changesAt = levels[0]?.changesAt
    return changes
  }

  return {
    enter(each) {
      const affected = new Set<Page>()
      for (const reason of each.reasons) {
        for (const name of namesOf(each.things, reason.identifier)) {
          const { node } = nodeOf(name)
          put({ node, reason: { ...reason, identifier: name } })
          for (const page of pagesOfNode.get(node) ?? []) affected.add(page)
        }
      }
      // The identities were joined for the whole batch: the first statement that names an entity gets its level change.
      for (const { identifiers } of each.things) {
        for (const identifier of identifiers) {
          const { entity } = nodeOf(identifier)
          const page = joined.changed.has(entity) ? pages.get(entity) : undefined
          if (page !== undefined) affected.add(page)
        }
      }
      if (each.revokes !== undefined) {
        const { user, device, session, signalId, eventType, message } = each.revokes
        const numberOf = (identifier: Identifier | undefined) =>
          identifier === undefined ? undefined : nodeOf(identifier).node
        for (const named of waysToName(each.things, { user, device, session })) {
          revocations.push({
            user: numberOf(named.user),
            device: numberOf(named.device),
            session: numberOf(named.session),
            revokedAt: each.occurredAt,
            receivedAt: each.receivedAt,
            providerId: each.source.id,
            signalId,
            eventType,
            message,
          })
        }
      }
      return [...affected].flatMap(settle)
    },
    close() {
      const further = [...pages.values()].flatMap(settle)
      const moved = [...pages.values()].filter(
        ({ state, level, changesAt }) => level !== state.level || isSooner(changesAt, state.changesAt),
      )
      return {
        further,
        changes: {
          reasons: [...written.values()],
          dropped: [...dropped.values()],
          history: [...replaced.values()],
          revocations,
          levels: moved.map(({ state: { entity }, level, changesAt }) => ({ entity, level, changesAt })),
        },
      }
    },
  }
}

function isMilder(a: RiskReason, b: RiskReason): boolean {
  const milder = riskLevels.indexOf(a.level) - riskLevels.indexOf(b.level)
  return milder !== 0 ? milder < 0 : isLater(b, a)
}

/**
 * Whether the entity is due earlier than stored. A later time is not worth a write for each statement: the expiry worker
 * then finds nothing to change, and stores the next time.
 */
function isSooner(next: Date | undefined, before: Date | undefined): boolean {
  return next !== undefined && (before === undefined || next < before)
}

function reasonPlace({ node, reason: { source, slot } }: SpokenReason): string {
  return `${node}\0${source.id}\0${slot}`
}

/** The key of a source and of the identifiers that it joins with this one. */
function shareOf({ spoken }: Page, { node, reason: { source } }: SpokenReason): string {
  return `${spoken.rootOf(node, source.id, lastMoment)}\0${source.id}`
}
