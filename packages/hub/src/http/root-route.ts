import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { pathOf } from '../wire/operation.ts'
import type { RootBody } from '../wire/service.ts'

export interface RootDeps {
  readonly origin: string
  /** @see spend */
  spend(reply: FastifyReply, of: { readonly ip: string }): Promise<void>
}

const what =
  'Watchbell, a self-hosted Shared Signals hub: it takes in security events and answers how risky a sign-in is.'

/** Says what this server is: as JSON, or as text for browsers. Without a version, which would help attackers. */
export function mountRoot(app: FastifyInstance, { origin, spend }: RootDeps): void {
  const links = {
    health: `${origin}/healthz`,
    readiness: `${origin}/readyz`,
    security_events: `${origin}/security/api/v1/security-events`,
    access_evaluation: `${origin}/access/v1/evaluation`,
    authzen_configuration: `${origin}/.well-known/authzen-configuration`,
    system_log: `${origin}/api/v1/logs`,
  }
  const body: RootBody = { name: 'Watchbell', description: what, links }
  const text = [
    what,
    '',
    ...Object.entries(links).map(([name, url]) => `${name.replaceAll('_', ' ')}: ${url}`),
    '',
    'An API token or a service app is needed for all but health and readiness; its administrators have them.',
    '',
  ].join('\n')

  app.get(pathOf('GET /'), async (request, reply) => {
    await spend(reply, { ip: request.ip })
    return asksForText(request)
      ? reply.type('text/plain; charset=utf-8').send(text)
      : reply.type('application/json').send(JSON.stringify(body))
  })
  // Browsers request the icon unasked.
  app.get(pathOf('GET /favicon.ico'), async (request, reply) => {
    await spend(reply, { ip: request.ip })
    return reply.code(204).send()
  })
}

/** Browsers send `text/html` first. */
function asksForText({ headers: { accept = '' } }: FastifyRequest): boolean {
  const textAt = accept.search(/text\/(html|plain|\*)/i)
  const jsonAt = accept.search(/application\/(json|\*)/i)
  return textAt !== -1 && (jsonAt === -1 || textAt < jsonAt)
}
