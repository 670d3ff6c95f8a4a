import type { Erasures } from '../upkeep/erasures.ts'
import { erasurePlaces, erasureStates, type Erasure, type ErasureQuery } from '../subjects/erasure-store.ts'
import type { ErasureBody } from '../wire/erasures.ts'
import { pathOf } from '../wire/operation.ts'
import { nextPage, readParameters } from './query-parameters.ts'
import { routesOf, type AnswerTo, type Route } from './route.ts'

export interface ErasureRoutesDeps {
  readonly origin: string
  readonly erasures: Pick<Erasures, 'get' | 'list'>
}

const base = pathOf('GET /v1/erasures')
const parameters = ['state', 'limit', 'after']

/** Erasures of subjects and their progress. Newest first; `after` is where the last page ended. */
export function erasureRoutes({ origin, erasures }: ErasureRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /v1/erasures': async ({ query: parameters }) => {
      const { erasures: listed, next: after } = await erasures.list(readQuery(parameters))
      const { next, headers } = nextPage(origin + base, parameters, after)
      return {
        status: 200,
        body: { erasures: listed.map((erasure) => erasureBody(origin, erasure)), next },
        ...headers,
      }
    },
    'GET /v1/erasures/:id': async ({ params }) => ({
      status: 200,
      body: erasureBody(origin, await erasures.get(params['id'] ?? '')),
    }),
  })
}

/** The answer to a request for an erasure: 202, or 200 when an earlier one of the subject is done. */
export function requestedErasure(origin: string, erasure: Erasure): AnswerTo<'DELETE /v1/subjects/:id'> {
  return {
    status: erasure.state === 'done' ? 200 : 202,
    body: erasureBody(origin, erasure),
    headers: { location: urlOf(origin, erasure) },
  }
}

function urlOf(origin: string, { id }: Erasure): string {
  return `${origin}${base}/${encodeURIComponent(id)}`
}

function erasureBody(origin: string, erasure: Erasure): ErasureBody {
  const { id, state, subject, requestedAt, requestedBy, startedAt, finishedAt, walk } = erasure
  const places: readonly string[] = erasurePlaces
  return {
    id,
    url: urlOf(origin, erasure),
    state,
    subject: { id: subject.id, kind: subject.kind },
    requested_at: requestedAt.toISOString(),
    requested_by: { id: requestedBy.id, type: requestedBy.type, display_name: requestedBy.displayName },
    started_at: startedAt?.toISOString() ?? null,
    finished_at: finishedAt?.toISOString() ?? null,
    progress:
      walk === undefined
        ? null
        : {
            place: walk.place,
            places_done: walk.place === 'files' ? places.length : places.indexOf(walk.place),
            places: places.length,
            rows: walk.rows,
          },
    deleted: erasure.deleted,
    rewritten: erasure.rewritten,
  }
}

/** @throws HubError `request.invalid` with every problem */
function readQuery(query: URLSearchParams): ErasureQuery {
  const given = readParameters(query, parameters)
  const state = given.choice('state', erasureStates)
  const before = given.after()
  const limit = given.limit()
  given.refuse()
  return { limit, ...(state !== undefined && { state }), ...(before !== undefined && { before }) }
}
