import { ReceiverError, isReceiverError } from '../base/receiver-error.ts'
import { isJsonArray, parseIJson } from '../base/i-json.ts'
import { isJsonObject, meant } from '../base/json.ts'
import type { JsonObject, JsonValue } from '../base/json.ts'
import { printable } from '../base/printable.ts'
import { inSentence } from '../base/sentence.ts'
import { foreignness, oktasPathDialects, translate, type Dialect } from './dialect.ts'
import { readEventTime } from './event-time.ts'
import type { SetClaims } from './set-claims.ts'
import { readSubjectIdentifier } from './subject-identifier.ts'
import { isSetAlgorithm, setAlgorithms } from './verification-key.ts'
import type { SetAlgorithm } from './verification-key.ts'

/** A decoded SET of the right shape. Nothing in it is trusted yet. */
export interface ParsedToken {
  /** The compact JWS, without quotes and white space around it. */
  readonly compact: string
  readonly header: SetHeader
  readonly claims: SetClaims
  /** The signed bytes: header and payload as received (RFC 7515 §5.2). */
  readonly signedBytes: Uint8Array
  readonly signature: Uint8Array
}

export interface SetHeader {
  readonly alg: SetAlgorithm
  readonly kid: string
  readonly typ: string
}

/** The HTTP layer refuses larger bodies with 413. */
export const setBytesMax = 65_536
export const issuerCharsMax = 700
export const kidCharsMax = 1_024
export const jtiCharsMax = 1_024
export const txnCharsMax = 1_024
export const audiencesMax = 100
export const eventsMax = 50
export const eventTypeCharsMax = 1_024
const factCharsMax = 256
const shownCharsMax = 64

/** The dialects that the provider with this issuer may use at this endpoint; undefined when no provider has the issuer. */
export type DialectsOf = (iss: string) => ReadonlySet<Dialect> | undefined

const asOnOktasPath: DialectsOf = () => oktasPathDialects
const none: ReadonlySet<Dialect> = new Set()

/**
 * Decodes a pushed or polled body: one compact JWS, which some senders put in quotes (OKTA-E5). A token of a dialect that is
 * off is refused with the name of that dialect, whether or not it can be read.
 * @throws ReceiverError `set.malformed`, `set.algorithm_refused`, `set.wrong_type`, `set.claim_invalid`,
 *   `set.subject_invalid`; once the payload is read, with the facts of {@link claimedOrigin}
 * @see RFC 7515 §5.2, RFC 8417 §2; OKTA-E5, OKTA-E30–OKTA-E46
 */
export function parseToken(body: string | Uint8Array, dialectsOf: DialectsOf = asOnOktasPath): ParsedToken {
  const { compact, quoted } = unwrap(body)
  const parts = compact.split('.', 6)
  const [headerPart = '', payloadPart = '', signaturePart = ''] = parts
  if (parts.length === 5) throw malformed('The token is encrypted (a JWE); send a signed one (a JWS).')
  if (parts.length !== 3) {
    throw malformed('The body is not a compact JWS: three base64url parts with dots between them.')
  }
  const raw = { header: readPart(headerPart, 'header'), payload: readPart(payloadPart, 'payload'), quoted }
  const { iss } = raw.payload
  const spoken = typeof iss === 'string' ? dialectsOf(iss) : none
  const { header, payload } = spoken === undefined || spoken.size === 0 ? raw : translate(raw, spoken)
  const foreign = spoken && foreignness(raw, spoken) // an unknown provider has no dialects to switch on
  try {
    const parsed = {
      compact,
      header: readHeader(header),
      claims: readClaims(payload),
      signedBytes: signedBytesOf(compact, signaturePart),
      signature: decodePart(signaturePart, 'signature'),
    }
    if (foreign === undefined) return parsed
  } catch (error) {
    if (!isReceiverError(error)) throw error
    const detail = foreign === undefined ? error.detail : `${error.detail} ${foreign}`
    throw new ReceiverError(error.code, { detail, facts: claimedOrigin(payload) })
  }
  throw new ReceiverError('set.malformed', { detail: foreign, facts: claimedOrigin(payload) })
}

