import { actorOf } from '../access/caller.ts'
import { readUserRisk, type SubjectRisk } from '../risk/user-risk.ts'
import type { People } from '../risk/people.ts'
import type { UserRiskBody } from '../wire/risk.ts'
import { actorFacts, routesOf, type Route } from './route.ts'

export interface UserRiskRoutesDeps {
  readonly origin: string
  readonly people: Pick<People, 'userRisk' | 'setUserRisk'>
}

/** A user's risk as Okta serves it (OKTA §7.1, OKTA-U1 to OKTA-U8). */
export function userRiskRoutes({ origin, people }: UserRiskRoutesDeps): readonly Route[] {
  return routesOf({
    'GET /api/v1/users/:userId/risk': async ({ params }) => ({
      status: 200,
      body: riskBody(origin, await people.userRisk(params['userId'] ?? '')),
    }),
    'PUT /api/v1/users/:userId/risk': async (request, caller) => {
      const userId = request.params['userId'] ?? ''
      await people.userRisk(userId) // An unknown user is reported before an invalid body.
      const by = actorOf(caller, actorFacts(request))
      const risk = await people.setUserRisk(userId, readUserRisk(request.json), by)
      return { status: risk.created ? 201 : 200, body: riskBody(origin, risk) } // OKTA-U3
    },
  })
}

/** OKTA-U2, OKTA-U6: shows the reason with the highest level; the level NONE has no reason. */
function riskBody(origin: string, { subject, enforced, inForce }: SubjectRisk): UserRiskBody {
  const user = `${origin}/api/v1/users/${subject.id}`
  const [reason] = inForce.filter(({ level }) => level === enforced)
  return {
    riskLevel: enforced,
    ...(reason !== undefined && { reason: reason.message ?? reason.detection }),
    _links: {
      self: { href: `${user}/risk`, hints: { allow: ['GET', 'PUT'] } },
      user: { href: user, hints: { allow: ['GET'] } },
    },
  }
}
