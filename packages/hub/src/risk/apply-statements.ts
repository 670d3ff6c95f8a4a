import type { World } from '../base/world.ts'
import {
  formatOf,
  kindOf,
  mainIdentifier,
  scopeOf,
  valueOf,
  type Identifier,
} from '../subjects/identifier.ts'
import { join, type JoinDeps } from '../subjects/join.ts'
import type { Ending } from '../subjects/partition.ts'
import type { KnownClaim, SubjectStore } from '../subjects/subject-store.ts'
import { openLedger, type LevelChange } from './ledger.ts'
import { claimsOf } from './names-of-news.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'
import type { WordJudge } from './risk-sources.ts'
import type { RiskStore } from './risk-store.ts'
import { outsideItsLimits } from './source-trust.ts'

/** One thing that news speaks of, by every name it is given. Several names claim to name the same. */
export interface NamedThing {
  readonly kind: string
  /** Sorted, each once. */
  readonly identifiers: readonly Identifier[]
}

/** What is said of somebody or something, and what it does. */
export interface News {
  readonly source: RiskSource
  /** Whose ids the source can vouch for, if it is one that has some. */
  readonly issuer?: string
  /** Settles what happened at the same moment: the same whenever it comes. */
  readonly id: string
  readonly eventType?: string
  readonly occurredAt: Date
  /** When its claims count as made, if that is another time. */
  readonly claimedAt?: Date
  readonly receivedAt: Date
  /** Everything that it names. */
  readonly things: readonly NamedThing[]
  /** Each is kept with every name of its thing. */
  readonly reasons: readonly RiskReason[]
  /** Which of the things' sessions are over. */
  readonly revokes: NewsRevocation | undefined
  readonly endings: readonly NewEnding[]
  /** What sets a loaded user's claim apart: whose it is. */
  readonly loadedAs?: string
  /** Keys of claims that it takes back. */
  readonly withdraws?: readonly string[]
}

/** That an address or number no longer names what it named. */
export type NewEnding = Pick<Ending, 'identifier' | 'recycled' | 'successor'>

export interface NewsRevocation {
  readonly user: Identifier | undefined
  readonly device: Identifier | undefined
  readonly session: Identifier | undefined
  readonly signalId: string
  readonly eventType: string
  readonly message: string | undefined
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
  /** Claims, of whichever source, that are believed no more, or not yet, since this. */
  readonly contradicted: readonly KnownClaim[]
}

export interface NewsDeps {
  readonly subjects: JoinDeps['subjects'] & Pick<SubjectStore, 'loadedAmong' | 'entitiesSeeing' | 'withIds'>
  readonly risk: Pick<
    RiskStore,
    'states' | 'writeReasons' | 'dropReasons' | 'addHistory' | 'putLevels' | 'putRevocations'
  >
  readonly world: Pick<World, 'now' | 'newId'>
  readonly judge: WordJudge
  /** The issuer of our own users' ids. */
  readonly origin: string
  /** Whether news about users whom nobody loaded is to lead to nothing (OKTA-E79). */
  readonly ignoreUnknownUsers: boolean
}

const unknownUser = 'the user is not known here, and unknown users are ignored'

/**
 * Applies news, in their order, to who is who and to risk. Inside a transaction; a batch costs about a dozen statements
 * whatever its size.
 * @returns for each what became of it
 */
