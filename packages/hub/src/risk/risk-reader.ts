import type { SubjectKind } from '../subjects/identifier.ts'
import type { Reach, Revocation } from './revocation.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'

/** The risk of one entity that a question is about. */
export interface EntityRisk {
  /** `00u…`, `dev…`, `ses…`; an address is its own id. */
  readonly id: string
  readonly kind: string
  /**
   * The reasons in force at the asked time, of all sources: see `reasonsInForce`. The caller looks up what each counts
   * for.
   */
  readonly reasons: readonly RiskReason[]
  readonly reach: Reach
  /** Whether an administrator loaded the entity. */
  readonly isLoaded: boolean
  /** All sources of statements about the entity, in force or not. */
  readonly speakers: readonly RiskSource[]
}

/** The names in a question, as given: see `askedOf`. */
export interface AskedAbout extends Readonly<Partial<Record<SubjectKind, string | undefined>>> {
  /** The issuer of each name that is an id of one issuer. */
  readonly userIssuer?: string | undefined
  readonly deviceIssuer?: string | undefined
  readonly sessionIssuer?: string | undefined
}

export interface RiskPicture {
  readonly entities: readonly EntityRisk[]
  /** Revocations of all sources and times whose members are all among the asked entities, newest first. */
  readonly revocations: readonly Revocation[]
}

/**
 * Reads the risk for a question at sign-in, in one round trip and without a search: cheap enough for every request.
 * It sees all earlier commits. Implemented in storage/, held to test/contract/risk-store.ts.
 */
export interface RiskReader {
  read(about: AskedAbout, now: Date): Promise<RiskPicture>
}
