import { HubError } from '../base/hub-error.ts'
import { inSentence } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { AccessTokens } from './access-tokens.ts'
import { authenticateClient, type AuthenticatedClient, type ClientAssertionDeps } from './client-assertion.ts'
import type { DpopNonces } from './dpop-nonces.ts'
import { checkProof, proofUsed, type DpopProof } from './dpop.ts'
import { isScope, permits, scopeNames, type Scope } from './scopes.ts'
import type { ServiceApp } from './service-app.ts'
import type { UsedOnceStore } from './used-once-store.ts'

export interface AccessTokenRequest {
  /** From the body and the query together (OKTA-O11). */
  readonly form: URLSearchParams
  readonly authorization: string | undefined
  /** The DPoP header. */
  readonly dpop: string | undefined
}

export interface IssuedToken {
  readonly accessToken: string
  readonly type: 'Bearer' | 'DPoP'
  readonly expiresInS: number
  readonly scopes: readonly Scope[]
}

export interface TokenEndpointDeps extends ClientAssertionDeps {
  readonly world: Pick<World, 'now'>
  readonly usedOnce: UsedOnceStore
  readonly nonces: DpopNonces
  readonly accessTokens: AccessTokens
  readonly lifetimeS: number
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Issues an access token to a service app (OKTA-O10 to OKTA-O23).
 *
 * Assertion and proof are used up last, so that a nonce challenge does not use up the client's assertion.
 * @throws HubError `oauth.*`; the facts of `oauth.use_dpop_nonce` include the nonce
 */
export async function issueToken(deps: TokenEndpointDeps, request: AccessTokenRequest): Promise<IssuedToken> {
  const { assertion, clientId, scope } = readForm(request)
  const client = await authenticateClient(deps, assertion)
  if (clientId !== undefined && clientId !== client.app.clientId) {
    throw new HubError('oauth.invalid_client', {
      detail: 'The client_id is not the issuer of the client_assertion.',
    })
  }
  const proof = client.app.dpopBound ? await requireProof(deps, request.dpop) : undefined
  const scopes = grant(client.app, scope)
  await useUp(deps.usedOnce, client, proof)
  const accessToken = await deps.accessTokens.issue({
    clientId: client.app.clientId,
    scopes,
    jkt: proof?.jkt,
  })
  return { accessToken, type: proof === undefined ? 'Bearer' : 'DPoP', expiresInS: deps.lifetimeS, scopes }
}

interface ReadForm {
  readonly assertion: string
  readonly clientId: string | undefined
  readonly scope: string
}

/** `Og==`, no name and no password, is what Go's OAuth library sends with its first request: it counts as no credentials. */
function readForm({ form, authorization }: AccessTokenRequest): ReadForm {
  const malformed = (detail: string): HubError => new HubError('oauth.invalid_request', { detail })
  const repeated = firstRepeated(form.keys())
  if (repeated !== undefined) {
    throw malformed(`The parameter ${inSentence(repeated, 100)} is given more than once.`)
  }
  const grantType = form.get('grant_type')
  if (grantType === null)
    throw malformed('The parameter grant_type is missing; it must be client_credentials.')
  if (grantType !== 'client_credentials') throw new HubError('oauth.unsupported_grant_type')
  if (form.has('client_secret') || /^basic(?! +Og==$)(\s|$)/i.test(authorization ?? '')) {
    throw new HubError('oauth.invalid_client', {
      detail: 'Client secrets are not taken. The client authentication method must be private_key_jwt.',
    })
  }
  const assertion = form.get('client_assertion')
  if (assertion === null) throw malformed('The parameter client_assertion is missing.')
  if (form.get('client_assertion_type') !== assertionType) {
    throw malformed(`The parameter client_assertion_type must be ${assertionType}.`)
  }
  return { assertion, clientId: form.get('client_id') ?? undefined, scope: form.get('scope') ?? '' }
}

function firstRepeated(names: Iterable<string>): string | undefined {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return undefined
}

async function requireProof(
  { world, nonces, tokenUrl }: TokenEndpointDeps,
  header: string | undefined,
): Promise<DpopProof> {
  if (header === undefined) {
    throw new HubError('oauth.invalid_dpop_proof', { detail: 'The DPoP proof JWT header is missing.' })
  }
  const result = await checkProof(header, { method: 'POST', url: tokenUrl, now: world.now() })
  if (!result.ok) throw new HubError('oauth.invalid_dpop_proof', { detail: result.reason })
  const { proof } = result
  if (proof.nonce !== undefined && (await nonces.isGood(proof.nonce))) return proof
  throw new HubError('oauth.use_dpop_nonce', {
    detail: 'Authorization server requires nonce in DPoP proof.',
    facts: { nonce: await nonces.make() },
  })
}

/** The scopes that are requested and granted. Unknown names are left out, because Okta's clients request more than the hub has. */
function grant(app: ServiceApp, scope: string): readonly Scope[] {
  const asked = scopeNames(scope)
  if (asked.length === 0) throw new HubError('oauth.invalid_scope', { detail: 'No scopes were requested.' })
  const granted = asked.filter(isScope).filter((name) => permits(app.scopes, name))
  if (granted.length > 0) return granted
  throw new HubError('oauth.consent_required', { detail: 'You are not allowed any of the requested scopes.' })
}

async function useUp(
  usedOnce: UsedOnceStore,
  { once }: AuthenticatedClient,
  proof: DpopProof | undefined,
): Promise<void> {
  if (proof !== undefined && !(await usedOnce.useOnce(proof.replayKey, proof.expiresAt))) {
    throw new HubError('oauth.invalid_dpop_proof', { detail: proofUsed })
  }
  if (!(await usedOnce.useOnce(once.key, once.expiresAt))) {
    throw new HubError('oauth.invalid_client', {
      detail:
        'The client_assertion has already been used. Make a new one for each request, with a jti of its own.',
    })
  }
}