export async function applyNews(deps: NewsDeps, told: readonly News[]): Promise<readonly Heard[]> {
  const { judge } = deps
  const limited = told.map((each) => withinLimits(each, judge))
  const news = await withOurOwnIds(
    deps,
    limited.map((each, at) => (typeof each === 'string' ? nothingOf(told, at) : each)),
  )
  const outside = (at: number): string | undefined => {
    const each = limited[at]
    return typeof each === 'string' ? each : undefined
  }
  const ignored = deps.ignoreUnknownUsers ? await ofUnknownUsers(deps, news) : new Set<News>()
  const welcome = news.filter((each, at) => !ignored.has(each) && outside(at) === undefined)
  const claims = new Map(welcome.map((each) => [each, claimsOf(each)]))
  const joined = await join(
    { ...deps, claimantOf: judge.claimantOf, believed: judge.believed },
    {
      identifiers: new Set(
        welcome.flatMap(({ things, endings }) => [
          ...things.flatMap(({ identifiers }) => identifiers),
          ...endings.flatMap(({ identifier, successor }) =>
            successor === undefined ? [identifier] : [identifier, successor],
          ),
        ]),
      ),
      vouched: vouchedIn(welcome),
      claims: [...claims.values()].flat(),
      endings: welcome.flatMap(({ endings, source, claimedAt, occurredAt }) =>
        endings.map((ending) => ({ ...ending, source: source.id, at: (claimedAt ?? occurredAt).getTime() })),
      ),
      withdrawn: welcome.flatMap(({ withdraws = [] }) => withdraws),
    },
  )
  const ledger = await openLedger(deps, joined, welcome)
  const heard = news.map((each, at): Heard => {
    const nothing = { refused: undefined, changes: [], contradicted: [] }
    const unmatched = outside(at)
    if (unmatched !== undefined) return { ...nothing, unmatched, ignored: false }
    if (ignored.has(each)) return { ...nothing, unmatched: unknownUser, ignored: true }
    const keys = new Set(claims.get(each)?.map(({ key }) => key))
    return {
      unmatched: undefined,
      ignored: false,
      refused: [...keys].map((key) => joined.refused.get(key)).find((reason) => reason !== undefined),
      changes: ledger.enter(each),
      contradicted: joined.newlyRefused.filter(({ key }) => keys.has(key)),
    }
  })
  const changes = await ledger.write()
  const mentioned = new Set(heard.flatMap(({ contradicted }) => contradicted))
  const contradicted = joined.newlyRefused.filter((claim) => !mentioned.has(claim))
  const last = heard.at(-1)
  return last === undefined || changes.length + contradicted.length === 0
    ? heard
    : heard.with(-1, {
        ...last,
        changes: [...last.changes, ...changes],
        contradicted: [...last.contradicted, ...contradicted],
      })
}

function nothingOf(told: readonly News[], at: number): News {
  const news = told[at]
  if (news === undefined) throw new RangeError('There is no such news.')
  return { ...news, things: [], reasons: [], revokes: undefined, endings: [] }
}

/**
 * A source's word as far as the source may speak: without the names that it may not speak of. Its claims and endings count
 * as made when it was registered at the earliest, whatever its clock says.
 * @returns why nothing of it may be said, where that is so
 */
function withinLimits(news: News, judge: WordJudge): News | string {
  const { source, eventType, occurredAt } = news
  if (source.kind !== 'security_events_provider') return news
  if (eventType !== undefined && !judge.maySend(source, eventType))
    return 'its provider may not send events of this type'
  const registeredAt = judge.registeredAt(source)
  const claimedAt =
    registeredAt !== undefined && occurredAt < registeredAt ? registeredAt : (news.claimedAt ?? occurredAt)
  const said = { ...news, claimedAt }
  const outside = news.things.flatMap(({ identifiers }) =>
    identifiers.filter((identifier) => !judge.maySpeakOf(source, identifier)),
  )
  const [first] = outside
  if (first === undefined) {
    return said.endings.every(
      ({ successor }) => successor === undefined || judge.maySpeakOf(source, successor),
    )
      ? said
      : {
          ...said,
          endings: said.endings.map((ending) =>
            ending.successor === undefined || judge.maySpeakOf(source, ending.successor)
              ? ending
              : { ...ending, successor: undefined },
          ),
        }
  }
  const left = said.things.map(({ kind, identifiers }) => ({
    kind,
    identifiers: identifiers.filter((identifier) => !outside.includes(identifier)),
  }))
  if (left.some(({ identifiers }) => identifiers.length === 0)) return outsideItsLimits(first)
  const instead = new Map<Identifier, Identifier>()
  for (const [at, { identifiers }] of said.things.entries()) {
    const [main] = left[at]?.identifiers.toSorted() ?? []
    for (const identifier of identifiers) {
      if (outside.includes(identifier) && main !== undefined)
        instead.set(identifier, mainIdentifier(left[at]?.identifiers ?? [main]))
    }
  }
  return renamed(
    {
      ...said,
      things: left,
      endings: said.endings.filter(({ identifier }) => !outside.includes(identifier)),
    },
    instead,
  )
}

