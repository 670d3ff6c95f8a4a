import { isJsonArray, parseIJson } from '../base/i-json.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../base/json.ts'

/** Ways in which real transmitters differ from the standards. Each is off unless a provider's setting says otherwise. */
export const dialects = {
  'google-risc':
    'Google Cross-Account Protection: subjects inside events with `subject_type`, tokens without `typ`, metadata at `risc-configuration`',
  apple:
    'Sign in with Apple: tokens without `typ` and with `exp`, `events` as a JSON text with one event, in a JSON body with a `payload`',
  scim: 'SCIM events (RFC 9967) are asked for in streams',
  'suffix-discovery': 'Metadata at the issuer followed by `/.well-known/ssf-configuration`',
} as const

export type Dialect = keyof typeof dialects

export const dialectNames = Object.keys(dialects) as readonly Dialect[] // of the object above

export function isDialect(name: string): name is Dialect {
  return Object.hasOwn(dialects, name)
}

/** A token taken apart, of which nothing is checked yet. */
export interface RawToken {
  readonly header: JsonObject
  readonly payload: JsonObject
}

/** Where Apple's event types get the prefix that makes them URIs (RFC 8417 §2.2). Ours: Apple names them by a word. */
export const appleEventPrefix = 'https://appleid.apple.com/event-type/'

/** A token of a dialect in the words of the standards; what is not of the dialect stays and is judged as ever. */
export function translate(token: RawToken, spoken: ReadonlySet<Dialect>): RawToken {
  const { events } = token.payload
  if (spoken.has('apple') && typeof events === 'string') return fromApple(token, events)
  if (spoken.has('google-risc')) return fromGoogle(token)
  return token
}

/** The dialect that a token looks like, for a refusal that names it. */
export function recognise({ payload: { events } }: RawToken): Dialect | undefined {
  if (typeof events === 'string') return 'apple'
  const hasSubjectType = (event: JsonValue): boolean =>
    isJsonObject(event) && isJsonObject(event['subject']) && event['subject']['subject_type'] !== undefined
  return isJsonObject(events) && Object.values(events).some(hasSubjectType) ? 'google-risc' : undefined
}

export function dialectAdvice(dialect: Dialect): string {
  return `It looks like the dialect ${dialect}, which can be switched on for its provider (PUT /v1/providers/{id}/dialects).`
}

/** Google and Apple send ordinary JWTs. */
function typed(header: JsonObject): JsonObject {
  const { typ } = header
  return typ === undefined || (typeof typ === 'string' && typ.toUpperCase() === 'JWT')
    ? { ...header, typ: 'secevent+jwt' }
    : header
}

function fromGoogle({ header, payload }: RawToken): RawToken {
  const { events } = payload
  if (!isJsonObject(events)) return { header: typed(header), payload }
  const translated = Object.entries(events).map(([type, event]) =>
    isJsonObject(event) && isJsonObject(event['subject'])
      ? [type, { ...event, subject: googleSubject(event['subject']) }]
      : [type, event],
  )
  return {
    header: typed(header),
    payload: { ...payload, events: Object.fromEntries(translated) as JsonObject },
  }
}

/** R70: `format` wins, so that Google may leave its own form behind any day. */
function googleSubject({ subject_type: type, ...subject }: JsonObject): JsonObject {
  if (typeof type !== 'string' || subject['format'] !== undefined) {
    return type === undefined ? subject : { subject_type: type, ...subject }
  }
  const { iss, sub, email } = subject
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

function fromApple({ header, payload }: RawToken, text: string): RawToken {
  const { exp: _, events: __, ...claims } = payload
  const parsed = parseIJson(Buffer.from(text))
  const event = parsed.ok ? (isJsonArray(parsed.value) ? parsed.value[0] : parsed.value) : undefined
  if (!isJsonObject(event) || typeof event['type'] !== 'string') return { header, payload }
  const { type, sub, event_time: time, ...more } = event
  const iss = payload['iss'] ?? ''
  const body = {
    ...more,
    ...(time !== undefined && { event_timestamp: time }),
    ...(sub !== undefined && { subject: { format: 'iss_sub', iss, sub } }),
  }
  return { header: typed(header), payload: { ...claims, events: { [appleEventPrefix + type]: body } } }
}
