import { isJsonArray, parseIJson } from '../base/i-json.ts'
import { isJsonObject, meant, type JsonObject, type JsonValue } from '../base/json.ts'

/**
 * Ways in which real transmitters differ from the standards. A provider's setting switches each on;
 * docs/dialects.md lists what each changes.
 */
export const dialects = {
  'google-risc':
    'Google Cross-Account Protection: subjects inside events with `subject_type`, tokens without `typ`, metadata at `risc-configuration`',
  apple:
    'Sign in with Apple: tokens without `typ` and with `exp`, `events` as a JSON text with one event, in a JSON body with a `payload`',
  'okta-transmitter':
    'Okta as a transmitter, and others of the drafts before SSF 1.0: the subject inside the event and no `sub_id`',
  'quoted-bodies': 'The pushed token stands in quotes, as a JSON text',
  scim: 'SCIM events (RFC 9967) are taken, and asked for in streams',
  keycloak:
    'Keycloak: the session `ALL` in a complex subject of session-revoked is every session of the user, and the status of stream-updated is an object',
  'suffix-discovery': 'Metadata at the issuer followed by `/.well-known/ssf-configuration`',
} as const

export type Dialect = keyof typeof dialects

export const dialectNames = Object.keys(dialects) as readonly Dialect[]

/** What Okta's own receiver accepts from every transmitter; always on at Okta's path (OKTA-E5, OKTA-E75–OKTA-E78). */
export const oktasPathDialects: ReadonlySet<Dialect> = new Set<Dialect>(['okta-transmitter', 'quoted-bodies'])

export function isDialect(name: string): name is Dialect {
  return Object.hasOwn(dialects, name)
}

/** A decoded token; nothing is checked yet. */
export interface RawToken {
  readonly header: JsonObject
  readonly payload: JsonObject
  /** Whether the token was in quotes. */
  readonly quoted: boolean
}

/** Prefix that makes Apple's one-word event types URIs (RFC 8417 §2.2). Apple defines none. */
export const appleEventPrefix = 'https://appleid.apple.com/event-type/'

/** The common prefix of SCIM's event URNs (RFC 9967 §2), compared without letter case: drafts wrote `SCIM`. */
export const scimEventPrefix = 'urn:ietf:params:scim:event:'

/** Event types of SSF, CAEP and RISC, whose subject is the token's `sub_id` (SSF 1.0 §3.1). */
const openidEventPrefix = 'https://schemas.openid.net/secevent/'

/** Google's verification event; SSF 1.0 has its own event type for it. */
const riscVerification = `${openidEventPrefix}risc/event-type/verification`

/** A token translated to the standards; members outside the dialects stay as they are. */
export function translate(token: RawToken, spoken: ReadonlySet<Dialect>): RawToken {
  const { events } = token.payload
  if (spoken.has('apple') && typeof events === 'string') return fromApple(token, events)
  const standard = spoken.has('google-risc') ? fromGoogle(token) : token
  return spoken.has('keycloak') ? fromKeycloak(standard) : standard
}

/** A sign that a token is of a dialect. */
interface Mark {
  readonly dialect: Dialect
  /** Text that follows "The token" in a message. */
  readonly what: string
  readonly shows: (token: RawToken) => boolean
  /** Another dialect that allows the same. */
  readonly alsoIn?: Dialect
}

