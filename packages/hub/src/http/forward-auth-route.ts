import { isUtf8 } from 'node:buffer'
import { timingSafeEqual, createHash } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HubError, isHubError } from '../base/hub-error.ts'
import { readIsoTime } from '../base/iso-time.ts'
import type { World } from '../base/world.ts'
import type { Evaluator } from '../policy/evaluator.ts'
import type { UntimedRules } from '../policy/untimed-sessions.ts'
import type { Verdict } from '../policy/evaluate.ts'
import { canonicalAddress } from '../subjects/address.ts'
import { pathOf } from '../wire/operation.ts'
import { clockSkewMs } from './authzen-request.ts'
import { forwardedEntries } from './forwarded-for.ts'

export interface ForwardAuthOptions {
  /** The header with the signed-in user. */
  readonly userHeader: string
  /** The header with the address of the client, followed by those of the proxies. */
  readonly addressHeader: string
  /** The headers with the id of the session and the time of sign-in; undefined when no proxy sets them. */
  readonly sessionHeader: string | undefined
  readonly signedInHeader: string | undefined
  /** How to apply a revocation of all sessions when no time of sign-in is given. */
  readonly untimed: UntimedRules
  /** The token that the proxy must send in `X-Watchbell-Token`; undefined when its address is enough. */
  readonly token: string | undefined
  /** Addresses and CIDR blocks of proxies whose headers are believed. */
  readonly trustedProxies: readonly string[]
}

export interface ForwardAuthDeps extends ForwardAuthOptions {
  readonly world: Pick<World, 'now'>
  readonly origin: string
  readonly evaluator: Evaluator
}

export const forwardAuthPath = pathOf('ALL /access/v1/forward-auth')
const tokenHeader = 'x-watchbell-token'
/** Response header: why a proxy got no decision. */
const errorHeader = 'x-watchbell-error'
const headerCharsMax = 1_000

/** Response header: what a revocation of sessions did, for the log of the proxy. */
const revocationHeader = 'x-watchbell-revocation'

/**
 * Answers a reverse proxy before it forwards a request (nginx auth_request, Traefik ForwardAuth, Caddy forward_auth, Envoy
 * ext_authz): 200, 401 or 403. Envoy sends the method and path of the forwarded request, so this is the open path of the
 * server. A trusted proxy gets errors in a header and no body, because proxies forward bodies to their clients. All other
 * callers get the usual body.
 */
export function mountForwardAuth(app: FastifyInstance, deps: ForwardAuthDeps): void {
  const isTrusted = addressMatcher(deps.trustedProxies)
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    requireProxy(request, deps.token, isTrusted)
    const user = requireOne(deps.userHeader, single(request, deps.userHeader), 'user')
    if (user === undefined) {
      return reply.code(401).header('www-authenticate', `Bearer realm="${deps.origin}"`).send()
    }
    const verdict = await deps.evaluator.answer(
      {
        user,
        action: 'access',
        resource: { type: 'http', id: single(request, 'x-forwarded-host') ?? 'unknown' },
        ip: clientAddress(request, deps.addressHeader, isTrusted),
        device: undefined,
        session: sessionOf(request, deps.sessionHeader),
        userAgent: request.headers['user-agent'],
        issuedAt: signedInAt(request, deps),
      },
      {
        id: 'forward-auth',
        type: 'SystemPrincipal',
        displayName: 'Forward auth',
        alternateId: undefined,
        requestId: request.id,
      },
      deps.untimed,
    )
    reply.header('x-watchbell-risk', verdict.level)
    const revocation = revocationOf(verdict)
    if (revocation !== undefined) reply.header(revocationHeader, revocation)
    const status = statusOf(verdict)
    if (status === 401) {
      // RFC 9470 §3: the client must authenticate again, more strongly.
      reply.header(
        'www-authenticate',
        `Bearer realm="${deps.origin}", error="insufficient_user_authentication"`,
      )
    }
    return reply.code(status).send()
  }
  app.route({
    method: app.supportedMethods,
    url: forwardAuthPath,
    handler,
    errorHandler(error, _request, reply) {
      if (isHubError(error)) reply.header(errorHeader, error.detail.replaceAll(/[^\x20-\x7e]/g, '?'))
      void reply.send(error) // to the error handler of the server
    },
    onSend(request, reply, payload, done) {
      if (!isTrusted(peerOf(request))) return done(null, payload)
      reply.removeHeader('content-type')
      done(null, null)
    },
  })
}

function peerOf(request: FastifyRequest): string {
  return request.raw.socket.remoteAddress ?? ''
}

/** Whether only a revoked session denies: a new sign-in then helps. */
function statusOf({ outcome, isOnlyRevoked }: Verdict): 200 | 401 | 403 {
  if (outcome === 'allow') return 200
  return outcome === 'challenge' || isOnlyRevoked ? 401 : 403
}

function revocationOf({
  isOnlyRevoked,
  untimed,
}: Verdict): 'session_over' | 'sign_in_again' | 'ignored' | undefined {
  if (isOnlyRevoked) return 'session_over'
  if (untimed === 'asked') return 'sign_in_again'
  return untimed === 'ignored' ? 'ignored' : undefined
}