/** The signed parts of a token, whose claims may be wrong; undefined when they cannot be read. Nothing is proven. */
export function signedPartsOf(
  body: string | Uint8Array,
): (Pick<ParsedToken, 'signedBytes' | 'signature'> & Pick<SetHeader, 'alg' | 'kid'>) | undefined {
  try {
    const { compact } = unwrap(body)
    const [headerPart = '', payloadPart = '', signaturePart = '', ...more] = compact.split('.', 4)
    const { alg, kid } = readPart(headerPart, 'header')
    if (more.length > 0 || payloadPart === '' || !isSetAlgorithm(alg) || !isText(kid, kidCharsMax))
      return undefined
    return {
      alg,
      kid,
      signedBytes: signedBytesOf(compact, signaturePart),
      signature: decodePart(signaturePart, 'signature'),
    }
  } catch (error) {
    if (isReceiverError(error)) return undefined
    throw error
  }
}

/** Header and payload as received, with the dot between them. */
function signedBytesOf(compact: string, signaturePart: string): Uint8Array {
  return Buffer.from(compact.slice(0, -signaturePart.length - 1), 'latin1')
}

/** The claimed issuer and id of a readable payload, shortened, for the record of a refusal. Neither is proven. */
export function claimedOrigin(payload: JsonObject): Readonly<Record<string, string>> {
  const facts: Record<string, string> = {}
  for (const name of ['iss', 'jti']) {
    const value = payload[name]
    if (typeof value === 'string') facts[name] = value.slice(0, factCharsMax).toWellFormed()
  }
  return facts
}

function unwrap(body: string | Uint8Array): { readonly compact: string; readonly quoted: boolean } {
  if (body.length > setBytesMax) throw malformed(`The body is larger than ${setBytesMax} bytes.`)
  // latin1 keeps each byte; invalid ones are refused with the part that holds them
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('latin1')
  const trimmed = text.trim()
  const quoted = trimmed.length > 1 && trimmed.startsWith('"') && trimmed.endsWith('"')
  const compact = quoted ? trimmed.slice(1, -1) : trimmed
  if (compact === '') throw malformed('The body is empty; it should be one compact JWS.')
  return { compact, quoted }
}

function decodePart(part: string, name: string): Buffer {
  const bytes = Buffer.from(part, 'base64url')
  // Encoding it again finds padding, other alphabets and stray bits (RFC 4648 §3.5, RFC 7515 §2)
  if (part === '' || bytes.toString('base64url') !== part) {
    throw malformed(`The ${name} of the token is ${part === '' ? 'empty' : 'not base64url'}.`)
  }
  return bytes
}

function readPart(part: string, name: string): JsonObject {
  const json = parseIJson(decodePart(part, name), { wideNumbers: 'as_text' })
  if (!json.ok) throw malformed(`The ${name} of the token is refused: ${json.reason}.`)
  if (!isJsonObject(json.value)) throw malformed(`The ${name} of the token is not a JSON object.`)
  return json.value
}

function readHeader(header: JsonObject): SetHeader {
  const { alg, typ, kid } = header
  if (!isSetAlgorithm(alg)) {
    throw new ReceiverError('set.algorithm_refused', {
      detail: `The token's alg is ${shown(alg)}; we take ${setAlgorithms.join(', ')}.`,
    })
  }
  if (typeof typ !== 'string' || !/^(?:application\/)?secevent\+jwt$/i.test(typ)) {
    throw new ReceiverError('set.wrong_type', {
      detail: `The token's typ is ${shown(typ)}; it must be secevent+jwt.`,
    })
  }
  for (const name of refusedParameters) {
    if ((header[name] ?? undefined) !== undefined)
      throw malformed(`The header has ${name}, which we do not support.`)
  }
  if (!isText(kid, kidCharsMax)) {
    throw malformed(`The header needs kid, a string of 1 to ${kidCharsMax} characters; it is ${shown(kid)}.`)
  }
  return { alg, typ, kid }
}

