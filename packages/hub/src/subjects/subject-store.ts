import type { Identifier, SubjectKind } from './identifier.ts'
import type { Claim } from './claim.ts'
import type { Ending } from './partition.ts'

/** An identifier as it is stored. Numbers grow in the order in which identifiers were first seen. */
export interface IdentifierNode {
  readonly node: number
  readonly identifier: Identifier
  /** `00u…`, `dev…`, `ses…`, an address itself: finds the entity, whoever else is joined with it. */
  readonly id: string
  /** The entity, by its oldest node. */
  readonly entity: number
  /** The provider whose own id this is, as it said itself: only then its bare id finds it. Undefined for all others. */
  readonly vouchedBy: string | undefined
}

export interface NewIdentifier {
  readonly identifier: Identifier
  readonly id: string
  readonly seenAt: Date
  readonly vouchedBy: string | undefined
}

/** A claim as it is stored, and why it is not believed, if it is not. */
export interface KnownClaim extends Claim {
  readonly refused: string | undefined
}

/** Everything that claims of some sources connect with some identifiers, believed or not. */
export interface Component {
  readonly nodes: readonly IdentifierNode[]
  readonly claims: readonly KnownClaim[]
  readonly endings: readonly KnownEnding[]
  readonly memberships: readonly Membership[]
}

export interface KnownEnding extends Ending {
  /** Whether it ends other sources' words too, as was worked out last. */
  readonly everybody: boolean
}

/**
 * That a source calls an identifier the same as others with the same root: see `ownView`. What it said of the identifier
 * until `until` is said of all of them.
 */
export interface Membership {
  readonly node: number
  readonly source: string
  /** Milliseconds since 1970; {@link forGood} while it lasts. */
  readonly until: number
  /** One of the nodes. */
  readonly root: number
}

export const forGood = Number.MAX_SAFE_INTEGER

/** Claims of a source that are not believed. */
export interface RefusedClaims {
  /** Counted up to 1,000. */
  readonly total: number
  /** At most 10. */
  readonly newest: readonly KnownClaim[]
}

/** What a new look at a component changes. */
export interface Rejoined {
  readonly entities: readonly { readonly node: number; readonly entity: number }[]
  readonly claims: readonly { readonly key: string; readonly refused: string | undefined }[]
  readonly endings: readonly Pick<KnownEnding, 'identifier' | 'source' | 'at' | 'everybody'>[]
  /** Of these sources, everything of these nodes is replaced. */
  readonly memberships: { readonly gone: readonly Membership[]; readonly made: readonly Membership[] }
}

/** A user that somebody loaded. */
export interface LoadedUser {
  readonly login: string
  readonly displayName: string | undefined
  readonly loadedAt: Date
}

export interface Subject {
  /** Of the entity's oldest identifier. */
  readonly id: string
  readonly entity: number
  readonly kind: SubjectKind
  /** Oldest first. */
  readonly identifiers: readonly IdentifierNode[]
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
  /** Those of the identifiers that are known. */
  resolve(identifiers: readonly Identifier[]): Promise<readonly IdentifierNode[]>
  /** The identifiers that have these ids. */
  withIds(ids: readonly string[]): Promise<readonly Pick<IdentifierNode, 'id' | 'identifier'>[]>
  /** Those of the entities that somebody loaded a user for. */
  loadedAmong(entities: readonly number[]): Promise<readonly number[]>
  /** Of those of the identifiers that belong to a loaded user the user, with the id of its entity. */
  loadedUsersOf(
    identifiers: readonly Identifier[],
  ): Promise<ReadonlyMap<Identifier, Pick<LoadedUser, 'login' | 'displayName'> & { readonly id: string }>>
  /** Adds identifiers that are new, each an entity of its own. */
  add(identifiers: readonly NewIdentifier[]): Promise<readonly IdentifierNode[]>
  claims(keys: readonly string[]): Promise<readonly KnownClaim[]>
  refusedClaims(source: string): Promise<RefusedClaims>
  /** Adds claims, or puts them in the place of those with their keys. Their identifiers must be there. */
  putClaims(claims: readonly Claim[]): Promise<void>
  /** Takes claims away. */
  dropClaims(keys: readonly string[]): Promise<void>
  /**
   * What claims of these sources connect with the nodes. Their claims, endings and memberships, and no others', but for
   * endings that ended other sources' words when they were looked at last.
   */
  component(nodes: readonly number[], sources: readonly string[]): Promise<Component>
  rejoin(changes: Rejoined): Promise<void>
  /** Keeps what is new, of one source and identifier the latest 16. The nodes must be there. */
  end(endings: readonly Ending[]): Promise<void>
  /** Forgets what these endings say takes the old name's place. */
  forgetSuccessors(endings: readonly Pick<Ending, 'identifier' | 'source' | 'at'>[]): Promise<void>
  /** Makes known that a provider calls identifiers its own ids. */
  vouch(identifiers: readonly Identifier[], provider: string): Promise<void>
  /**
   * Nodes that a source's claims and endings name, in steps.
   * @param after - where the last step ended; the empty string begins anew
   * @returns where the next one begins: undefined at the end
   */
  namedBy(
    source: string,
    after: string,
    max: number,
  ): Promise<{ readonly nodes: readonly number[]; readonly next: string | undefined }>
  /** Entities about which something counts, in some source's view, because of what is said of these nodes. */
  entitiesSeeing(nodes: readonly number[]): Promise<readonly number[]>
  /** The entity with this id, or the one that a node with this id belongs to. */
  find(id: string): Promise<Subject | undefined>
  ofEntities(entities: readonly number[]): Promise<readonly Subject[]>
  /** Entities with an identifier that has this id without its issuer, and that its issuer vouches for: see `bareOf`. */
  findBare(bare: string): Promise<readonly { readonly entity: number; readonly vouchedBy: string }[]>
  list(query: SubjectQuery): Promise<SubjectPage>
  /**
   * How many users there are of a level, as it was written down last.
   * @param level - above NONE
   * @param lookedAtMax - entities of this level that are looked at, newest first; older ones are not counted
   */
  countUsersOf(level: number, lookedAtMax: number): Promise<number>
  /**
   * One step of a walk over all identifiers: deletes revocations that were received before the time, and then forgets
   * sessions and addresses that were first seen before it and about which nothing is kept any more. Whatever was said of
   * them since, still holds or held then, a revocation, history or a claim keeps them; people and devices are never
   * forgotten by themselves.
   */
  forget(step: ForgettingStep): Promise<Forgotten>
  /** What the same sign-in name was loaded with before. `claim` is the key of the claim that came with it. */
  loadedBefore(login: Identifier): Promise<{ readonly claim: string | undefined } | undefined>
  /** Keeps what was loaded, in the place of what was loaded before. */
  putLoaded(login: Identifier, user: LoadedUser & { readonly claim: string | undefined }): Promise<void>
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
