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
 * Reasons that are kept of one source about all that this source calls one. Beyond that the mildest give way, of these the
 * oldest; they are kept in the history. What others join makes no difference.
 */
export const reasonsPerSourceMax = 200

/** What is known before a batch of statements is applied. */
export interface RiskSnapshot {
  /** Who is who, with what the batch says of it. */
  readonly joined: Pick<Joined, 'nodes' | 'changed' | 'refused' | 'newlyRefused'>
  /** Every entity that the batch can touch. */
  readonly states: readonly EntityState[]
  readonly judge: Pick<WordJudge, 'ofReason'>
  readonly now: Date
}

/** What is to be written. */
export interface RiskChanges {
  readonly reasons: readonly SpokenReason[]
  /** Reasons that gave way: see `reasonsPerSourceMax`. */
  readonly dropped: readonly SpokenReason[]
  /** What was replaced, or came too late to count. */
  readonly history: readonly SpokenReason[]
  readonly revocations: readonly NewRevocation[]
  readonly levels: Parameters<RiskStore['putLevels']>[0]
}

/** The risk of every entity that a batch can touch, changed in memory. */
export interface Ledger {
  /** @returns the levels that the statement changes */
  enter(statement: Statement): readonly LevelChange[]
  /** @returns what is to be written, and the levels of entities that no statement named: others were joined or came apart */
  close(): { readonly changes: RiskChanges; readonly further: readonly LevelChange[] }
}

/** Later than every statement. */
const lastMoment = new Date(8_640_000_000_000_000)

interface Page {
  readonly state: EntityState
  /** Places of the reasons that may count for it. */
  readonly places: Set<string>
  readonly spoken: SpokenFor
  /** By source and what it calls one: places of its reasons. */
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

  /** Once for each entity, with however many of its identifiers it stood. */
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
      // Of what came at once, what is entered last came last: signals are handled in their order.
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
      // Only the page of its own entity has everything that the source calls one with it.
      if (page.state.known.nodes.has(spoken.node)) giveWay(page, shareOf(page, spoken))
    }
  }

  function giveWay({ bySource }: Page, share: string): void {
    const own = bySource.get(share)
    if (own === undefined || own.size <= reasonsPerSourceMax) return
    let least: [string, SpokenReason] | undefined
    for (const place of own) {
      const spoken = rows.get(place)
      if (spoken !== undefined && (least === undefined || isLess(spoken.reason, least[1].reason)))
        least = [place, spoken]
    }
    if (least === undefined) return
    const [place, spoken] = least
    rows.delete(place)
    written.delete(place)
    dropped.set(place, spoken) // whether it was there before or not: an earlier one may lie in the store
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
      // Who is who was settled for the whole batch: the first statement to name an entity tells what that changed.
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

function isLess(a: RiskReason, b: RiskReason): boolean {
  const milder = riskLevels.indexOf(a.level) - riskLevels.indexOf(b.level)
  return milder !== 0 ? milder < 0 : isLater(b, a)
}

/**
 * Whether to look at an entity earlier than is written down. Looking later is not worth a write with every statement:
 * whoever looks too early finds nothing to change, and writes down when to come again.
 */
function isSooner(next: Date | undefined, before: Date | undefined): boolean {
  return next !== undefined && (before === undefined || next < before)
}

function reasonPlace({ node, reason: { source, slot } }: SpokenReason): string {
  return `${node}\0${source.id}\0${slot}`
}

/** A source, and what it calls one with an identifier. */
function shareOf({ spoken }: Page, { node, reason: { source } }: SpokenReason): string {
  return `${spoken.rootOf(node, source.id, lastMoment)}\0${source.id}`
}
