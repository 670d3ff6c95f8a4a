/** What somebody who lets people in wants to know: is this still fine? */
export interface Question {
  /** Entity id, sign-in name, email address, or what else names a user. */
  readonly user: string
  /** Whose id that is; undefined where it is not said. */
  readonly userIssuer?: string | undefined
  /** What the user wants to do: `authenticate`, or any other name. Levels may lead to other outcomes for some: see {@link OutcomeTable}. */
  readonly action: string
  readonly resource: { readonly type: string; readonly id: string }
  /** Canonical; see canonicalAddress. */
  readonly ip: string | undefined
  readonly device: string | undefined
  readonly deviceIssuer?: string | undefined
  readonly session: string | undefined
  readonly sessionIssuer?: string | undefined
  readonly userAgent: string | undefined
  /** When the session began. */
  readonly issuedAt: Date | undefined
}