/** The news with other names in the place of some. */
function renamed(news: News, instead: ReadonlyMap<Identifier, Identifier>): News {
  if (instead.size === 0) return news
  const of = <A extends Identifier | undefined>(identifier: A): A | Identifier =>
    identifier === undefined ? identifier : (instead.get(identifier) ?? identifier)
  const reasons = news.reasons.map((reason) => ({ ...reason, identifier: of(reason.identifier) }))
  return {
    ...news,
    things: news.things.map(({ kind, identifiers }) => ({
      kind,
      identifiers: [...new Set(identifiers.map((identifier) => of(identifier)))].toSorted(),
    })),
    reasons: [...new Map(reasons.map((reason) => [`${reason.id}\0${reason.identifier}`, reason])).values()],
    revokes: news.revokes && {
      ...news.revokes,
      user: of(news.revokes.user),
      device: of(news.revokes.device),
      session: of(news.revokes.session),
    },
  }
}

/** What our own ids of users, devices and sessions look like: see newSubjectId. */
const ownId = /^(?:00u|dev|ses)[A-Za-z0-9]{17}$/

/** Who is named by our own id, as an opaque id or as a `sub` of ours, is whom that id belongs to (RFC 9493 §3.2.3, §3.2.4). */
async function withOurOwnIds(
  { subjects, origin }: NewsDeps,
  news: readonly News[],
): Promise<readonly News[]> {
  const idOf = (identifier: Identifier): string | undefined => {
    const format = formatOf(identifier)
    const isOurs = format === 'opaque' || (format === 'iss_sub' && scopeOf(identifier) === origin)
    return isOurs && ownId.test(valueOf(identifier)) ? valueOf(identifier) : undefined
  }
  const named = new Map<Identifier, string>()
  for (const { things } of news) {
    for (const { identifiers } of things) {
      for (const identifier of identifiers) {
        const id = idOf(identifier)
        if (id !== undefined) named.set(identifier, id)
      }
    }
  }
  if (named.size === 0) return news
  const byId = new Map(
    (await subjects.withIds([...new Set(named.values())])).map(({ id, identifier }) => [id, identifier]),
  )
  const instead = new Map(
    [...named].flatMap(([identifier, id]) => {
      const theirs = byId.get(id)
      return theirs !== undefined && kindOf(theirs) === kindOf(identifier)
        ? [[identifier, theirs] as const]
        : []
    }),
  )
  return news.map((each) => renamed(each, instead))
}

/** A provider vouches for ids of its own issuer, and an administrator for all that a loaded user has. */
function vouchedIn(news: readonly News[]): ReadonlyMap<Identifier, string> {
  const vouched = new Map<Identifier, string>()
  for (const { source, issuer, loadedAs, things } of news) {
    if (issuer === undefined && loadedAs === undefined) continue
    for (const { identifiers } of things) {
      for (const identifier of identifiers) {
        const scope = scopeOf(identifier)
        if (scope !== undefined && (loadedAs !== undefined || scope === issuer))
          vouched.set(identifier, source.id)
      }
    }
  }
  return vouched
}

async function ofUnknownUsers({ subjects }: NewsDeps, news: readonly News[]): Promise<ReadonlySet<News>> {
  const usersOf = ({ things }: News) => things.filter(({ kind }) => kind === 'user')
  const identifiers = new Set(news.flatMap((each) => usersOf(each).flatMap(({ identifiers }) => identifiers)))
  const nodes = await subjects.resolve([...identifiers])
  const loaded = new Set(await subjects.loadedAmong(nodes.map(({ entity }) => entity)))
  const known = new Set(nodes.filter(({ entity }) => loaded.has(entity)).map(({ identifier }) => identifier))
  return new Set(
    news.filter((each) =>
      usersOf(each).some(({ identifiers }) => !identifiers.some((identifier) => known.has(identifier))),
    ),
  )
}

/** News without a signal: that one source gives one reason for each identifier. */
export function newsOfReason(reason: RiskReason): News {
  const { source, id, occurredAt, receivedAt, identifier } = reason
  return {
    source,
    id,
    occurredAt,
    receivedAt,
    things: [{ kind: kindOf(identifier), identifiers: [identifier] }],
    reasons: [reason],
    revokes: undefined,
    endings: [],
  }
}
