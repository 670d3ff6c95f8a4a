import { isHubError, type FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '@watchbell/receiver/base'
import { readSubjectIdentifier } from '@watchbell/receiver/set'
import { identifiersOf, emailIdentifier, loginIdentifier, type Identifier } from './identifier.ts'

/** A user as somebody loads one. Only readUserDraft makes one from outside data. */
export interface UserDraft {
  readonly login: string
  readonly displayName: string | undefined
  /** Of the sign-in name, and of everything: sorted, each once. */
  readonly loginIdentifier: Identifier
  readonly identifiers: readonly Identifier[]
}

/** How many identifiers a loaded user may have. */
const userIdentifiersMax = 50

/** In characters. */
export const userLimits = { loginMax: 255, emailMax: 320, displayNameMax: 255 } as const

const members = ['kind', 'login', 'emails', 'identifiers', 'display_name']

/**
 * Reads `{kind: "user", login, emails, identifiers, display_name}`; all but kind and login may be left out. A sign-in name
 * that is an email address counts as one, too (OKTA-E76).
 * `identifiers` are subject identifiers (RFC 9493) that name one thing; an `opaque` one needs `iss` beside its id, since
 * it means something to one issuer only.
 * @throws HubError `subject.invalid` with every problem
 */
export function readUserDraft(body: JsonValue | undefined): UserDraft {
  if (!isJsonObject(body))
    throw invalidFields('subject.invalid', [{ field: '', message: 'The body must be a JSON object' }])
  const problems: FieldProblem[] = []
  const refuse = (field: string, message: string): void => void problems.push({ field, message })
  for (const name of Object.keys(body)) {
    if (!members.includes(name)) refuse(name, `There is no such member; known are ${members.join(', ')}`)
  }
  if (body['kind'] !== 'user') refuse('kind', "Only users can be loaded: it must be 'user'")
  const login = readText(body['login'], 'login', userLimits.loginMax, refuse) ?? ''
  if (body['login'] === undefined || body['login'] === null) refuse('login', 'The field cannot be left blank')
  const displayName = readText(body['display_name'], 'display_name', userLimits.displayNameMax, refuse)
  const identifiers = new Set([
    loginIdentifier(login),
    ...(login.includes('@') ? [emailIdentifier(login)] : []),
    ...readEach(body, 'emails', refuse, (email, field) => {
      const text = readText(email, field, userLimits.emailMax, refuse)
      if (text !== undefined && /^[^\s]+@[^\s@]+$/.test(text)) return [emailIdentifier(text)]
      if (text !== undefined) refuse(field, 'It is no email address')
      return []
    }),
    ...readEach(body, 'identifiers', refuse, (identifier, field) =>
      readIdentifier(identifier, field, refuse),
    ),
  ])
  if (identifiers.size > userIdentifiersMax)
    refuse('', `A user may have ${userIdentifiersMax} identifiers at most`)
  if (problems.length > 0) throw invalidFields('subject.invalid', problems)
  return {
    login,
    displayName,
    loginIdentifier: loginIdentifier(login),
    identifiers: [...identifiers].toSorted(),
  }
}

type Refuse = (field: string, message: string) => void

function readText(
  value: JsonValue | undefined,
  field: string,
  charsMax: number,
  refuse: Refuse,
): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value.trim() === '') refuse(field, 'It must be a string that is not blank')
  else if (value.length > charsMax) refuse(field, `It may have ${charsMax} characters at most`)
  else if (/\p{Cc}/u.test(value) || !value.isWellFormed())
    refuse(field, 'It must not contain control characters')
  else return value
  return undefined
}

function readEach(
  body: JsonObject,
  name: string,
  refuse: Refuse,
  read: (value: JsonValue, field: string) => readonly Identifier[],
): readonly Identifier[] {
  const values = body[name] ?? []
  if (!isJsonArray(values) || values.length > userIdentifiersMax) {
    refuse(name, `It must be an array of at most ${userIdentifiersMax} entries`)
    return []
  }
  return values.flatMap((value, at) => read(value, `${name}[${at}]`))
}

function readIdentifier(value: JsonValue, field: string, refuse: Refuse): readonly Identifier[] {
  const issuer = isJsonObject(value) ? value['iss'] : undefined
  try {
    const subject = readSubjectIdentifier(value, field)
    if (subject.format === 'opaque' && (typeof issuer !== 'string' || issuer === '')) {
      refuse(field, 'An opaque id means something to one issuer only: give it as `iss` beside `id`')
      return []
    }
    const identifiers =
      subject.format === 'complex' || subject.format === 'aliases' || subject.format === 'ip-addresses'
        ? undefined
        : // A format that is none of these is of one identifier, or proprietary and then not read.
          identifiersOf(
            subject as Parameters<typeof identifiersOf>[0],
            'user',
            typeof issuer === 'string' ? issuer : '',
          )
    if (identifiers === undefined)
      refuse(field, 'It must be one identifier of a user, in a registered format')
    return identifiers ?? []
  } catch (error) {
    if (!isHubError(error, 'set.subject_invalid')) throw error
    refuse(field, error.detail)
    return []
  }
}
