import { HubError } from '../base/hub-error.ts'
import { eventCatalogue, type CatalogueEntry } from '@watchbell/receiver/events'

/** What a SET shall say. The transmitter adds `iss`, and `jti` and `iat` where they are not given. */
export type SetDraft = (OneEvent | SeveralEvents) & {
  /** Whom the token is for: the hub's origin. */
  readonly aud: string | readonly string[]
  /**
   * The subject identifier (RFC 9493). It stands where the event's family wants it: `sub_id` of the token (SSF 1.0 §3.1),
   * or for Okta's own events inside the event, below `user` or `device` (OKTA-E75).
   */
  readonly subject?: object
  readonly jti?: string
  /** Claims of the token beside those made here, or in their place; undefined leaves one out. */
  readonly token?: Readonly<Record<string, unknown>>
  /** Members of the JOSE header beside alg, kid and typ, or in their place; undefined leaves one out. */
  readonly header?: Readonly<Record<string, unknown>>
}

interface OneEvent {
  /** An event type as {@link findEventType} knows it, or any URI. */
  readonly type: string
  /** Members of the event beside those of the catalogue's example, or in their place; undefined leaves one out. */
  readonly claims?: object
  readonly events?: never
}

interface SeveralEvents {
  /** Events by type URI, sent as they are. */
  readonly events: Readonly<Record<string, object>>
  readonly type?: never
  readonly claims?: never
}

/** The catalogued event type with this URI, `family/name` (`caep/session-revoked`) or name (`session-revoked`). */
export function findEventType(name: string): CatalogueEntry | undefined {
  return eventCatalogue.find(
    (entry) => name === entry.type || name === entry.name || name === `${entry.family}/${entry.name}`,
  )
}

export interface SetOrigin {
  readonly issuer: string
  readonly jti: string
  readonly issuedAt: Date
}

/** @throws HubError `set.event_invalid` when the type is neither in the catalogue nor a URI */
export function claimsOfDraft(
  draft: SetDraft,
  { issuer, jti, issuedAt }: SetOrigin,
): Record<string, unknown> {
  const iat = Math.floor(issuedAt.getTime() / 1_000)
  const events = Object.entries(eventsOf(draft, iat))
  const { subject } = draft
  const inToken = subject !== undefined && events.some(([type]) => !isOktas(type))
  const placed = events.map(([type, body]) => [type, isOktas(type) ? withSubject(type, body, subject) : body])
  return {
    iss: issuer,
    jti: draft.jti ?? jti,
    iat,
    aud: draft.aud,
    ...(inToken && { sub_id: subject }),
    events: Object.fromEntries(placed) as object,
    ...draft.token,
  }
}

function eventsOf(draft: SetDraft, iat: number): Readonly<Record<string, object>> {
  if (draft.events !== undefined) return draft.events
  const entry = findEventType(draft.type)
  if (entry !== undefined) {
    const { example } = entry
    const time = 'event_timestamp' in example ? { event_timestamp: iat } : {}
    return { [entry.type]: { ...example, ...time, ...draft.claims } }
  }
  if (/^[a-z][a-z0-9+.-]*:\S+$/i.test(draft.type)) return { [draft.type]: { ...draft.claims } }
  throw new HubError('set.event_invalid', {
    detail: `There is no event type '${draft.type}'; give a name of the catalogue, such as session-revoked, or a URI.`,
  })
}

function isOktas(type: string): boolean {
  return findEventType(type)?.family === 'okta'
}

function withSubject(type: string, body: object, subject: object | undefined): object {
  if (subject === undefined || 'subject' in body) return body
  const simple = 'format' in subject && subject.format !== 'complex'
  const member = type.includes('/device-') ? 'device' : 'user'
  return { ...body, subject: simple ? { [member]: subject } : subject }
}
