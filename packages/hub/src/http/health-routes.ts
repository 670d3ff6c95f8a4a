import type { Hub } from '../hub.ts'
import { routesOf, type Route } from './route.ts'

/** Liveness and readiness, for orchestrators and load balancers. */
export function healthRoutes(
  hub: Pick<Hub, 'isReady'> & Partial<Pick<Hub, 'standby' | 'erasuresLeft'>>,
): readonly Route[] {
  return routesOf({
    'GET /healthz': async () => ({ status: 200, body: { status: 'ok' } }),
    'GET /readyz': async () => {
      if (!(await hub.isReady())) {
        return {
          status: 503,
          body: { status: 'unavailable', reason: 'The storage does not answer, or does not accept writes.' },
        }
      }
      const { count = 0, since } = (await hub.erasuresLeft?.()) ?? {}
      return {
        status: 200,
        body: {
          status: 'ready',
          ...(hub.standby !== undefined && { standby: hub.standby }),
          ...(since !== undefined && { erasures: { waiting: count, since: since.toISOString() } }),
        },
      }
    },
  })
}