/** @throws HubError `access.forbidden` */
function requireProxy(
  request: FastifyRequest,
  token: string | undefined,
  isTrusted: (address: string) => boolean,
): void {
  const peer = peerOf(request)
  if (!isTrusted(peer)) {
    throw new HubError('access.forbidden', {
      detail: `${peer} is not a trusted proxy; WATCHBELL_TRUSTED_PROXIES names those whose headers are believed.`,
    })
  }
  if (token !== undefined && !isSame(single(request, tokenHeader) ?? '', token)) {
    throw new HubError('access.forbidden', {
      detail:
        'The header X-Watchbell-Token is missing or wrong; it must be what WATCHBELL_FORWARD_AUTH_TOKEN says.',
    })
  }
}

function isSame(given: string, wanted: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(given), hash(wanted))
}

/**
 * Reads a header that may occur once: a proxy that adds its header instead of replacing would also forward the client's.
 * @throws HubError `request.invalid`
 */
function single(request: FastifyRequest, name: string): string | undefined {
  const values = request.raw.headersDistinct[name.toLowerCase()] ?? []
  const [value] = values
  if (values.length > 1 || (value !== undefined && value.length > headerCharsMax)) {
    throw invalid(name, `must be given once, with ${headerCharsMax} characters at most`)
  }
  return value === undefined || value.trim() === '' ? undefined : inUtf8(value.trim())
}

/**
 * Refuses commas: a repeated header may arrive joined with them, and no known subject would have that name, so that the
 * answer would be `allow`. Sign-in names, email addresses and ids have no commas.
 * @throws HubError `request.invalid`
 */
function requireOne(name: string, value: string | undefined, what: string): string | undefined {
  if (value?.includes(',') === true) {
    throw invalid(name, `must name one ${what}; it has a comma, as a header has that was given twice`)
  }
  return value
}

function sessionOf(request: FastifyRequest, name: string | undefined): string | undefined {
  return name === undefined ? undefined : requireOne(name, single(request, name), 'session')
}

function optional(request: FastifyRequest, name: string | undefined): string | undefined {
  return name === undefined ? undefined : single(request, name)
}

/**
 * The time of the last sign-in. An unreadable or future time is refused: it would be later than every revocation.
 * @throws HubError `request.invalid`
 */
function signedInAt(
  request: FastifyRequest,
  { signedInHeader, world }: Pick<ForwardAuthDeps, 'signedInHeader' | 'world'>,
): Date | undefined {
  const text = optional(request, signedInHeader)
  if (signedInHeader === undefined || text === undefined) return undefined
  const ms = /^\d{1,12}(\.\d{1,9})?$/.test(text) ? Number(text) * 1_000 : readIsoTime(isoOfGo(text))
  if (ms === undefined) {
    throw invalid(
      signedInHeader,
      'must hold the time of sign-in: seconds since 1970, or ISO 8601 such as 2026-01-31T12:00:00Z',
    )
  }
  if (ms > world.now().getTime() + clockSkewMs) {
    throw invalid(
      signedInHeader,
      'has a time in the future; a number is seconds since 1970, not milliseconds',
    )
  }
  return new Date(ms)
}

/** Converts `2026-01-31 12:00:00.5 +0000 UTC`, the format of Go programs (oauth2-proxy), to ISO 8601. */
function isoOfGo(text: string): string {
  const [, date, time, offset] = /^([\d-]{10}) ([\d:.]{8,18}) ([+-]\d{4})( \S{1,9}){0,2}$/.exec(text) ?? []
  return date === undefined ? text : `${date}T${time}${offset}`
}

/** Node.js decodes headers as Latin-1; proxies write names in UTF-8. Invalid UTF-8 stays Latin-1. */
function inUtf8(text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : text
}

/** The last address that is not one of our proxies: any client can forge the ones before it. */
function clientAddress(
  request: FastifyRequest,
  name: string,
  isTrusted: (address: string) => boolean,
): string | undefined {
  const addresses = (request.raw.headersDistinct[name.toLowerCase()] ?? [])
    .flatMap(forwardedEntries)
    .filter((entry) => entry !== '')
  const last = addresses.findLast((entry) => !isTrusted(entry)) ?? addresses[0]
  if (last === undefined) return undefined
  return canonicalAddress(last) ?? refuseAddress(name)
}

function refuseAddress(name: string): never {
  throw invalid(name, 'must hold IPv4 or IPv6 addresses, with or without a port, separated by commas')
}

function invalid(name: string, problem: string): HubError {
  const problems = [{ field: name, message: `The header ${problem}` }]
  return new HubError('request.invalid', { detail: `The header ${name} ${problem}.`, problems })
}

function addressMatcher(blocks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const block of blocks) {
    const [address = '', bits] = block.replaceAll(/[[\]]/g, '').split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (address) => {
    const canonical = canonicalAddress(address)
    return canonical !== undefined && list.check(canonical, isIPv6(canonical) ? 'ipv6' : 'ipv4')
  }
}
