import type { Actor } from '../base/actor.ts'
import type { ErasureNames } from './erasure.ts'
import type { SubjectKind } from './identifier.ts'

/** Where texts are looked through for the names of who is erased, in this order. */
export const erasurePlaces = [
  'signals',
  'failures',
  'unmatched',
  'refusals',
  'reasons',
  'revocations',
  'history',
  'erasures',
  'log',
] as const
export type ErasurePlace = (typeof erasurePlaces)[number]

/** What is deleted with a subject. */
export const erasedThings = ['identifiers', 'reasons', 'revocations', 'history'] as const
export type ErasedThings = Readonly<Record<(typeof erasedThings)[number], number>>
/** Rows out of which an erasure took names. */
export type RewrittenRows = Readonly<Record<ErasurePlace, number>>

export const erasureStates = ['waiting', 'running', 'done'] as const
export type ErasureState = (typeof erasureStates)[number]

/** Who asked for an erasure. */
export type ErasureActor = Pick<Actor, 'id' | 'type' | 'displayName' | 'alternateId'>

/** How far a walk through all places has come. */
export interface WalkPosition {
  /** `files` when only files of the database are still to be rid of what was overwritten: see Storage.dropOverwritten. */
  readonly place: ErasurePlace | 'files'
  /** Rows of the place up to this one have been looked at. */
  readonly after: number
  /** Rows that the walk has looked at, in all places. */
  readonly rows: number
}

/** What is remembered of an erasure. It does not say whose it was, once it is done. */
export interface Erasure {
  /** In the order of requests. */
  readonly number: number
  readonly id: string
  /** Of the entity that was erased: the id tells nothing but which entries of the System Log belong together. */
  readonly subject: { readonly id: string; readonly kind: SubjectKind }
  readonly state: ErasureState
  readonly requestedAt: Date
  readonly requestedBy: ErasureActor
  readonly startedAt: Date | undefined
  readonly finishedAt: Date | undefined
  /** Undefined while the erasure waits, and when it is done. */
  readonly walk: WalkPosition | undefined
  readonly deleted: ErasedThings
  readonly rewritten: RewrittenRows
}

export interface ErasureRequest extends Pick<Erasure, 'id' | 'subject' | 'requestedAt' | 'requestedBy'> {
  readonly names: ErasureNames
}

export interface ErasureQuery {
  readonly limit: number
  readonly state?: ErasureState
  /** Only those with a smaller number. */
  readonly before?: number
}

export interface ErasurePage {
  /** Newest first. */
  readonly erasures: readonly Erasure[]
  /** For `before`; undefined on the last page. */
  readonly next: number | undefined
}

/** Erasures that are not done. */
export interface ErasureBacklog {
  readonly count: number
  /** When the oldest of them was asked for. */
  readonly since: Date | undefined
}

/** Who is to be erased. */
export interface ErasureNaming {
  readonly id: string
  readonly names: ErasureNames
}

/** One walk through all places, for all erasures that take part in it. */
export interface ErasureWalk extends WalkPosition {
  /** Oldest first. */
  readonly erasures: readonly Pick<Erasure, 'id' | 'rewritten'>[]
}

/** A row whose texts may name somebody. */
export interface ErasableRow {
  readonly sequence: number
  /** JSON texts by column or the like, and plain ones. */
  readonly json: Readonly<Record<string, string>>
  readonly plain: Readonly<Record<string, string>>
  /** Who sent what it holds; '' where it says so itself, or nobody did. */
  readonly issuer: string
}

/** A row with other texts; of a signal that means that its token goes. */
export interface ErasedRow {
  readonly sequence: number
  readonly texts: Readonly<Record<string, string>>
  /** What a signal is not found by any more. */
  readonly terms: readonly string[]
}

/** What erasures need of storage. Implemented in storage/, held to test/contract/erasure-store.ts and test/http/risk-state.test.ts. */
export interface ErasureStore {
  /** Another number whenever an erasure began, rewrote signals or had looked through all places: what was read before may name who was erased. */
  epoch(): Promise<number>
  /** Deletes all that hangs on the entity's identifiers, and them, and keeps the request, which waits for a walk. */
  begin(entity: number, request: ErasureRequest): Promise<void>
  find(id: string): Promise<Erasure | undefined>
  /** The newest one of the entity that had this id. */
  ofSubject(subjectId: string): Promise<Erasure | undefined>
  list(query: ErasureQuery): Promise<ErasurePage>
  backlog(): Promise<ErasureBacklog>
  /** Who is to be erased by those whose names are not forgotten yet, oldest first. @param only - of these erasures */
  names(max: number, only?: 'waiting' | readonly string[]): Promise<readonly ErasureNaming[]>
  /** Takes waiting erasures into a new walk, which begins with the first place. */
  startWalk(ids: readonly string[], at: Date): Promise<void>
  /** The walk that is under way. */
  walk(): Promise<ErasureWalk | undefined>
  page(place: ErasurePlace, after: number, max: number): Promise<readonly ErasableRow[]>
  rewrite(place: ErasurePlace, rows: readonly ErasedRow[]): Promise<void>
  count(id: string, rewritten: RewrittenRows): Promise<void>
  advance(position: WalkPosition): Promise<void>
  /** The walk has looked through all places: forgets the names of its erasures; they go on to the files. */
  endWalk(rows: number): Promise<void>
  /** Ids of erasures that wait only for files to be rid of what was overwritten. */
  inFiles(): Promise<readonly string[]>
  finish(ids: readonly string[], at: Date): Promise<void>
  /** Forgets erasures that were done before. @returns how many, `max` at most */
  deleteBefore(before: Date, max: number): Promise<number>
}
