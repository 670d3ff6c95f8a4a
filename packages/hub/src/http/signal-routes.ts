import { HubError, type FieldProblem } from '../base/hub-error.ts'
import { readIsoTime } from '../base/iso-time.ts'
import type { EventMatch } from '../handling/event-matches.ts'
import type { Providers } from '../providers/providers.ts'
import type { Signal, SignalOutcome } from '../signals/signal.ts'
import type { SignalQuery, SignalStore } from '../signals/signal-store.ts'
import type { SignalBody } from '../wire/signals.ts'
import { pathOf } from '../wire/operation.ts'
import { routesOf, type Route } from './route.ts'

export interface SignalRoutesDeps {
  readonly origin: string
  readonly signals: Pick<SignalStore, 'find' | 'list' | 'counts'>
  /** Which events of signals were applied to whom they are about. */
  readonly matchesOf: (signals: readonly Signal[]) => Promise<readonly (readonly EventMatch[])[]>
  readonly providers: Pick<Providers, 'list'>
}

const base = pathOf('GET /v1/signals')
const limitDefault = 50
const limitMax = 200
const outcomes: readonly SignalOutcome[] = ['pending', 'handled', 'failed', 'refused']
const parameters = [
  'provider',
  'iss',
  'jti',
  'type',
  'subject',
  'outcome',
  'proven',
  'since',
  'until',
  'limit',
  'after',
  'include',
]

/** The verdict on every SET that reached us, accepted or refused. Newest first; `after` is where the last page ended. */
export function signalRoutes({ origin, signals, matchesOf, providers }: SignalRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /v1/signals': async ({ query: parameters }) => {
      const query = readQuery(parameters)
      const withToken = includesToken(parameters)
      const page = await signals.list({ ...query, withTokens: withToken })
      const next = page.next === undefined ? undefined : nextLink(origin, parameters, page.next)
      const matches = await matchesOf(page.signals)
      return {
        status: 200,
        body: {
          signals: page.signals.map((signal, at) => signalBody(signal, matches[at] ?? [], withToken)),
          next: next ?? null,
        },
        ...(next !== undefined && { headers: { link: `<${next}>; rel="next"` } }),
      }
    },
    'GET /v1/signals/counts': async () => {
      const [counts, known] = await Promise.all([signals.counts(), providers.list()])
      const nameOf = new Map(known.map(({ id, name }) => [id, name]))
      return {
        status: 200,
        body: {
          ...counts,
          refused: counts.refused.map(({ providerId, code, count }) => ({
            provider: providerId ?? null,
            provider_name: nameOf.get(providerId ?? '') ?? null,
            code,
            count,
          })),
        },
      }
    },
    'GET /v1/signals/:id': async ({ params, query }) => {
      const withToken = includesToken(query)
      const id = params['id'] ?? ''
      const signal = await signals.find(id)
      if (signal === undefined) throw new HubError('signal.not_found', { facts: { id, type: 'Signal' } })
      const [matches = []] = await matchesOf([signal])
      return { status: 200, body: signalBody(signal, matches, withToken) }
    },
  })
}

function signalBody(signal: Signal, matches: readonly EventMatch[], withToken: boolean): SignalBody {
  return {
    id: signal.id,
    outcome: signal.outcome,
    received_at: signal.receivedAt.toISOString(),
    provider: signal.providerId ?? null,
    iss: signal.iss ?? null,
    jti: signal.jti ?? null,
    issued_at: signal.issuedAt?.toISOString() ?? null,
    via: signal.via,
    source: signal.source ?? null,
    repeats: signal.repeats,
    repeated_at: signal.repeatedAt?.toISOString() ?? null,
    ...(signal.code !== undefined && { code: signal.code, reason: signal.reason }),
    ...(signal.proven !== undefined && { proven: signal.proven }),
    ...(isAboutNobody(signal, matches) && { about_nobody: true }),
    events: signal.events.map(({ occurredAt, leftOut, ...event }, at) => ({
      ...event,
      occurred_at: occurredAt === undefined ? null : new Date(occurredAt).toISOString(),
      matched: matches[at]?.matched ?? null,
      ...(leftOut !== undefined && { left_out: leftOut }),
      ...(matches[at]?.reason !== undefined && { unmatched_reason: matches[at].reason }),
    })),
    ...(withToken && { token: signal.token ?? null }),
  }
}

