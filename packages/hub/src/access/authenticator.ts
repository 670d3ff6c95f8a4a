import { HubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { ApiTokens } from './api-tokens.ts'
import type { Caller, ClientCaller, TokenCaller } from './caller.ts'
import { checkProof, proofUsed, type DpopProof } from './dpop.ts'
import { onlyReads, permits, scopes, type Scope } from './scopes.ts'
import type { ServiceAppStore } from './service-app.ts'
import type { UsedOnceStore } from './used-once-store.ts'

/** The credentials of a request. */
export interface Credentials {
  readonly authorization: string | undefined
  /** The DPoP header. */
  readonly dpop: string | undefined
  readonly method: string
  /** The URL that a DPoP proof must name: absolute, on the hub's origin, without a query. */
  readonly url: string
  /** The path, for the refusal's header (OKTA-X13). */
  readonly resource: string
}

export interface AuthenticatorDeps {
  readonly world: Pick<World, 'now'>
  readonly apiTokens: Pick<ApiTokens, 'findBySecret'>
  readonly serviceApps: Pick<ServiceAppStore, 'find'>
  readonly accessTokens: Pick<AccessTokens, 'check'>
  readonly usedOnce: UsedOnceStore
}

export interface Authenticator {
  /**
   * Authenticates the caller and checks its permissions (OKTA-X10 to OKTA-X16, OKTA-O1, OKTA-O2, OKTA-O16, OKTA-O24).
   *
   * Reads token and service app each time: a revocation, a deleted client or a removed scope takes effect at once.
   * The facts of `oauth_token_invalid`, `dpop_invalid` and `scope_missing` are `scheme` (Bearer or DPoP), `scope`
   * and `resource`, as the answer's WWW-Authenticate needs them.
   * @param admit - called with the caller before a DPoP proof is used up. A request that it refuses, as one too many,
   *   may be repeated unchanged: Okta's Go SDK sends the same proof after a 429.
   * @throws HubError `access.*`, and what `admit` throws
   */
  authenticate(
    credentials: Credentials,
    needed: Scope,
    admit?: (caller: Caller) => Promise<void>,
  ): Promise<Caller>
}

type Scheme = 'Bearer' | 'DPoP'

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { world, apiTokens, serviceApps, accessTokens, usedOnce } = deps

  async function tokenCaller(secret: string, needed: Scope): Promise<TokenCaller> {
    const token = await apiTokens.findBySecret(secret)
    if (token === undefined) throw new HubError('access.token_invalid')
    const { id, name, role } = token
    if (role === 'admin' || onlyReads(needed)) return { kind: 'token', id, name, role }
    throw new HubError('access.forbidden', {
      detail: `The API token has the role read_only, and this needs what ${needed} stands for.`,
    })
  }

  async function clientCaller(
    scheme: Scheme,
    token: string,
    credentials: Credentials,
    needed: Scope,
  ): Promise<{ readonly caller: ClientCaller; useProof(): Promise<void> }> {
    const facts = { scheme, scope: needed, resource: credentials.resource }
    const invalid = (detail: string): HubError =>
      new HubError('access.oauth_token_invalid', { detail, facts })

    const claims = await accessTokens.check(token)
    if (claims === 'expired') throw invalid('The token has expired.')
    if (claims === 'invalid') throw invalid('The access token is invalid.')
    const app = await serviceApps.find(claims.clientId)
    const bound = claims.jkt !== undefined
    if (app === undefined || bound !== (scheme === 'DPoP') || (app.dpopBound && !bound)) {
      throw invalid('The access token is invalid.')
    }
    const held = scopes.filter((scope) => permits(claims.scopes, scope) && permits(app.scopes, scope))
    if (!held.includes(needed)) throw new HubError('access.scope_missing', { facts })
    const proof = bound ? await requireProof(credentials, token, claims.jkt, facts) : undefined
    return {
      caller: { kind: 'client', clientId: app.clientId, name: app.name, scopes: held },
      async useProof() {
        if (proof === undefined || (await usedOnce.useOnce(proof.replayKey, proof.expiresAt))) return
        throw new HubError('access.dpop_invalid', { detail: proofUsed, facts })
      },
    }
  }

  async function requireProof(
    { dpop, method, url }: Credentials,
    accessToken: string,
    jkt: string | undefined,
    facts: Readonly<Record<string, string>>,
  ): Promise<DpopProof> {
    const invalid = (detail: string): HubError => new HubError('access.dpop_invalid', { detail, facts })
    if (dpop === undefined) throw invalid('The DPoP proof JWT header is missing.')
    const result = await checkProof(dpop, { method, url, now: world.now(), accessToken })
    if (!result.ok) throw invalid(result.reason)
    if (result.proof.jkt !== jkt)
      throw invalid('The DPoP proof is signed by another key than the token is bound to.')
    return result.proof
  }

  return {
    async authenticate(credentials, needed, admit = async () => undefined) {
      const { scheme, value } = readAuthorization(credentials.authorization)
      const { caller, useProof } =
        scheme === 'SSWS'
          ? { caller: await tokenCaller(value, needed), useProof: undefined }
          : await clientCaller(scheme, value, credentials, needed)
      const proven = caller as Caller // the only cast: the credentials were verified
      await admit(proven)
      await useProof?.()
      return proven
    },
  }
}

const schemes: ReadonlyMap<string, 'SSWS' | Scheme> = new Map([
  ['ssws', 'SSWS'],
  ['bearer', 'Bearer'],
  ['dpop', 'DPoP'],
])

/** Okta's Python SDK 3 sends scheme and token without a space between them. */
const withoutSpace = /^(SSWS|Bearer)([A-Za-z0-9._~+/-]+=*)$/

/** Scheme names are compared without regard to case (RFC 9110 §11.1). */
function readAuthorization(header: string | undefined): { scheme: 'SSWS' | Scheme; value: string } {
  const given = header?.trim() ?? ''
  const [, name = '', value = ''] = /^([A-Za-z]+) +(.+)$/.exec(given) ?? withoutSpace.exec(given) ?? []
  const scheme = schemes.get(name.toLowerCase())
  if (scheme !== undefined) return { scheme, value }
  throw new HubError('access.no_credentials', {
    detail:
      'The request needs an Authorization header: SSWS and an API token, or Bearer or DPoP and an access token.',
  })
}
