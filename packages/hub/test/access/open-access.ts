import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type GenerateKeyPairAlgorithm,
  type JWK,
} from 'jose'
import { createHash, randomUUID } from 'node:crypto'
import type { Caller } from '../../src/access/caller.ts'
import { readClientMetadata } from '../../src/access/client-metadata.ts'
import type { Scope } from '../../src/access/scopes.ts'
import type { ServiceApp } from '../../src/access/service-app.ts'
import type { IssuedToken } from '../../src/access/token-endpoint.ts'
import { type JsonObject, silentLogger } from '@watchbell/receiver/base'
import { createSecretBox } from '../../src/base/secret-box.ts'
import { realWorld } from '../../src/base/world.ts'
import { createHub, type Hub } from '../../src/hub.ts'
import { defaultOutcomeRules } from '../../src/policy/outcome.ts'
import type { Storage } from '../../src/stores.ts'
import { openTemporarySqlite } from '../contract/open-sqlite.ts'

export const origin = 'https://hub.example'
export const tokenUrl = `${origin}/oauth2/v1/token`
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** What a hub has for access, over a real database, with a clock to turn. */
export interface TestAccess
  extends AsyncDisposable, Pick<Hub, 'apiTokens' | 'serviceApps' | 'signingKeys' | 'issueToken'> {
  readonly storage: Storage
  nowS(): number
  turnClock(byS: number): void
  register(keys: JsonObject, over?: JsonObject): Promise<ServiceApp>
  /** Asks for a token with the usual assertion, unless the form says otherwise. */
  requestToken(app: TestKey & { readonly clientId: string }, over?: TokenRequestOver): Promise<IssuedToken>
  call(authorization: string | undefined, over?: CallOver): Promise<Caller>
}

export interface TokenRequestOver {
  readonly assertion?: string
  readonly form?: Readonly<Record<string, string>>
  readonly authorization?: string
  readonly dpop?: string
}

export interface CallOver {
  readonly dpop?: string
  readonly method?: string
  readonly path?: string
  readonly scope?: Scope
  readonly admit?: (caller: Caller) => Promise<void>
}

export async function openAccess(): Promise<TestAccess> {
  const storage = await openTemporarySqlite()
  let now = Date.UTC(2026, 2, 1, 12)
  const hub = await createHub({
    world: { ...realWorld(globalThis.fetch), now: () => new Date(now) },
    logger: silentLogger,
    storage,
    secretBox: createSecretBox(new Uint8Array(32).fill(7)),
    urlProblem: () => undefined,
    settings: {
      origin,
      signalRetentionDays: 365,
      tokenRetentionDays: 90,
      logRetentionDays: 90,
      riskHistoryRetentionDays: 90,
      apiRequestsPerMinute: 0,
      refusalsPerMinute: 0,
      checkKeysOnCreate: false,
      riskProvidersMax: 3,
      riskEventRequestsPerMinute: 0,
      neverDenied: new Set(),
      riskOutcomes: defaultOutcomeRules,
      outcomeTable: [],
      newProviderAction: 'enforce_and_log',
      logEvaluations: 'all',
    },
  })
  const nowS = (): number => now / 1_000
  return {
    apiTokens: hub.apiTokens,
    serviceApps: hub.serviceApps,
    signingKeys: hub.signingKeys,
    issueToken: hub.issueToken,
    storage,
    nowS,
    turnClock: (byS) => void (now += byS * 1_000),
    register: (keys, over) => {
      const metadata = { client_name: 'test', scope: 'okta.logs.read', ...keys, ...over }
      return hub.serviceApps.create(readClientMetadata(metadata), 'operator')
    },
    async requestToken(app, { assertion, form, authorization, dpop } = {}) {
      return hub.issueToken({
        form: new URLSearchParams({
          grant_type: 'client_credentials',
          scope: 'okta.logs.read',
          client_assertion_type: assertionType,
          client_assertion: assertion ?? (await assert(app, { iat: nowS() })),
          ...form,
        }),
        authorization,
        dpop,
      })
    },
    call(
      authorization,
      { dpop, method = 'GET', path = '/api/v1/logs', scope = 'okta.logs.read', admit } = {},
    ) {
      const url = origin + path
      return hub.authenticator.authenticate(
        { authorization, dpop, method, url, resource: path },
        scope,
        admit,
      )
    },
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}

export interface TestKey {
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK & JsonObject
  readonly jkt: string
}

export async function makeKey(alg: GenerateKeyPairAlgorithm = 'ES256', kid?: string): Promise<TestKey> {
  const pair = await generateKeyPair(alg, { extractable: true })
  const publicJwk = await exportJWK(pair.publicKey)
  return {
    alg,
    privateKey: pair.privateKey,
    publicJwk: { ...publicJwk, ...(kid !== undefined && { kid }) },
    jkt: await calculateJwkThumbprint(publicJwk),
  }
}

/** A client assertion as Okta's SDKs make them; `claims` replace its own, undefined ones leave them out. */
export function assert(
  { clientId, alg, privateKey, publicJwk }: TestKey & { readonly clientId: string },
  { iat, ...claims }: { readonly iat: number } & Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { kid } = publicJwk
  return new SignJWT({
    iss: clientId,
    sub: clientId,
    aud: tokenUrl,
    iat,
    exp: iat + 300,
    jti: randomUUID(),
    ...claims,
  })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }), ...header })
    .sign(privateKey)
}

export function prove(
  { alg, privateKey, publicJwk }: TestKey,
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return new SignJWT({ htm: 'POST', htu: tokenUrl, jti: randomUUID(), ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: publicJwk, ...header })
    .sign(privateKey)
}

export function hashOf(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest('base64url')
}
