import type { World } from '../base/world.ts'
import { readLogPage } from '../systemlog/log-page.ts'
import { logParameters, readLogQuery } from '../systemlog/log-query.ts'
import type { SystemLogStore } from '../systemlog/system-log-store.ts'
import { pathOf } from '../wire/operation.ts'
import { routesOf, type Route } from './route.ts'

export interface LogRoutesDeps {
  readonly systemLog: Pick<SystemLogStore, 'page'>
  readonly world: Pick<World, 'now'>
  /** Without a trailing slash. */
  readonly origin: string
}

const path = pathOf('GET /api/v1/logs')

/** The System Log as Okta serves it (OKTA §6). */
export function logRoutes({ systemLog, world, origin }: LogRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /api/v1/logs': async ({ query }) => {
      const { events, next } = await readLogPage({ systemLog, world }, readLogQuery(query, world.now()))
      const links = [link(origin, query, 'self')]
      if (next !== undefined) links.push(link(origin, query, 'next', next))
      return { status: 200, body: events, headers: { link: links } }
    },
  })
}

/** One header for each relation (OKTA-L13), built on our origin (OKTA-L15). Encoded again, so that the request cannot inject. */
function link(origin: string, query: URLSearchParams, rel: 'self' | 'next', after?: string): string {
  const parameters = new URLSearchParams()
  for (const name of logParameters) {
    const value = name === 'after' ? (after ?? query.get(name)) : query.get(name)
    if (value !== null) parameters.set(name, value)
  }
  const search = parameters.toString()
  return `<${origin}${path}${search === '' ? '' : `?${search}`}>; rel="${rel}"`
}
