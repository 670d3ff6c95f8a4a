import { randomUUID } from 'node:crypto'
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import type { TestHub } from '../../src/testing/start-test-hub.ts'

/** A service app that is registered with a hub, and its private key. */
export interface TestApp {
  readonly clientId: string
  readonly privateKey: CryptoKey
  /** The private key in PEM, as Okta's SDKs take it. */
  readonly pem: string
}

/** Registers a service app over HTTP; `metadata` stands beside or in place of the usual. */
export async function registerApp(hub: TestHub, scope: string, metadata: object = {}): Promise<TestApp> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const response = await hub.api('POST', '/oauth2/v1/clients', {
    client_name: 'test app',
    jwks: { keys: [await exportJWK(publicKey)] },
    scope,
    ...metadata,
  })
  const { client_id: clientId } = (await response.json()) as { client_id: string } // of a 201
  return { clientId, privateKey, pem: await exportPKCS8(privateKey) }
}

/** A Bearer token of the app with these scopes. */
export async function accessTokenOf(hub: TestHub, app: TestApp, scope: string): Promise<string> {
  const tokenUrl = `${hub.origin}/oauth2/v1/token`
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(app.clientId)
    .setSubject(app.clientId)
    .setAudience(tokenUrl)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(app.privateKey)
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    scope,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  })
  const response = await fetch(tokenUrl, { method: 'POST', body })
  return ((await response.json()) as { access_token: string }).access_token // of a 200
}
