import { HubError, type FieldProblem } from '../base/hub-error.ts'
import type { Erasures } from '../upkeep/erasures.ts'
import {
  erasurePlaces,
  erasureStates,
  type Erasure,
  type ErasureQuery,
  type ErasureState,
} from '../subjects/erasure-store.ts'
import type { ErasureBody } from '../wire/erasures.ts'
import { pathOf } from '../wire/operation.ts'
import { routesOf, type AnswerTo, type Route } from './route.ts'

export interface ErasureRoutesDeps {
  readonly origin: string
  readonly erasures: Pick<Erasures, 'get' | 'list'>
}

const base = pathOf('GET /v1/erasures')
const limitDefault = 50
const limitMax = 200
const parameters = ['state', 'limit', 'after']

/** How far erasures of subjects have come. Newest first; `after` is where the last page ended. */
export function erasureRoutes({ origin, erasures }: ErasureRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /v1/erasures': async ({ query: parameters }) => {
      const { erasures: listed, next } = await erasures.list(readQuery(parameters))
      const link = next === undefined ? null : nextLink(origin, parameters, next)
      return {
        status: 200,
        body: { erasures: listed.map((erasure) => erasureBody(origin, erasure)), next: link },
        ...(link !== null && { headers: { link: `<${link}>; rel="next"` } }),
      }
    },
    'GET /v1/erasures/:id': async ({ params }) => ({
      status: 200,
      body: erasureBody(origin, await erasures.get(params['id'] ?? '')),
    }),
  })
}

/** What a request for an erasure is answered with: 202, or 200 when there was one for the subject that is done. */
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
  const problems: FieldProblem[] = []
  for (const name of new Set(query.keys())) {
    if (!parameters.includes(name)) {
      problems.push({
        field: name,
        message: `There is no such parameter; known are ${parameters.join(', ')}`,
      })
    } else if (query.getAll(name).length > 1) {
      problems.push({ field: name, message: 'The parameter may be given once' })
    }
  }
  const integer = (name: string, max: number): number | undefined => {
    const value = query.get(name)
    if (value === null) return undefined
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (number >= 1 && number <= max) return number
    problems.push({ field: name, message: `'${value}' is not a whole number from 1 to ${max}` })
    return undefined
  }
  const asked = query.get('state')
  const state: ErasureState | undefined = erasureStates.find((each) => each === asked)
  if (asked !== null && state === undefined) {
    problems.push({
      field: 'state',
      message: `'${asked}' is not one of the allowed values: ${erasureStates.join(', ')}`,
    })
  }
  const before = integer('after', Number.MAX_SAFE_INTEGER)
  const limit = integer('limit', limitMax) ?? limitDefault
  if (problems.length > 0) {
    const detail = problems.map(({ field, message }) => `${field}: ${message}`).join('; ')
    throw new HubError('request.invalid', { detail, problems })
  }
  return { limit, ...(state !== undefined && { state }), ...(before !== undefined && { before }) }
}

function nextLink(origin: string, query: URLSearchParams, after: number): string {
  const next = new URLSearchParams(query)
  next.set('after', String(after))
  return `${origin}${base}?${next.toString()}`
}
