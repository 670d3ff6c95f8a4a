import type { World } from '../base/world.ts'
import { kindOf, type Anchor } from '../subjects/anchor.ts'
import { join, tooManyClaims, type JoinDeps, type Joined, type NewEnding } from '../subjects/join.ts'
import type { AnchorNode, SubjectStore } from '../subjects/subject-store.ts'
import { claimsOf, namesOf, together, withoutJoins } from './names-of-news.ts'
import type { RiskAction } from './risk-action.ts'
import { riskLevels, type RiskLevel } from './risk-level.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'
import { isLater, levelsOf, nextExpiry, reasonsInForce } from './risk-state.ts'
import type { EntityState, NewReason, NewRevocation, RiskStore, StoredReason } from './risk-store.ts'

/** One thing that news speaks of, by every name it is given. Several names claim to name the same. */
export interface NamedThing {
  readonly kind: string
  /** Sorted, each once. */
  readonly anchors: readonly Anchor[]
}

/** What is said of somebody or something, and what it does. */
export interface News {
  readonly source: RiskSource
  /** Whose ids the source can vouch for, if it is one that has some. */
  readonly issuer?: string
  /** Settles what happened at the same moment: the same whenever it comes. */
  readonly id: string
  readonly occurredAt: Date
  readonly receivedAt: Date
  /** Everything that it names. What is not of an accepted kind, or makes a contradictory claim, makes it unmatched. */
  readonly things: readonly NamedThing[]
  readonly reasons: readonly RiskReason[]
  /** Which of the things' sessions are over. */
  readonly revokes: NewsRevocation | undefined
  readonly endings: readonly NewEnding[]
  /** What sets a loaded user's claim apart: whose it is. */
  readonly loadedAs?: string
  /** Keys of claims that it takes back. */
  readonly withdraws?: readonly string[]
}

export interface NewsRevocation {
  readonly user: Anchor | undefined
  readonly device: Anchor | undefined
  readonly session: Anchor | undefined
  readonly signalId: string
  readonly message: string | undefined
}

/** The enforced level of an entity went from one to another. */
export interface LevelChange {
  readonly entity: Pick<EntityState, 'id' | 'kind' | 'name'>
  readonly previous: RiskLevel
  readonly level: RiskLevel
  /** What counts now. */
  readonly inForce: readonly RiskReason[]
}

/** What became of one piece of news. */
export interface Heard {
  /** Why it was not applied for good; undefined when it was, or when its claims are not believed for now. */
  readonly unmatched: string | undefined
  /** Whether it was about an unknown user. */
  readonly ignored: boolean
  /** Why its claims are not believed, for now. */
  readonly refused: string | undefined
  readonly changes: readonly LevelChange[]
}

export interface NewsDeps {
  readonly subjects: JoinDeps['subjects'] & Pick<SubjectStore, 'loadedAmong' | 'loadedAnchorsAmong'>
  readonly risk: Pick<RiskStore, 'states' | 'writeReasons' | 'addHistory' | 'putLevels' | 'putRevocations'>
  readonly world: Pick<World, 'now' | 'newId'>
  readonly actionOf: (source: RiskSource) => RiskAction
  /** Whether news about users whom nobody loaded is to lead to nothing (E79). */
  readonly ignoreUnknownUsers: boolean
}

const unknownUser = 'the user is not known here, and unknown users are ignored'

/**
 * Applies news, in their order, to who is who and to risk. Inside a transaction; a batch costs about ten statements
 * whatever its size.
 * @returns for each what became of it
 */
export async function applyNews(deps: NewsDeps, told: readonly News[]): Promise<readonly Heard[]> {
  const news = await withoutWhatIsNotTheirs(deps, told)
  const ignored = deps.ignoreUnknownUsers ? await ofUnknownUsers(deps, news) : new Set<News>()
  const welcome = news.filter((each) => !ignored.has(each))
  const joined = await join(deps, {
    anchors: new Set(
      welcome.flatMap(({ things, endings }) => [
        ...things.flatMap(({ anchors }) => anchors),
        ...endings.map(({ anchor }) => anchor),
      ]),
    ),
    claims: welcome.flatMap(claimsOf),
    endings: welcome.flatMap(({ endings }) => endings),
    withdrawn: welcome.flatMap(({ withdraws = [] }) => withdraws),
  })
  const ledger = await openLedger(deps, joined, welcome)
  const heard = news.map((each): Heard => {
    if (ignored.has(each)) return { unmatched: unknownUser, ignored: true, refused: undefined, changes: [] }
    const refused = claimsOf(each)
      .map(({ key }) => joined.refused.get(key))
      .find((reason) => reason !== undefined)
    return { unmatched: undefined, ignored: false, refused, changes: ledger.enter(each) }
  })
  const further = await ledger.write()
  const last = heard.at(-1)
  return last === undefined || further.length === 0
    ? heard
    : heard.with(-1, { ...last, changes: [...last.changes, ...further] })
}

