import type { FastifyInstance } from 'fastify'
import type { RateSubject } from '../access/rate-limits.ts'
import type { Logger } from '../base/logger.ts'
import type { World } from '../base/world.ts'
import type { Hub } from '../hub.ts'
import { clientRoutes } from './client-routes.ts'
import { healthRoutes } from './health-routes.ts'
import { logRoutes } from './log-routes.ts'
import { oauthRoutes } from './oauth-routes.ts'
import { providerRoutes } from './provider-routes.ts'
import { mountPush } from './push-route.ts'
import type { Route } from './route.ts'
import { createServer } from './server.ts'
import { signalRoutes } from './signal-routes.ts'
import { userRoutes } from './user-routes.ts'

export interface HubServerOptions {
  readonly hub: Hub
  readonly world: World
  readonly logger: Logger
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
}

/** Everything the hub answers over HTTP. */
export function hubServer({ hub, world, logger, trustedProxies }: HubServerOptions): FastifyInstance {
  const { origin } = hub
  const routes: readonly Route[] = [
    ...providerRoutes({ origin, providers: hub.providers, urlProblem: hub.urlProblem }),
    ...signalRoutes({ origin, signals: hub.signals, providers: hub.providers }),
    ...logRoutes({ origin, systemLog: hub.systemLog, world }),
    ...oauthRoutes({ origin, issueToken: hub.issueToken, signingKeys: hub.signingKeys }),
    ...clientRoutes({ origin, serviceApps: hub.serviceApps }),
    ...userRoutes({ origin, apiTokens: hub.apiTokenStore }),
    ...healthRoutes(hub),
  ]
  return createServer({
    world,
    logger,
    origin,
    routes,
    mount: (app) => mountPush(app, { world, logger, origin }, hub.push),
    authenticate: (request, needed) => {
      const [path = ''] = request.target.split('?')
      return hub.authenticator.authenticate(
        {
          authorization: request.header('authorization'),
          dpop: request.header('dpop'),
          method: request.method,
          url: origin + path,
          resource: path,
        },
        needed,
      )
    },
    takeBudget: (of) => hub.rateLimits.count(rateSubject(of)),
    trustedProxies,
  })
}

function rateSubject(of: Parameters<Parameters<typeof createServer>[0]['takeBudget']>[0]): RateSubject {
  if ('ip' in of) return { kind: 'address', id: of.ip }
  return of.kind === 'token' ? { kind: 'token', id: of.id } : { kind: 'client', id: of.clientId }
}
