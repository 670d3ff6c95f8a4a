import type { SubjectKind } from '../subjects/anchor.ts'
import type { Revocation } from './revocation.ts'
import type { RiskReason } from './risk-reason.ts'

/** What is known of one entity that a question is about. */
export interface EntityRisk {
  /** `00u…`, `dev…`, `ses…`; an address is its own id. */
  readonly id: string
  readonly kind: string
  /**
   * The reasons in force at the asked time: see `reasonsInForce`. Of all sources, whatever their word counts for: that
   * is looked up by whoever asks.
   */
  readonly reasons: readonly RiskReason[]
}

/** What a question is about, in the words of whoever asks: see `askedOf`. */
export type AskedAbout = Readonly<Partial<Record<SubjectKind, string | undefined>>>

export interface RiskPicture {
  readonly entities: readonly EntityRisk[]
  /** Those whose every member is among the asked entities, whenever they were: newest first, at most 20. */
  readonly revocations: readonly Revocation[]
}

/**
 * What the question at sign-in reads, in one round trip and without a search: cheap enough to be asked at every request.
 * It sees whatever was committed before. Implemented in storage/, held to test/contract/risk-store.ts.
 */
export interface RiskReader {
  read(about: AskedAbout, now: Date): Promise<RiskPicture>
}