/**
 * Who is who decides whom enforced risk is about: only sources whose word is acted on have a say in it, and none of them
 * against what an administrator loaded. News of the others is kept with the one of its names that is known here.
 */
async function withoutWhatIsNotTheirs(
  { subjects, actionOf }: NewsDeps,
  news: readonly News[],
): Promise<readonly News[]> {
  const isEnforced = ({ source }: News): boolean => actionOf(source) === 'enforce_and_log'
  const ended = news.filter(isEnforced).flatMap(({ endings }) => endings.map(({ anchor }) => anchor))
  const loaded = new Set(ended.length === 0 ? [] : await subjects.loadedAnchorsAmong(ended))
  const others = news.filter((each) => !isEnforced(each) && claimsOf(each).length > 0)
  const named = others.flatMap(({ things }) => things.flatMap(({ anchors }) => anchors))
  const known = new Set(named.length === 0 ? [] : (await subjects.resolve(named)).map(({ anchor }) => anchor))
  return news.map((each): News => {
    if (!isEnforced(each)) return { ...withoutJoins(each, known), endings: [] }
    return loaded.size === 0
      ? each
      : { ...each, endings: each.endings.filter(({ anchor }) => !loaded.has(anchor)) }
  })
}

async function ofUnknownUsers({ subjects }: NewsDeps, news: readonly News[]): Promise<ReadonlySet<News>> {
  const usersOf = ({ things }: News) => things.filter(({ kind }) => kind === 'user')
  const anchors = new Set(news.flatMap((each) => usersOf(each).flatMap(({ anchors }) => anchors)))
  const nodes = await subjects.resolve([...anchors])
  const loaded = new Set(await subjects.loadedAmong(nodes.map(({ entity }) => entity)))
  const known = new Set(nodes.filter(({ entity }) => loaded.has(entity)).map(({ anchor }) => anchor))
  return new Set(
    news.filter((each) => usersOf(each).some(({ anchors }) => !anchors.some((anchor) => known.has(anchor)))),
  )
}

/** The risk of every entity that a batch touches: read once, changed in memory, written once. */
interface Ledger {
  enter(news: News): readonly LevelChange[]
  /** @returns changes of entities that no news named: others were joined or came apart */
  write(): Promise<readonly LevelChange[]>
}

interface Page {
  readonly state: EntityState
  reasons: StoredReason[]
  level: number
  changesAt: Date | undefined
}

