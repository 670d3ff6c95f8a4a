import { actorOf, type Caller } from '../access/caller.ts'
import { isHubError } from '../base/hub-error.ts'
import type { Erasures } from '../upkeep/erasures.ts'
import type { People, SubjectDetails } from '../risk/people.ts'
import { readSubjectRisk } from '../risk/user-risk.ts'
import { riskLevels } from '../risk/risk-level.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import { formatOf, scopeOf, subjectKinds, valueOf } from '../subjects/identifier.ts'
import type { Subject, SubjectQuery } from '../subjects/subject-store.ts'
import { readUserDraft } from '../subjects/user-draft.ts'
import type { ReasonBody, SubjectBody, SubjectDetailsBody } from '../wire/subjects.ts'
import { pathOf } from '../wire/operation.ts'
import { requestedErasure } from './erasure-routes.ts'
import { nextPage, readParameters } from './query-parameters.ts'
import { actorFacts, routesOf, type ApiRequest, type Route } from './route.ts'

export interface SubjectRoutesDeps {
  readonly origin: string
  readonly people: Pick<People, 'list' | 'get' | 'load' | 'setRisk' | 'dismiss'>
  readonly erasures: Pick<Erasures, 'erase'>
}

const base = pathOf('GET /v1/subjects')
const searchCharsMax = 320
const parameters = ['kind', 'level', 'search', 'limit', 'after']

/** Users, devices, sessions and addresses with their identifiers and risk, newest first. */
export function subjectRoutes({ origin, people, erasures }: SubjectRoutesDeps): readonly Route[] {
  const dismissal = (isDismissed: boolean) => async (request: ApiRequest, caller: Caller) => {
    const { id = '', reason = '' } = request.params
    const by = actorOf(caller, actorFacts(request))
    const body = detailsBody(await people.dismiss(id, reason, isDismissed, by))
    return { status: 200, body } as const
  }
  return routesOf({
    'GET /v1/subjects': async ({ query: parameters }) => {
      const { subjects, next: after } = await people.list(readQuery(parameters))
      const { next, headers } = nextPage(origin + base, parameters, after)
      return {
        status: 200,
        body: { subjects: subjects.map(subjectBody), next },
        ...headers,
      }
    },
    'POST /v1/subjects': async (request, caller) => {
      const by = actorOf(caller, actorFacts(request))
      const loaded = await people.load(readUserDraft(request.json), by)
      return { status: loaded.created ? 201 : 200, body: detailsBody(loaded) }
    },
    'GET /v1/subjects/:id': async ({ params }) => ({
      status: 200,
      body: detailsBody(await people.get(params['id'] ?? '')),
    }),
    'PUT /v1/subjects/:id/risk': async (request, caller) => {
      const id = request.params['id'] ?? ''
      await people.get(id) // An unknown subject is reported before an invalid body.
      const by = actorOf(caller, actorFacts(request))
      return { status: 200, body: detailsBody(await people.setRisk(id, readSubjectRisk(request.json), by)) }
    },
    'PUT /v1/subjects/:id/reasons/:reason/dismissal': dismissal(true),
    'DELETE /v1/subjects/:id/reasons/:reason/dismissal': dismissal(false),
    'DELETE /v1/subjects/:id': async (request, caller) => {
      const asked = request.params['id'] ?? ''
      const id = (await subjectNamed(people, asked))?.id ?? asked // An erasure may have begun already.
      return requestedErasure(origin, await erasures.erase(id, actorOf(caller, actorFacts(request))))
    },
  })
}

async function subjectNamed(people: Pick<People, 'get'>, name: string): Promise<Subject | undefined> {
  try {
    return (await people.get(name)).subject
  } catch (error) {
    if (isHubError(error, 'subject.not_found')) return undefined
    throw error
  }
}

function subjectBody({ id, kind, identifiers, level, firstSeenAt, loaded }: Subject): SubjectBody {
  return {
    id,
    kind,
    level: riskLevels[level] ?? 'NONE',
    first_seen_at: firstSeenAt.toISOString(),
    login: loaded?.login ?? null,
    display_name: loaded?.displayName ?? null,
    loaded_at: loaded?.loadedAt.toISOString() ?? null,
    identifiers: identifiers.map(({ identifier }) => ({
      format: kind === 'address' ? 'ip' : formatOf(identifier),
      value: valueOf(identifier),
      issuer: scopeOf(identifier) ?? null,
    })),
  }
}

function detailsBody({
  subject,
  enforced,
  reported,
  inForce,
  dismissed,
  history,
}: SubjectDetails): SubjectDetailsBody {
  return {
    ...subjectBody(subject),
    level: enforced,
    reported_level: reported,
    reasons: inForce.map(reasonBody),
    dismissed: dismissed.map(reasonBody),
    history: history.map(reasonBody),
  }
}

function reasonBody({ source, detection, level, message, ...reason }: RiskReason): ReasonBody {
  return {
    id: reason.id,
    source: source.kind,
    source_id: source.id,
    slot: reason.slot,
    detection,
    level,
    message: message ?? null,
    identifier: valueOf(reason.identifier),
    occurred_at: reason.occurredAt.toISOString(),
    received_at: reason.receivedAt.toISOString(),
    expires_at: reason.expiresAt?.toISOString() ?? null,
    signal_id: reason.signalId ?? null,
    event_type: reason.eventType ?? null,
    ...(reason.dismissedAt !== undefined && { dismissed_at: reason.dismissedAt.toISOString() }),
  }
}

/** @throws HubError `request.invalid` with every problem */
function readQuery(query: URLSearchParams): SubjectQuery {
  const given = readParameters(query, parameters)
  const kind = given.choice('kind', subjectKinds)
  const level = given.choice(
    'level',
    riskLevels.filter((level) => level !== 'NONE'),
  )
  const text = given.text('search', searchCharsMax)
  const before = given.after()
  const limit = given.limit()
  given.refuse()
  return {
    limit,
    ...(kind !== undefined && { kind }),
    ...(level !== undefined && { level: riskLevels.indexOf(level) }),
    ...(text !== undefined && { text: text.normalize('NFC').toLowerCase() }),
    ...(before !== undefined && { before }),
  }
}
