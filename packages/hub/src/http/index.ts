import type { FastifyInstance } from 'fastify'
import type { RateSubject } from '../access/rate-limits.ts'
import type { Logger } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { Hub } from '../hub.ts'
import { clientRoutes } from './client-routes.ts'
import { erasureRoutes } from './erasure-routes.ts'
import { authzenMetadataRoutes, mountEvaluation } from './evaluation-routes.ts'
import { forwardAuthPath, mountForwardAuth, type ForwardAuthOptions } from './forward-auth-route.ts'
import { healthRoutes } from './health-routes.ts'
import { logRoutes } from './log-routes.ts'
import { oauthRoutes } from './oauth-routes.ts'
import { openapiRoutes } from './openapi-route.ts'
import { providerActionRoutes } from './provider-action-routes.ts'
import { providerKeyRoutes } from './provider-key-routes.ts'
import { providerRoutes } from './provider-routes.ts'
import { mountPush, mountStreamPush } from './push-route.ts'
import { riskEventCountRoutes, riskEventRoutes } from './risk-event-routes.ts'
import { deprecated, riskProviderRoutes } from './risk-provider-routes.ts'
import { mountRoot } from './root-route.ts'
import type { Route } from './route.ts'
import type { RequestObserver } from './request-observer.ts'
import { createServer, spend, type ServerDeps } from './server.ts'
import { signalRoutes } from './signal-routes.ts'
import { streamRoutes } from './stream-routes.ts'
import { subjectRoutes } from './subject-routes.ts'
import { userRiskRoutes } from './user-risk-routes.ts'
import { userRoutes } from './user-routes.ts'

export interface HubServerOptions {
  readonly hub: Hub
  readonly world: World
  readonly logger: Logger
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  readonly forwardAuth: Omit<ForwardAuthOptions, 'trustedProxies'>
  /** Whether answers of APIs that Okta deprecated have a `Deprecation` header. */
  readonly deprecationHeaders: boolean
  /** No metrics and traces of requests unless given. */
  readonly observer?: RequestObserver | undefined
}

/** All HTTP APIs of the hub. */
export function hubServer(options: HubServerOptions): FastifyInstance {
  const { hub, world, logger, trustedProxies, forwardAuth, deprecationHeaders, observer } = options
  const { origin, evaluator } = hub
  const takeBudget: ServerDeps['takeBudget'] = (of, from) =>
    (from === 'risk_events' ? hub.riskEventLimits : hub.rateLimits).count(rateSubject(of))
  const oktaRisk = [
    ...riskProviderRoutes({ origin, riskProviders: hub.riskProviders }),
    ...riskEventRoutes({ riskEvents: hub.riskEvents, world }),
  ]
  const routes: readonly Route[] = [
    ...providerRoutes({ origin, providers: hub.providers, urlProblem: hub.urlProblem }),
    ...signalRoutes({ origin, signals: hub.signals, matchesOf: hub.matchesOf, providers: hub.providers }),
    ...erasureRoutes({ origin, erasures: hub.erasures }),
    ...subjectRoutes({ origin, people: hub.people, erasures: hub.erasures }),
    ...userRiskRoutes({ origin, people: hub.people }),
    ...logRoutes({ origin, systemLog: hub.systemLog, world }),
    ...oauthRoutes({ origin, issueToken: hub.issueToken, signingKeys: hub.signingKeys }),
    ...clientRoutes({ origin, serviceApps: hub.serviceApps }),
    ...userRoutes({ origin, apiTokens: hub.apiTokenStore }),
    ...(deprecationHeaders ? deprecated(oktaRisk) : oktaRisk),
    ...riskEventCountRoutes(hub),
    ...providerActionRoutes(hub.providerActions),
    ...providerKeyRoutes(hub),
    ...streamRoutes({ intake: hub.intake, providers: hub.providers, urlProblem: hub.urlProblem }),
    ...authzenMetadataRoutes(origin),
    ...healthRoutes(hub),
    ...openapiRoutes(),
  ]
  return createServer({
    world,
    logger,
    origin,
    routes,
    mount(app, { anonymous, proven }) {
      const { refuseUnread } = hub
      mountPush(app, { world, logger, origin, refuseUnread, room: anonymous }, hub.push)
      mountStreamPush(app, { world, logger, origin, refuseUnread, room: proven }, hub.pushToStream)
      const { authenticate } = hub.authenticator
      mountEvaluation(app, { world, logger, origin, evaluator, authenticate, takeBudget, room: proven })
      mountRoot(app, { origin, spend: (reply, of) => spend({ world, takeBudget }, reply, of) })
      mountForwardAuth(app, { world, origin, evaluator, trustedProxies, ...forwardAuth })
    },
    authenticate: (request, needed, admit) => {
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
        admit,
      )
    },
    takeBudget,
    trustedProxies,
    openPath: forwardAuthPath,
    observer,
  })
}

function rateSubject(of: Parameters<ServerDeps['takeBudget']>[0]): RateSubject {
  if ('ip' in of) return { kind: 'address', id: of.ip }
  return of.kind === 'token' ? { kind: 'token', id: of.id } : { kind: 'client', id: of.clientId }
}