async function openLedger(deps: NewsDeps, joined: Joined, news: readonly News[]): Promise<Ledger> {
  const { risk, actionOf, world } = deps
  const nodeOf = (anchor: Anchor) => {
    const node = joined.nodes.get(anchor)
    if (node === undefined) throw new Error(`The anchor ${anchor} was not made known.`)
    return node
  }
  const touched = new Set(joined.changed)
  for (const each of news) {
    const claims = claimsOf(each)
    for (const { anchor } of each.reasons) {
      for (const { anchor: name } of namesOf(claims, anchor)) touched.add(nodeOf(name).entity)
    }
  }
  const now = world.now()
  const pages = new Map<number, Page>()
  for (const state of touched.size === 0 ? [] : await risk.states([...touched])) {
    pages.set(state.entity, {
      state,
      reasons: [...state.reasons],
      level: state.level,
      changesAt: state.changesAt,
    })
  }
  const recycled = news.flatMap(({ endings }) => endings.filter(({ recycled }) => recycled))
  const recycledAt = ({ anchor, recycledAt: before }: AnchorNode): Date | undefined =>
    recycled.reduce(
      (at, ending) => (ending.anchor === anchor && (at === undefined || ending.at > at) ? ending.at : at),
      before,
    )
  /** What was not taken is believed by nobody at any time. */
  const isTaken = (key: string): boolean => joined.refused.get(key) !== tooManyClaims
  const written = new Map<string, NewReason>()
  const replaced: NewReason[] = []
  const revocations: NewRevocation[] = []

  function put(reason: NewReason): void {
    const page = pages.get(nodeOf(reason.reason.anchor).entity)
    if (page === undefined) return
    const place = placeOf(reason)
    const at = page.reasons.findIndex((other) => placeOf(other) === place)
    const before = page.reasons[at]
    if (before !== undefined && !isLater(reason.reason, before.reason)) {
      if (before.reason.id !== reason.reason.id && isMain(reason)) replaced.push(reason)
      return
    }
    const counts =
      (isMain(reason) || reason.claims.some((key) => joined.refused.has(key))) &&
      reason.reason.occurredAt >= (recycledAt(nodeOf(reason.reason.anchor)) ?? reason.reason.occurredAt)
    if (before === undefined) page.reasons.push({ ...reason, counts })
    else {
      if (isMain(before)) replaced.push(before)
      page.reasons[at] = { ...reason, counts }
    }
    written.set(place, reason)
  }

  function settle(page: Page): readonly LevelChange[] {
    const { levels, changes } = relevel([{ ...page.state, ...page }], now, actionOf)
    page.level = levels[0]?.level ?? page.level
    page.changesAt = levels[0]?.changesAt
    return changes
  }

  return {
    enter(each) {
      const entities = new Set<number>()
      const claims = claimsOf(each)
      for (const reason of each.reasons) {
        for (const { anchor, claims: keys } of namesOf(claims, reason.anchor)) {
          const { node, entity } = nodeOf(anchor)
          entities.add(entity)
          put({ node, reason: { ...reason, anchor }, claims: keys.filter(isTaken) })
        }
      }
      // Who is who was settled for the whole batch: the first news to name an entity tells what that changed.
      for (const { anchors } of each.things) {
        for (const anchor of anchors)
          if (joined.changed.has(nodeOf(anchor).entity)) entities.add(nodeOf(anchor).entity)
      }
      if (each.revokes !== undefined) {
        const { user, device, session, signalId, message } = each.revokes
        for (const named of together(claims, { user, device, session })) {
          const number = (anchor: Anchor | undefined) =>
            anchor === undefined ? undefined : nodeOf(anchor).node
          revocations.push({
            user: number(named.user),
            device: number(named.device),
            session: number(named.session),
            revokedAt: each.occurredAt,
            receivedAt: each.receivedAt,
            providerId: each.source.id,
            signalId,
            message,
            claims: named.claims.filter(isTaken),
          })
        }
      }
      return [...entities].flatMap((entity) => {
        const page = pages.get(entity)
        return page === undefined ? [] : settle(page)
      })
    },
    async write() {
      const further = [...pages.values()].flatMap(settle)
      if (written.size > 0) await risk.writeReasons([...written.values()])
      if (replaced.length > 0) await risk.addHistory(replaced, now)
      if (revocations.length > 0) await risk.putRevocations(revocations)
      const moved = [...pages.values()].filter(
        ({ state, level, changesAt }) => level !== state.level || isSooner(changesAt, state.changesAt),
      )
      if (moved.length > 0) {
        await risk.putLevels(
          moved.map(({ state: { entity }, level, changesAt }) => ({ entity, level, changesAt })),
        )
      }
      return further
    },
  }
}

/**
 * Whether to look at an entity earlier than is written down. Looking later is not worth a write with every piece of news:
 * whoever looks too early finds nothing to change, and writes down when to come again.
 */
function isSooner(next: Date | undefined, before: Date | undefined): boolean {
  return next !== undefined && (before === undefined || next < before)
}

/** The levels of entities at a time, and which of them are not what was written down. */
export function relevel(
  states: readonly EntityState[],
  now: Date,
  actionOf: (source: RiskSource) => RiskAction,
): { readonly levels: Parameters<RiskStore['putLevels']>[0]; readonly changes: readonly LevelChange[] } {
  const changes: LevelChange[] = []
  const levels = states.map((state) => {
    const counting = state.reasons.filter(({ counts }) => counts).map(({ reason }) => reason)
    const inForce = reasonsInForce(counting, now)
    const level = levelsOf(inForce, actionOf).enforced
    const previous = riskLevels[state.level] ?? 'NONE'
    if (level !== previous) changes.push({ entity: state, previous, level, inForce })
    return { entity: state.entity, level: riskLevels.indexOf(level), changesAt: nextExpiry(inForce) }
  })
  return { levels, changes }
}

function isMain({ claims }: NewReason): boolean {
  return claims.length === 0
}

function placeOf({ node, reason: { source, slot }, claims }: NewReason): string {
  return `${node}\0${source.id}\0${slot}\0${claims.join()}`
}

/** News without a signal: that one source gives one reason for each anchor. */
export function newsOfReason(reason: RiskReason): News {
  const { source, id, occurredAt, receivedAt, anchor } = reason
  return {
    source,
    id,
    occurredAt,
    receivedAt,
    things: [{ kind: kindOf(anchor), anchors: [anchor] }],
    reasons: [reason],
    revokes: undefined,
    endings: [],
  }
}
