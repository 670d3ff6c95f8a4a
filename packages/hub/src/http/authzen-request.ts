import { HubError } from '../base/hub-error.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import { readIsoTime } from '../base/iso-time.ts'
import type { Question } from '../policy/question.ts'
import { canonicalAddress } from '../subjects/address.ts'

/** Why one evaluation cannot be made, as a message for the caller. */
export interface Unreadable {
  readonly problem: string
}

/** When to stop answering several evaluations (Authorization API 1.0 §7.1.2.1). */
export const semantics = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const
export type Semantic = (typeof semantics)[number]

export interface EvaluationsRequest {
  readonly semantic: Semantic
  readonly questions: readonly (Question | Unreadable)[]
}

export const evaluationsMax = 100
const charactersMax = 1_000
/** How far the caller's clock may be ahead. */
export const clockSkewMs = 300_000

export function isUnreadable(question: Question | Unreadable): question is Unreadable {
  return 'problem' in question
}

/**
 * Reads the body of one evaluation (Authorization API 1.0 §6.1). Unknown members are ignored.
 * @throws HubError `evaluation.invalid`
 */
export function readEvaluation(body: JsonValue | undefined, now: Date): Question {
  const question = readQuestion(requireObject(body), {}, now)
  if (isUnreadable(question)) throw refusal(question.problem)
  return question
}

/**
 * Reads the body of several evaluations (§7.1). Top-level members are defaults; a member of one evaluation replaces the
 * default as a whole (§7.1.1). An invalid evaluation becomes the answer to that one.
 * @returns a single question when the body has no evaluations
 * @throws HubError `evaluation.invalid`
 */
export function readEvaluations(body: JsonValue | undefined, now: Date): EvaluationsRequest | Question {
  const whole = requireObject(body)
  const { evaluations, options = {} } = whole
  if (evaluations === undefined || (isJsonArray(evaluations) && evaluations.length === 0))
    return readEvaluation(whole, now)
  if (!isJsonArray(evaluations)) throw refusal('evaluations must be an array')
  if (evaluations.length > evaluationsMax) {
    throw refusal(`evaluations may have ${evaluationsMax} members at most; it has ${evaluations.length}`)
  }
  if (!isJsonObject(options)) throw refusal('options must be an object')
  const wanted = options['evaluations_semantic'] ?? 'execute_all'
  const semantic = semantics.find((known) => known === wanted)
  if (semantic === undefined) {
    throw refusal(`options.evaluations_semantic must be one of ${semantics.join(', ')}`)
  }
  const questions = evaluations.map((one) =>
    isJsonObject(one) ? readQuestion(one, whole, now) : { problem: 'an evaluation must be an object' },
  )
  return { semantic, questions }
}

function requireObject(body: JsonValue | undefined): JsonObject {
  if (isJsonObject(body)) return body
  throw refusal('the body must be a JSON object with subject, action and resource')
}

function refusal(problem: string): HubError {
  return new HubError('evaluation.invalid', { detail: `The evaluation request is malformed: ${problem}.` })
}

/** Stops at the first problem: this runs at every sign-in. */
function readQuestion(own: JsonObject, defaults: JsonObject, now: Date): Question | Unreadable {
  const subject = own['subject'] ?? defaults['subject']
  const action = own['action'] ?? defaults['action']
  const resource = own['resource'] ?? defaults['resource']
  const context = own['context'] ?? defaults['context'] ?? {}
  if (!isJsonObject(subject)) return { problem: 'subject must be an object with type and id' }
  if (!isJsonObject(action)) return { problem: 'action must be an object with a name' }
  if (!isJsonObject(resource)) return { problem: 'resource must be an object with type and id' }
  if (!isJsonObject(context)) return { problem: 'context must be an object' }
  const { type, id, properties: about = {} } = subject
  if (!isJsonObject(about)) return { problem: 'subject.properties must be an object' }
  if (type !== 'user') return { problem: 'subject.type must be user: questions are about users here' }
  if (!isText(id)) return unreadableText('subject.id')
  if (!isText(action['name'])) return unreadableText('action.name')
  if (!isText(resource['type'])) return unreadableText('resource.type')
  if (!isText(resource['id'])) return unreadableText('resource.id')

  // Authorization API 1.0 §5.1.1 defines members of the subject for address and device.
  const ip = context['ip'] ?? about['ip_address'] ?? undefined
  const device = context['device'] ?? about['device_id'] ?? undefined
  const session = context['session'] ?? undefined
  const userAgent = context['user_agent'] ?? undefined
  const address = typeof ip === 'string' ? canonicalAddress(ip) : undefined
  if (ip !== undefined && address === undefined) {
    return { problem: 'context.ip must be a plain IPv4 or IPv6 address, without zone, port or prefix length' }
  }
  if (device !== undefined && !isText(device)) return unreadableText('context.device')
  if (session !== undefined && !isText(session)) return unreadableText('context.session')
  if (userAgent !== undefined && typeof userAgent !== 'string') {
    return { problem: 'context.user_agent must be a string' }
  }
  const userIssuer = about['iss'] ?? undefined
  const deviceIssuer = context['device_iss'] ?? undefined
  const sessionIssuer = context['session_iss'] ?? undefined
  if (userIssuer !== undefined && !isText(userIssuer)) return unreadableText('subject.properties.iss')
  if (deviceIssuer !== undefined && !isText(deviceIssuer)) return unreadableText('context.device_iss')
  if (sessionIssuer !== undefined && !isText(sessionIssuer)) return unreadableText('context.session_iss')
  const issuedAt = readIssuedAt(context['issued_at'] ?? undefined)
  if (issuedAt === 'unreadable') {
    return {
      problem:
        'context.issued_at must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or seconds since 1970',
    }
  }
  // A future time would be later than every revocation.
  if (issuedAt !== undefined && issuedAt.getTime() > now.getTime() + clockSkewMs) {
    return {
      problem: 'context.issued_at lies in the future; a number is seconds since 1970, not milliseconds',
    }
  }
  return {
    user: id,
    userIssuer,
    action: action['name'],
    resource: { type: resource['type'], id: resource['id'] },
    ip: address,
    device,
    deviceIssuer,
    session,
    sessionIssuer,
    userAgent,
    issuedAt,
  }
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== '' && value.length <= charactersMax
}

function unreadableText(place: string): Unreadable {
  return { problem: `${place} must be a string of 1 to ${charactersMax} characters` }
}

/** The time of a session: an ISO 8601 string, or the seconds of a token's `iat`. */
function readIssuedAt(given: JsonValue | undefined): Date | undefined | 'unreadable' {
  if (given === undefined) return undefined
  const seconds = typeof given === 'number' && given >= 0 ? given : Number.NaN
  const date = new Date((typeof given === 'string' ? readIsoTime(given) : seconds * 1_000) ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? 'unreadable' : date
}