const marks: readonly Mark[] = [
  {
    dialect: 'apple',
    what: 'has its events in a JSON text',
    shows: ({ payload: { events } }) => typeof events === 'string',
  },
  {
    dialect: 'google-risc',
    what: 'has what RISC had before 1.0: `subject_type` in place of `format`, or a verification event of its own',
    shows: ({ payload }) =>
      meant(payload['sub_id']) === undefined &&
      eventsOf(payload).some(
        ([type, { subject }]) =>
          type === riscVerification ||
          (isJsonObject(subject) &&
            meant(subject['subject_type']) !== undefined &&
            meant(subject['format']) === undefined),
      ),
  },
  {
    dialect: 'scim',
    what: 'has an event of SCIM (RFC 9967), which is about accounts and not about security',
    shows: ({ payload }) => eventsOf(payload).some(([type]) => isScimEvent(type)),
  },
  {
    dialect: 'okta-transmitter',
    what: 'has its subject inside the event and no sub_id (SSF 1.0 §3.1)',
    shows: ({ payload }) =>
      meant(payload['sub_id']) === undefined &&
      eventsOf(payload).some(
        ([type, { subject }]) => type.startsWith(openidEventPrefix) && isJsonObject(subject),
      ),
    alsoIn: 'google-risc',
  },
  {
    dialect: 'keycloak',
    what: 'names the session `ALL`, by which Keycloak means every session of the user',
    shows: ({ payload }) => subjectsOfRevocations(payload).some(namesAllSessions),
  },
  {
    dialect: 'keycloak',
    what: 'tells the status of the stream in an object, where SSF 1.0 §8.1.5 has a string',
    shows: ({ payload }) =>
      eventsOf(payload).some(([type, { status }]) => type === streamUpdated && isJsonObject(status)),
  },
  { dialect: 'quoted-bodies', what: 'stands in quotes', shows: ({ quoted }) => quoted },
]

/** Why a token needs a further dialect, and which one to switch on; undefined when these dialects suffice. */
export function foreignness(token: RawToken, spoken: ReadonlySet<Dialect>): string | undefined {
  const mark = marks.find(
    ({ dialect, alsoIn, shows }) =>
      !spoken.has(dialect) && !(alsoIn !== undefined && spoken.has(alsoIn)) && shows(token),
  )
  return mark && `The token ${mark.what}. ${dialectAdvice(mark.dialect)}`
}

export function dialectAdvice(dialect: Dialect): string {
  return `That is the dialect ${dialect}, which can be switched on for its provider (PUT /v1/providers/{id}/dialects).`
}

export function isScimEvent(type: string): boolean {
  return type.slice(0, scimEventPrefix.length).toLowerCase() === scimEventPrefix
}

function eventsOf({ events }: JsonObject): readonly (readonly [type: string, event: JsonObject])[] {
  if (!isJsonObject(events)) return []
  return Object.entries(events).flatMap(([type, event]) => (isJsonObject(event) ? [[type, event]] : []))
}

/** Google and Apple send ordinary JWTs. */
function typed(header: JsonObject): JsonObject {
  const typ = meant(header['typ'])
  return typ === undefined || (typeof typ === 'string' && typ.toUpperCase() === 'JWT')
    ? { ...header, typ: 'secevent+jwt' }
    : header
}

/** Google documents that receivers need not check `exp`, because the events have already happened. */
function fromGoogle({ header, payload: claims, quoted }: RawToken): RawToken {
  const { exp: _, ...payload } = claims
  const { events } = payload
  if (!isJsonObject(events)) return { header: typed(header), payload, quoted }
  const translated = Object.entries(events).map(([type, event]) =>
    isJsonObject(event) && isJsonObject(event['subject'])
      ? [type, { ...event, subject: googleSubject(event['subject']) }]
      : [type, event],
  )
  return {
    header: typed(header),
    payload: { ...payload, events: Object.fromEntries(translated) as JsonObject },
    quoted,
  }
}

/** RISC 1.0 §3.1: `format` wins over Google's own form. */
function googleSubject({ subject_type: type, ...subject }: JsonObject): JsonObject {
  if (typeof type !== 'string' || meant(subject['format']) !== undefined) {
    return type === undefined ? subject : { subject_type: type, ...subject }
  }
  const [iss, sub, email] = [meant(subject['iss']), meant(subject['sub']), meant(subject['email'])]
  switch (type) {
    case 'iss-sub':
      return { ...subject, format: 'iss_sub' }
    case 'phone':
      return { ...subject, format: 'phone_number' }
    case 'id_token_claims':
      return email === undefined || iss === undefined || sub === undefined
        ? { ...subject, format: email === undefined ? 'iss_sub' : 'email' }
        : {
            format: 'aliases',
            identifiers: [
              { format: 'iss_sub', iss, sub },
              { format: 'email', email },
            ],
          }
    default:
      return { ...subject, format: type } // `email`, and proprietary ones such as `oauth_token`
  }
}