/** Whether it was handled and changed nothing for any subject. */
function isAboutNobody({ outcome }: Signal, matches: readonly EventMatch[]): boolean {
  return outcome === 'handled' && matches.every(({ aboutNobody }) => aboutNobody)
}

function includesToken(query: URLSearchParams): boolean {
  const include = query.get('include')
  if (include !== null && include !== 'token') {
    throw invalid([{ field: 'include', message: `'${include}' is not one of the allowed values: token` }])
  }
  return include === 'token'
}

/** @throws HubError `request.invalid` with every problem */
function readQuery(query: URLSearchParams): SignalQuery {
  const problems: FieldProblem[] = []
  for (const name of new Set(query.keys())) {
    if (!parameters.includes(name)) {
      problems.push({
        field: name,
        message: `There is no such parameter; known are ${parameters.join(', ')}`,
      })
    } else if (query.getAll(name).length > 1) {
      problems.push({ field: name, message: 'The parameter may be given once' })
    } else if (query.get(name) === '') {
      problems.push({ field: name, message: 'The parameter is empty; give it a value or leave it out' })
    }
  }
  const text = (name: string): string | undefined => query.get(name) || undefined
  const integer = (name: string, min: number, max: number): number | undefined => {
    const value = text(name)
    if (value === undefined) return undefined
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    problems.push({ field: name, message: `'${value}' is not a whole number from ${min} to ${max}` })
    return undefined
  }
  const time = (name: string): Date | undefined => {
    const value = text(name)
    if (value === undefined) return undefined
    const ms = readIsoTime(value)
    if (ms !== undefined) return new Date(ms)
    problems.push({ field: name, message: `'${value}' is not an ISO 8601 time such as 2026-01-31T12:00:00Z` })
    return undefined
  }
  const asked = text('outcome')
  const outcome = outcomes.find((known) => known === asked)
  if (asked !== undefined && outcome === undefined) {
    problems.push({
      field: 'outcome',
      message: `'${asked}' is not one of the allowed values: ${outcomes.join(', ')}`,
    })
  }
  const proof = text('proven')
  if (proof !== undefined && proof !== 'true' && proof !== 'false') {
    problems.push({
      field: 'proven',
      message: `'${proof}' is not one of the allowed values: true, false`,
    })
  }
  const optional = (name: string, value: unknown): object => (value === undefined ? {} : { [name]: value })
  const result: SignalQuery = {
    limit: integer('limit', 1, limitMax) ?? limitDefault,
    ...optional('providerId', text('provider')),
    ...optional('iss', text('iss')),
    ...optional('jti', text('jti')),
    ...optional('type', text('type')),
    ...optional('subject', text('subject')),
    ...optional('outcome', outcome),
    ...optional('proven', proof === undefined ? undefined : proof === 'true'),
    ...optional('since', time('since')),
    ...optional('until', time('until')),
    ...optional('before', integer('after', 1, Number.MAX_SAFE_INTEGER)),
  }
  if (problems.length > 0) throw invalid(problems)
  return result
}

function invalid(problems: readonly FieldProblem[]): HubError {
  const detail = problems.map(({ field, message }) => `${field}: ${message}`).join('; ')
  return new HubError('request.invalid', { detail, problems })
}

function nextLink(origin: string, query: URLSearchParams, after: number): string {
  const next = new URLSearchParams(query)
  next.set('after', String(after))
  return `${origin}${base}?${next.toString()}`
}
