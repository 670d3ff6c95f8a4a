import { riskLevels } from '../risk/risk-level.ts'
import { nextLink } from './common.ts'
import { erasureAnswers } from './erasures.ts'
import { json, type Operations } from './operation.ts'
import { identifierBody } from './providers.ts'
import { shape, type ShapeOf } from './schema.ts'
import { subjectKind } from './subject-kind.ts'

export const riskLevel = shape.oneOf(riskLevels)

const subjectMembers = {
  id: shape.text(),
  kind: subjectKind,
  level: riskLevel,
  first_seen_at: shape.time(),
  login: shape.nullable(shape.text()),
  display_name: shape.nullable(shape.text()),
  loaded_at: shape.nullable(shape.time('When an administrator loaded the user.')),
  identifiers: shape.list(identifierBody),
} as const

/** A user, device, session or address as a list has it. */
export const subjectBody = shape.named('Subject', shape.object(subjectMembers))
export type SubjectBody = ShapeOf<typeof subjectBody>

/** Why a level is what it is. */
export const reasonBody = shape.named(
  'RiskReason',
  shape.object({
    id: shape.text(),
    source: shape.oneOf(['security_events_provider', 'risk_provider', 'admin']),
    source_id: shape.text(),
    slot: shape.text('Of one source there is one current reason for each identifier and slot.'),
    detection: shape.text('For people.'),
    level: riskLevel,
    message: shape.nullable(shape.text('In the words of the source.')),
    identifier: shape.text('Of what it was said.'),
    occurred_at: shape.time(),
    received_at: shape.time(),
    expires_at: shape.nullable(shape.time('Null: until replaced.')),
    signal_id: shape.nullable(shape.text()),
    event_type: shape.nullable(shape.text()),
    dismissed_at: shape.optional(shape.time('It does not count, until that is taken back.')),
  }),
)
export type ReasonBody = ShapeOf<typeof reasonBody>

/** The same with all that is known of its risk. */
export const subjectDetails = shape.named(
  'SubjectDetails',
  shape.object({
    ...subjectMembers,
    reported_level: riskLevel,
    reasons: shape.list(reasonBody, 'What counts, the worst first.'),
    dismissed: shape.list(reasonBody),
    history: shape.list(reasonBody),
  }),
)
export type SubjectDetailsBody = ShapeOf<typeof subjectDetails>

export const subjectPage = shape.named(
  'SubjectPage',
  shape.object({
    subjects: shape.list(subjectBody, 'Newest first.'),
    next: shape.nullable(shape.uri('The next page.')),
  }),
)
export type SubjectPageBody = ShapeOf<typeof subjectPage>

/** A user as somebody loads one. */
export const userRequest = shape.named(
  'UserRequest',
  shape.object({
    kind: shape.constant('user'),
    login: shape.text(undefined, { maxLength: 255 }),
    emails: shape.optional(
      shape.nullable(shape.list(shape.text(undefined, { maxLength: 320 }), undefined, { maxItems: 50 })),
    ),
    identifiers: shape.optional(
      shape.nullable(
        shape.list(shape.anyObject('A subject identifier (RFC 9493).'), undefined, { maxItems: 50 }),
      ),
    ),
    display_name: shape.optional(shape.nullable(shape.text(undefined, { maxLength: 255 }))),
  }),
)
export type UserRequestBody = ShapeOf<typeof userRequest>

export const subjectRiskRequest = shape.named(
  'SubjectRiskRequest',
  shape.openObject({
    level: riskLevel,
    reason: shape.optional(
      shape.nullable(shape.text('Letters, digits, spaces and - , .', { maxLength: 500 })),
    ),
  }),
)
export type SubjectRiskRequestBody = ShapeOf<typeof subjectRiskRequest>

const tag = 'Subjects'
const read = 'watchbell.subjects.read'
const manage = 'watchbell.subjects.manage'
const details = { description: 'The subject and its risk.', ...json(subjectDetails) }
const one = ['subject.not_found', 'subject.ambiguous'] as const

/** Users, devices, sessions and addresses: who they are, and how risky. */
export const subjectOperations = {
  'GET /v1/subjects': {
    id: 'listSubjects',
    tag,
    summary: 'List users, devices, sessions and addresses, newest first',
    access: read,
    query: {
      kind: shape.optional(subjectKind),
      level: shape.optional(shape.oneOf(['LOW', 'MEDIUM', 'HIGH'])),
      search: shape.optional(shape.text('Part of an identifier or name.', { minLength: 1, maxLength: 320 })),
      limit: shape.optional(shape.integer('50 unless given.', { minimum: 1, maximum: 200 })),
      after: shape.optional(shape.integer('Where the last page ended.', { minimum: 1 })),
    },
    answers: {
      200: { description: 'A page.', ...json(subjectPage), headers: { Link: shape.optional(nextLink) } },
    },
    errors: ['request.invalid'],
  },
  'POST /v1/subjects': {
    id: 'loadUser',
    tag,
    summary: 'Make a user known, or bring one up to date',
    access: manage,
    body: json(userRequest),
    answers: {
      200: { ...details, description: 'The user was known.' },
      201: { ...details, description: 'The user is new.' },
    },
    errors: ['subject.invalid', 'subject.contradictory'],
  },
  'GET /v1/subjects/:id': {
    id: 'getSubject',
    tag,
    summary: 'Show a user, device, session or address by its id or any of its identifiers',
    access: read,
    answers: { 200: details },
    errors: one,
  },
  'DELETE /v1/subjects/:id': {
    id: 'eraseSubject',
    tag,
    summary: 'Erase all that is kept of a user, device, session or address',
    access: manage,
    answers: erasureAnswers,
    errors: [...one, 'erasure.too_many_waiting'],
  },
  'PUT /v1/subjects/:id/risk': {
    id: 'setSubjectRisk',
    tag,
    summary: 'Set the level; what was said before counts no longer',
    access: manage,
    body: json(subjectRiskRequest),
    answers: { 200: details },
    errors: [...one, 'user_risk.invalid'],
  },
  'PUT /v1/subjects/:id/reasons/:reason/dismissal': {
    id: 'dismissReason',
    tag,
    summary: 'Dismiss one reason, until its source says the same again',
    access: manage,
    answers: { 200: details },
    errors: [...one, 'subject.no_such_reason'],
  },
  'DELETE /v1/subjects/:id/reasons/:reason/dismissal': {
    id: 'restoreReason',
    tag,
    summary: 'Take a dismissal back',
    access: manage,
    answers: { 200: details },
    errors: [...one, 'subject.no_such_reason'],
  },
} as const satisfies Operations