/** The event types that revoke a user's sessions: CAEP's, and the RISC type that it replaces (RISC 1.0 §2.11). */
const revocationTypes: ReadonlySet<string> = new Set([
  `${openidEventPrefix}caep/event-type/session-revoked`,
  `${openidEventPrefix}risc/event-type/sessions-revoked`,
])
const streamUpdated = `${openidEventPrefix}ssf/event-type/stream-updated`

/** A subject of the token's `sub_id`, or of an event, is translated only where all its events are revocations. */
function subjectsOfRevocations(payload: JsonObject): readonly (JsonValue | undefined)[] {
  const revocations = eventsOf(payload).filter(([type]) => revocationTypes.has(type))
  const inEvents = revocations.map(([, { subject }]) => subject)
  return isRevocation(payload) ? [payload['sub_id'], ...inEvents] : inEvents
}

function isRevocation({ events }: JsonObject): boolean {
  return isJsonObject(events) && Object.keys(events).every((type) => revocationTypes.has(type))
}

/** Without a user it would mean the sessions of all users: then `ALL` stays a session id. */
function namesAllSessions(subject: JsonValue | undefined): subject is JsonObject {
  if (!isJsonObject(subject) || !isJsonObject(subject['user'])) return false
  const { format, session } = subject
  return (
    (meant(format) === undefined || format === 'complex') &&
    isJsonObject(session) &&
    session['format'] === 'opaque' &&
    session['id'] === 'ALL'
  )
}

/** A subject that names no session is about all sessions that match its other members (CAEP 1.0 §3.1). */
function withoutAllSessions(subject: JsonObject): JsonObject {
  const { session: _, ...others } = subject
  return others
}

function fromKeycloak({ header, payload, quoted }: RawToken): RawToken {
  const { sub_id: subject, events } = payload
  if (!isJsonObject(events)) return { header, payload, quoted }
  const translated = Object.entries(events).map(([type, event]): [string, JsonValue] => {
    if (!isJsonObject(event)) return [type, event]
    if (type === streamUpdated) return [type, withPlainStatus(event)]
    return revocationTypes.has(type) && namesAllSessions(event['subject'])
      ? [type, { ...event, subject: withoutAllSessions(event['subject']) }]
      : [type, event]
  })
  return {
    header,
    payload: {
      ...payload,
      ...(isRevocation(payload) && namesAllSessions(subject) && { sub_id: withoutAllSessions(subject) }),
      events: Object.fromEntries(translated),
    },
    quoted,
  }
}

/** The object is the answer of the status endpoint (SSF 1.0 §8.1.2.1): `stream_id`, `status`, `reason`. */
function withPlainStatus(event: JsonObject): JsonObject {
  const { status: answer, reason: said } = event
  if (!isJsonObject(answer) || answer['status'] === undefined) return event
  const reason = answer['reason'] ?? said
  return { ...event, status: answer['status'], ...(reason !== undefined && { reason }) }
}

function fromApple(token: RawToken, text: string): RawToken {
  const { header, payload, quoted } = token
  const { exp: _, events: __, ...claims } = payload
  const event = onlyEvent(text)
  if (event === undefined || typeof event['type'] !== 'string') return token
  const { type, sub, event_time: time, ...more } = event
  const iss = payload['iss'] ?? ''
  const body = {
    ...more,
    ...(time !== undefined && { event_timestamp: time }),
    ...(sub !== undefined && { subject: { format: 'iss_sub', iss, sub } }),
  }
  return {
    header: typed(header),
    payload: { ...claims, events: { [appleEventPrefix + type]: body } },
    quoted,
  }
}

/** Apple sends one; an object cannot hold several events of one type. */
function onlyEvent(text: string): JsonObject | undefined {
  const parsed = parseIJson(Buffer.from(text), { wideNumbers: 'as_text' })
  if (!parsed.ok) return undefined
  const { value } = parsed
  const event: JsonValue | undefined = isJsonArray(value)
    ? value.length === 1
      ? value[0]
      : undefined
    : value
  return isJsonObject(event) ? event : undefined
}
