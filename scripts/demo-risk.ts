import * as oauth from 'oauth4webapi'
import type { Api } from './demo-api.ts'

// The demo's risk provider: a service app that reports addresses, and what becomes of sign-ins from them.

/** One question at sign-in, and its answer. */
export interface SignIn {
  readonly what: string
  readonly user: string
  readonly ip: string
  readonly outcome: string
  readonly level: string
  /** In words. */
  readonly reasons: readonly string[]
  readonly asExpected: boolean
}

const scope = 'okta.riskEvents.manage'
const user = 'lin@example.com'
const reports = [
  { ip: '203.0.113.20', riskLevel: 'MEDIUM', message: 'Many failed sign-ins' },
  { ip: '203.0.113.66', riskLevel: 'HIGH', message: 'Part of a botnet' },
] as const

const attempts = [
  { what: 'an address that nobody spoke of', ip: '198.51.100.7', outcome: 'allow', level: 'NONE' },
  { what: 'the MEDIUM one', ip: reports[0].ip, outcome: 'challenge', level: 'MEDIUM' },
  { what: 'the HIGH one', ip: reports[1].ip, outcome: 'deny', level: 'HIGH' },
] as const

/** The service app that a risk provider is. */
export interface RiskClient {
  readonly clientId: string
  readonly privateKey: oauth.CryptoKey
}

/** Registers a service app and makes it a risk provider whose word is acted on. @returns its client, with its key */
export async function createRiskProvider(api: Api): Promise<{ id: string; client: RiskClient }> {
  const { privateKey, publicKey } = await oauth.generateKeyPair('ES256')
  const { client_id: clientId } = await api<{ client_id: string }>('/oauth2/v1/clients', {
    client_name: 'Demo risk provider',
    jwks: { keys: [await crypto.subtle.exportKey('jwk', publicKey)] },
    scope,
  })
  const { id } = await api<{ id: string }>('/api/v1/risk/providers', {
    name: 'Demo risk provider',
    clientId,
    action: 'enforce_and_log',
  })
  return { id, client: { clientId, privateKey } }
}

/** Reports the addresses with an access token of its own. @returns what was reported, in words */
export async function reportAddresses(origin: string, client: RiskClient): Promise<readonly string[]> {
  const token = await accessToken(origin, client)
  const response = await fetch(`${origin}/api/v1/risk/events/ip`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify([{ timestamp: new Date().toISOString(), subjects: reports }]),
  })
  if (response.status !== 202) {
    throw new Error(`the hub answered ${response.status} to risk events: ${await response.text()}`)
  }
  return reports.map(({ ip, riskLevel, message }) => `${ip} is ${riskLevel}: ${message}`)
}

/** Client credentials with `private_key_jwt` (RFC 7523), as a service app of Okta's gets its token. */
async function accessToken(origin: string, { clientId, privateKey }: RiskClient): Promise<string> {
  const endpoint = `${origin}/oauth2/v1/token`
  const server = { issuer: origin, token_endpoint: endpoint }
  const client = { client_id: clientId }
  const proof = oauth.PrivateKeyJwt(privateKey, {
    [oauth.modifyAssertion]: (_header, claims) => {
      claims['aud'] = endpoint
    },
  })
  const options = { [oauth.allowInsecureRequests]: true } // the demo's hub speaks plain HTTP on this machine
  const response = await oauth.clientCredentialsGrantRequest(server, client, proof, { scope }, options)
  return (await oauth.processClientCredentialsResponse(server, client, response)).access_token
}

/** Asks about one user who signs in from three addresses (AuthZEN Authorization API 1.0). */
export async function signIns(api: Api): Promise<readonly SignIn[]> {
  const made: SignIn[] = []
  for (const { what, ip, ...expected } of attempts) {
    const { decision, context } = await api<Evaluation>('/access/v1/evaluation', {
      subject: { type: 'user', id: user },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
      context: { ip },
    })
    const { outcome, level } = context
    const reasons = context.reasons.map(({ text }) => text)
    const asExpected =
      outcome === expected.outcome &&
      level === expected.level &&
      decision === (outcome === 'allow') &&
      reasons.length === (outcome === 'allow' ? 0 : 1)
    made.push({ what, user, ip, outcome, level, reasons, asExpected })
  }
  return made
}

interface Evaluation {
  readonly decision: boolean
  readonly context: {
    readonly outcome: string
    readonly level: string
    readonly reasons: readonly { readonly text: string }[]
  }
}
