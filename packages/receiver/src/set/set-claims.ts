import type { JsonObject } from '../base/json.ts'
import type { SubjectIdentifier } from './subject-identifier.ts'

/** The claims of a SET; only their types are checked (RFC 8417 §2.2). Claims not listed are ignored (SSF 1.0 §4.2.3). */
export interface SetClaims {
  readonly iss: string
  readonly jti: string
  /** Seconds since 1970. */
  readonly iat: number
  readonly aud: string | readonly string[]
  /** By event type, an absolute URI; at least one. */
  readonly events: Readonly<Record<string, JsonObject>>
  /** When the events happened, in milliseconds since 1970, whatever unit the sender used. */
  readonly toe: number | undefined
  /** As text, even if the sender wrote a number, as SSF's own samples do. */
  readonly txn: string | undefined
  readonly sub_id: SubjectIdentifier | undefined
}
