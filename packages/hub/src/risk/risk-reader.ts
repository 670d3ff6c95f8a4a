import type { SubjectKind } from '../subjects/identifier.ts'
import type { Reach, Revocation } from './revocation.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'

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
  readonly reach: Reach
  /** Whether an administrator loaded it. */
  readonly isLoaded: boolean
  /** All sources that said something of it, in force or not. */
  readonly speakers: readonly RiskSource[]
}

/** What a question is about, in the words of the asker: see `askedOf`. */
export interface AskedAbout extends Readonly<Partial<Record<SubjectKind, string | undefined>>> {
  /** Whose id each is, if it is one that means something to one issuer only. */
  readonly userIssuer?: string | undefined
  readonly deviceIssuer?: string | undefined
  readonly sessionIssuer?: string | undefined
}

export interface RiskPicture {
  readonly entities: readonly EntityRisk[]
  /** Those whose every member is among the asked entities, whenever they were and whoever said so: newest first. */
  readonly revocations: readonly Revocation[]
}

/**
 * What the question at sign-in reads, in one round trip and without a search: cheap enough to be asked at every request.
 * It sees whatever was committed before. Implemented in storage/, held to test/contract/risk-store.ts.
 */
export interface RiskReader {
  read(about: AskedAbout, now: Date): Promise<RiskPicture>
}
