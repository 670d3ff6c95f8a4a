import { mainAnchor, scopeOf, type Anchor } from '../subjects/anchor.ts'
import { claimKey, type Claim } from '../subjects/claim.ts'
import type { NamedThing, News } from './news.ts'

/** What it claims: that several names are of one thing. A list of addresses is a list of things. */
export function claimsOf({ id, occurredAt, things, issuer, loadedAs }: News): readonly Claim[] {
  const said = { at: occurredAt.getTime(), id }
  return things.flatMap(({ kind, anchors }): Claim[] => {
    if (anchors.length < 2 || kind === 'address') return []
    const standing = loadedAs !== undefined ? 0 : vouchesFor(issuer, anchors) ? 1 : 2
    return [{ key: claimKey(anchors, loadedAs), anchors, standing, first: said, last: said }]
  })
}

/** Whether some of the ids are the issuer's own, and none is another's. */
function vouchesFor(issuer: string | undefined, anchors: readonly Anchor[]): boolean {
  const scopes = anchors.map(scopeOf).filter((scope) => scope !== undefined)
  return issuer !== undefined && scopes.length > 0 && scopes.every((scope) => scope === issuer)
}

/**
 * The news as it is of somebody who has no say in who is who: each thing by one name.
 * @param known - names that are known here already
 */
export function withoutJoins(news: News, known: ReadonlySet<Anchor>): News {
  if (claimsOf(news).length === 0) return news
  const instead = new Map<Anchor, Anchor>()
  const things = news.things.map((thing): NamedThing => {
    if (thing.kind === 'address') return thing
    const ofKnown = thing.anchors.filter((anchor) => known.has(anchor))
    const main = mainAnchor(ofKnown.length > 0 ? ofKnown : thing.anchors)
    for (const anchor of thing.anchors) instead.set(anchor, main)
    return { ...thing, anchors: [main] }
  })
  const of = <A extends Anchor | undefined>(anchor: A): A | Anchor =>
    anchor === undefined ? anchor : (instead.get(anchor) ?? anchor)
  return {
    ...news,
    things,
    reasons: news.reasons.map((reason) => ({ ...reason, anchor: of(reason.anchor) })),
    revokes: news.revokes && {
      ...news.revokes,
      user: of(news.revokes.user),
      device: of(news.revokes.device),
      session: of(news.revokes.session),
    },
  }
}

/** A name that news is kept with, and the keys of the claims while which are believed it counts elsewhere. */
interface Kept {
  readonly anchor: Anchor
  readonly claims: readonly string[]
}

/** Every name that news of this one is kept with: itself, and what the news claims to be the same. */
export function namesOf(claims: readonly Claim[], main: Anchor): readonly Kept[] {
  const claim = claims.find(({ anchors }) => anchors.includes(main))
  const others = claim?.anchors.filter((anchor) => anchor !== main) ?? []
  return [
    { anchor: main, claims: [] },
    ...others.map((anchor) => ({ anchor, claims: claim === undefined ? [] : [claim.key] })),
  ]
}

type Members = Readonly<Record<'user' | 'device' | 'session', Anchor | undefined>>
/** A revocation whose members have more names than this between them is kept with the first ones. */
const revokedTogetherMax = 64

/** Every way to name the members of a revocation. */
export function together(
  claims: readonly Claim[],
  members: Members,
): readonly (Members & Pick<Kept, 'claims'>)[] {
  const ways = (anchor: Anchor | undefined) =>
    anchor === undefined ? [{ anchor, claims: [] }] : namesOf(claims, anchor)
  return ways(members.user)
    .flatMap((user) =>
      ways(members.device).flatMap((device) =>
        ways(members.session).map((session) => ({
          user: user.anchor,
          device: device.anchor,
          session: session.anchor,
          claims: [...user.claims, ...device.claims, ...session.claims],
        })),
      ),
    )
    .slice(0, revokedTogetherMax)
}