/** Extensions that change what is signed or how it is read; even an empty one is refused (RFC 7515 §4.1.11); `jwk`, `jku`, `x5u` and `x5c` are ignored (RFC 8725 §3.10). */
const refusedParameters = ['crit', 'b64', 'zip', 'enc']

function readClaims(payload: JsonObject): SetClaims {
  const { iss, jti, iat, aud, events } = payload
  const [toe, txn, subject] = [meant(payload['toe']), meant(payload['txn']), meant(payload['sub_id'])]
  if (!isText(iss, issuerCharsMax)) throw claim('iss', `a string of 1 to ${issuerCharsMax} characters`, iss)
  if (!isText(jti, jtiCharsMax)) throw claim('jti', `a string of 1 to ${jtiCharsMax} characters`, jti)
  if (typeof iat !== 'number' || iat < 0) throw claim('iat', 'a number of seconds since 1970', iat)
  if (meant(payload['exp']) !== undefined) throw claimRefused('A SET must not have exp (SSF 1.0 §4.1.7).')
  if (meant(payload['sub']) !== undefined) {
    throw claimRefused('A SET must not have sub (SSF 1.0 §4.1.2); name the subject in sub_id.')
  }
  const time = toe === undefined ? undefined : readEventTime(toe)
  if (toe !== undefined && time === undefined) throw claim('toe', 'a number of seconds since 1970', toe)
  if (
    txn !== undefined &&
    typeof txn !== 'number' &&
    !(typeof txn === 'string' && txn.length <= txnCharsMax)
  ) {
    throw claim('txn', `a string of at most ${txnCharsMax} characters`, txn)
  }
  return {
    iss,
    jti,
    iat,
    aud: readAudience(aud),
    events: readEventObjects(events),
    toe: time,
    txn: txn === undefined ? undefined : String(txn),
    sub_id: subject === undefined ? undefined : readSubjectIdentifier(subject, 'sub_id'),
  }
}

function readAudience(aud: JsonValue | undefined): string | readonly string[] {
  if (isText(aud, setBytesMax)) return aud
  if (isJsonArray(aud) && aud.length > 0 && aud.length <= audiencesMax && aud.every(isString)) return aud
  throw claim('aud', `a non-empty string or an array of 1 to ${audiencesMax} strings`, aud)
}

function readEventObjects(events: JsonValue | undefined): Readonly<Record<string, JsonObject>> {
  if (!isJsonObject(events)) throw claim('events', 'an object with an event type URI for each event', events)
  const members = Object.entries(events)
  if (members.length === 0 || members.length > eventsMax) {
    throw claimRefused(`The claim events must hold 1 to ${eventsMax} events; it holds ${members.length}.`)
  }
  const objects: Record<string, JsonObject> = {}
  for (const [type, event] of members) {
    if (type.length > eventTypeCharsMax || !/^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(type)) {
      throw claimRefused(`The event type ${shown(type)} is not an absolute URI (RFC 8417 §2.2).`)
    }
    if (!isJsonObject(event))
      throw claimRefused(`The event ${inSentence(type, factCharsMax)} is not a JSON object.`)
    objects[type] = event
  }
  return objects
}

function isString(value: JsonValue): value is string {
  return typeof value === 'string'
}

function isText(value: JsonValue | undefined, charsMax: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= charsMax
}

function malformed(detail: string): ReceiverError {
  return new ReceiverError('set.malformed', { detail })
}

function claim(name: string, wanted: string, value: JsonValue | undefined): ReceiverError {
  return claimRefused(`The claim ${name} must be ${wanted}; it is ${shown(value)}.`)
}

function claimRefused(detail: string): ReceiverError {
  return new ReceiverError('set.claim_invalid', { detail })
}

/** A value for a message; a long or structured value is shown by its type only. */
function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing'
  if (isJsonArray(value)) return 'an array'
  if (isJsonObject(value)) return 'an object'
  return printable(JSON.stringify(value), shownCharsMax)
}
