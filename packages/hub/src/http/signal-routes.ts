import { HubError } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import type { EventMatch } from '../handling/event-matches.ts'
import type { Providers } from '../providers/providers.ts'
import type { Signal, SignalOutcome } from '../signals/signal.ts'
import type { SignalQuery, SignalStore } from '../signals/signal-store.ts'
import type { SignalBody } from '../wire/signals.ts'
import { pathOf } from '../wire/operation.ts'
import { nextPage, readParameters } from './query-parameters.ts'
import { routesOf, type Route } from './route.ts'

export interface SignalRoutesDeps {
  readonly origin: string
  readonly signals: Pick<SignalStore, 'find' | 'list' | 'counts'>
  /** For each signal, whether each of its events was applied to its subject. */
  readonly matchesOf: (signals: readonly Signal[]) => Promise<readonly (readonly EventMatch[])[]>
  readonly providers: Pick<Providers, 'list'>
}

const base = pathOf('GET /v1/signals')
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

/** Every SET that reached the hub, accepted or refused, with its verdict. Newest first; `after` is where the last page ended. */
export function signalRoutes({ origin, signals, matchesOf, providers }: SignalRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /v1/signals': async ({ query: parameters }) => {
      const query = readQuery(parameters)
      const withToken = includesToken(parameters)
      const page = await signals.list({ ...query, withTokens: withToken })
      const { next, headers } = nextPage(origin + base, parameters, page.next)
      const matches = await matchesOf(page.signals)
      return {
        status: 200,
        body: {
          signals: page.signals.map((signal, at) => signalBody(signal, matches[at] ?? [], withToken)),
          next,
        },
        ...headers,
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

/** Whether the signal was handled and changed no subject. */
function isAboutNobody({ outcome }: Signal, matches: readonly EventMatch[]): boolean {
  return outcome === 'handled' && matches.every(({ aboutNobody }) => aboutNobody)
}

function includesToken(query: URLSearchParams): boolean {
  const include = query.get('include')
  if (include !== null && include !== 'token') {
    throw invalidFields('request.invalid', [
      { field: 'include', message: `'${include}' is not one of the allowed values: token` },
    ])
  }
  return include === 'token'
}

/** @throws HubError `request.invalid` with every problem */
function readQuery(query: URLSearchParams): SignalQuery {
  const given = readParameters(query, parameters)
  const outcome = given.choice('outcome', outcomes)
  const proof = given.choice('proven', ['true', 'false'])
  const optional = (name: string, value: unknown): object => (value === undefined ? {} : { [name]: value })
  const result: SignalQuery = {
    limit: given.limit(),
    ...optional('providerId', given.text('provider')),
    ...optional('iss', given.text('iss')),
    ...optional('jti', given.text('jti')),
    ...optional('type', given.text('type')),
    ...optional('subject', given.text('subject')),
    ...optional('outcome', outcome),
    ...optional('proven', proof === undefined ? undefined : proof === 'true'),
    ...optional('since', given.time('since')),
    ...optional('until', given.time('until')),
    ...optional('before', given.after()),
  }
  given.refuse()
  return result
}
