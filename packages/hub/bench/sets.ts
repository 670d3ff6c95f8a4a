import { once } from 'node:events'
import { createServer } from 'node:http'
import { createWriteStream } from 'node:fs'
import { generateSigningKey, publicJwk, signSet } from '@watchbell/receiver/set'
import { adminToken, apiOf, hubOrigin, startHub, type Served } from './processes.ts'
import { freePort } from '../test/free-port.ts'

export const algs = ['RS256', 'ES256', 'EdDSA'] as const
export type BenchAlg = (typeof algs)[number]

export const issuer = 'https://transmitter.example'
export const pushPath = '/security/api/v1/security-events'
export const pushHeaders = 'Content-Type: application/secevent+jwt\r\nAccept: application/json\r\n'

/** A transmitter without a network: it signs beforehand. */
export interface BenchTransmitter {
  readonly jwk: object
  sign(serial: number): string
  /** Puts SETs into a file, one a line. */
  write(file: string, count: number, firstSerial?: number): Promise<void>
}

export const eventType = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const subjects = 5_000

export async function benchTransmitter(
  alg: BenchAlg,
  subjectOf = (serial: number): string => `user${serial % subjects}@example.com`,
): Promise<BenchTransmitter> {
  const key = await generateSigningKey(alg)
  const sign = (serial: number): string => {
    const iat = Math.floor(Date.now() / 1_000)
    return signSet({
      key,
      claims: {
        iss: issuer,
        aud: hubOrigin,
        iat,
        jti: `bench-${serial}-24c63fb56fa9fa24`,
        sub_id: { format: 'email', email: subjectOf(serial) },
        events: {
          [eventType]: {
            event_timestamp: iat,
            initiating_entity: 'policy',
            reason_admin: { en: 'Landspeed policy violation: C076E8A2' },
          },
        },
      },
    })
  }
  return {
    jwk: publicJwk(key),
    sign,
    async write(file, count, firstSerial = 0) {
      const out = createWriteStream(file)
      for (let at = 0; at < count; at += 1) {
        if (!out.write(`${at === 0 ? '' : '\n'}${sign(firstSerial + at)}`)) await once(out, 'drain')
      }
      out.end()
      await once(out, 'close')
    },
  }
}

export async function serveJwks(jwk: object): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ keys: [jwk] }))
  })
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A hub that knows the transmitter. `settings` say where it keeps its data. @param known - another node made it known */
export async function startReceiver(
  port: number,
  jwksUrl: string,
  settings: Readonly<Record<string, string>>,
  known = false,
): Promise<Served> {
  const hub = await startHub(port, {
    WATCHBELL_OUTBOUND_ALLOW: '127.0.0.1',
    WATCHBELL_API_REQUESTS_PER_MINUTE: '0',
    ...settings,
  })
  if (known) return hub
  const provider = { name: 'bench', type: 'bench', settings: { issuer, jwks_url: jwksUrl } }
  await apiOf(port)('/api/v1/security-events-providers', provider)
  return hub
}

/** How many SETs wait for their handling. */
export async function pending(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/signals/counts`, {
    headers: { authorization: `SSWS ${adminToken}` },
  })
  return ((await answer.json()) as { pending: number }).pending
}

export async function waitUntilHandled(port: number): Promise<{ unhandled: number; lagMs: number }> {
  const startedAt = performance.now()
  const unhandled = await pending(port)
  while ((await pending(port)) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return { unhandled, lagMs: Math.round(performance.now() - startedAt) }
}
