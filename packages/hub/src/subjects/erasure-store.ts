import type { ErasureNames } from './erasure.ts'

/** Where texts are looked through for a person's names, in this order. */
export const erasurePlaces = [
  'signals',
  'failures',
  'unmatched',
  'refusals',
  'reasons',
  'revocations',
  'history',
  'log',
] as const
export type ErasurePlace = (typeof erasurePlaces)[number]

/** An erasure that is not finished: how far it has come. */
export interface Erasure {
  readonly id: string
  readonly names: ErasureNames
  /** `files` when only files of the database are still to be rid of what was overwritten: see Storage.dropOverwritten. */
  readonly place: ErasurePlace | 'files'
  /** Rows up to this one have been looked at. */
  readonly after: number
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

/** What an erasure needs of storage. Implemented in storage/, held to test/contract/erasure-store.ts and test/http/risk-state.test.ts. */
export interface ErasureStore {
  /** Another number whenever an erasure began, had looked through all places or was finished: what was read before may name who was erased. */
  epoch(): Promise<number>
  /** Deletes all that hangs on the entity's identifiers, and them, and keeps the erasure until it is finished. */
  begin(entity: number, erasure: Erasure): Promise<void>
  /** The oldest unfinished one. */
  next(): Promise<Erasure | undefined>
  page(place: ErasurePlace, after: number, max: number): Promise<readonly ErasableRow[]>
  rewrite(place: ErasurePlace, rows: readonly ErasedRow[]): Promise<void>
  advance(erasure: Erasure): Promise<void>
  /** All places have been looked through: forgets the names, and goes on to the files. */
  forgetNames(id: string): Promise<void>
  finish(id: string): Promise<void>
}
