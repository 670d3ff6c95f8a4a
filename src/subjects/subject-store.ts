import type { Anchor } from './anchor.ts'
import type { Claim } from './claim.ts'

/** An anchor as it is stored. Numbers grow in the order in which anchors were first seen. */
export interface AnchorNode {
  readonly node: number
  readonly anchor: Anchor
  /** `00u…`, `dev…`, `ses…`, an address itself: finds the entity, whoever else is joined with it. */
  readonly id: string
  /** The entity, by its oldest node. */
  readonly entity: number
  /** Whether its joins ended at some time. */
  readonly ended: boolean
  /** What was said of it before does not count: it named somebody else. */
  readonly recycledAt: Date | undefined
}

export interface NewAnchor {
  readonly anchor: Anchor
  readonly id: string
  readonly seenAt: Date
}

/** A claim as it is stored, and whether it is believed. */
export interface KnownClaim extends Claim {
  readonly refused: string | undefined
}

/** Everything that claims connect with some anchors, believed or not: what a partition of them depends on. */
export interface Component {
  readonly nodes: readonly AnchorNode[]
  readonly claims: readonly KnownClaim[]
  readonly endedAt: ReadonlyMap<Anchor, number>
}

/** What a new partition changes. */
export interface Rejoined {
  readonly entities: readonly { readonly node: number; readonly entity: number }[]
  readonly claims: readonly { readonly key: string; readonly refused: string | undefined }[]
}

/** The end of an identifier's joins. */
export interface Ending {
  readonly anchor: Anchor
  readonly at: Date
  /** It names somebody else from now on: what was said of it before does not count any more, and it gets this id. */
  readonly recycledAs: string | undefined
}

/** A user that somebody loaded. */
export interface LoadedUser {
  readonly login: string
  readonly displayName: string | undefined
  readonly loadedAt: Date
}

export interface Subject {
  /** Of the entity's oldest anchor. */
  readonly id: string
  readonly entity: number
  readonly kind: string
  /** Oldest first. */
  readonly anchors: readonly AnchorNode[]
  /** As last written down; what has run out since is taken off within a moment. */
  readonly level: number
  readonly firstSeenAt: Date
  readonly loaded: LoadedUser | undefined
}

export interface SubjectQuery {
  readonly kind?: string
  /** An index into riskLevels; NONE cannot be asked for alone. */
  readonly level?: number
  /** Part of an identifier, in lower case. */
  readonly text?: string
  /** Only entities with a smaller number: where the last page ended. */
  readonly before?: number
  readonly limit: number
}

export interface SubjectPage {
  /** Newest first. */
  readonly subjects: readonly Subject[]
  /** Where the next page starts (`before`); a page may hold fewer than asked for, even none, and still not be the last. */
  readonly next: number | undefined
}

/** Where identifiers and who is who live. Implemented in storage/, held to test/contract/risk-store.ts. */
export interface SubjectStore {
  /** Those of the anchors that are known. */
  resolve(anchors: readonly Anchor[]): Promise<readonly AnchorNode[]>
  /** Those of the entities that somebody loaded a user for. */
  loadedAmong(entities: readonly number[]): Promise<readonly number[]>
  /** Those of the anchors that a user was loaded with, together with others. */
  loadedAnchorsAmong(anchors: readonly Anchor[]): Promise<readonly Anchor[]>
  /** Adds anchors that are new, each an entity of its own. */
  add(anchors: readonly NewAnchor[]): Promise<readonly AnchorNode[]>
  claims(keys: readonly string[]): Promise<readonly KnownClaim[]>
  /** Adds claims, or puts them in the place of those with their keys. Their anchors must be there. */
  putClaims(claims: readonly Claim[]): Promise<void>
  /** Takes claims away. */
  dropClaims(keys: readonly string[]): Promise<void>
  component(nodes: readonly number[]): Promise<Component>
  rejoin(changes: Rejoined): Promise<void>
  /** An end that is earlier than one that is known changes nothing. */
  end(endings: readonly Ending[]): Promise<void>
  /** The entity with this id, or the one that a node with this id belongs to. */
  find(id: string): Promise<Subject | undefined>
  ofEntities(entities: readonly number[]): Promise<readonly Subject[]>
  /** Entities whose anchor has this id without its issuer: see `bareOf`. At most 20. */
  findBare(bare: string): Promise<readonly number[]>
  list(query: SubjectQuery): Promise<SubjectPage>
  /**
   * One step of a walk over all identifiers: deletes revocations that were received before the time, and then forgets
   * sessions and addresses that were first seen before it and about which nothing is kept any more. Whatever was said of
   * them since, still holds or held then, a revocation, history or a claim keeps them; people and devices are never
   * forgotten by themselves.
   */
  forget(step: ForgettingStep): Promise<Forgotten>
  /** What the same sign-in name was loaded with before. `claim` is the key of the claim that came with it. */
  loadedBefore(login: Anchor): Promise<{ readonly claim: string | undefined } | undefined>
  /** Keeps what was loaded, in the place of what was loaded before. */
  putLoaded(login: Anchor, user: LoadedUser & { readonly claim: string | undefined }): Promise<void>
}

export interface ForgettingStep {
  readonly before: Date
  /** Where the last step ended; 0 begins anew. */
  readonly after: number
  /** Identifiers to look at. */
  readonly lookedAt: number
  /** To delete, of revocations and of identifiers each. When there are as many, the step goes no further. */
  readonly deletedMax: number
}

export interface Forgotten {
  readonly revocations: number
  /** Sessions and addresses. */
  readonly forgotten: number
  /** Where the next step begins: undefined at the end of the walk, where this one began when not all revocations went. */
  readonly next: number | undefined
}
