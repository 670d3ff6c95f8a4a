import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import { contest, type ContestRow } from './contest.ts'
import { apiOf, hubOrigin, start, startHub, type Served } from './processes.ts'

export interface RiskEventsPlan {
  readonly folder: string
  readonly events: number
  readonly rounds: number
  readonly connections: number
  readonly say: (line: string) => void
}

/** As many as a request may have. */
const eventsPerRequest = 20
const warmUp = 200
const scope = 'okta.riskEvents.manage'
const floor = 'floor: HTTP + JSON'

/** Risk events per second, twenty to a request, beside a server that only parses them. */
export async function measureRiskEvents(plan: RiskEventsPlan): Promise<ContestRow[]> {
  const { folder, events, rounds, connections, say } = plan
  const requests = Math.ceil(events / eventsPerRequest)
  const bodies = join(folder, 'risk-events.txt')
  await writeFile(bodies, Array.from({ length: requests + warmUp }, (_, serial) => body(serial)).join('\n'))
  return contest({
    contestants: [
      {
        name: floor,
        bodies,
        start: (port) => start(port, [join(import.meta.dirname, 'json-server.ts'), String(port), '202']),
      },
      {
        name: 'Watchbell on SQLite',
        bodies,
        start: (port, round) => startReceiver(port, join(folder, `risk-events-${round}`)),
      },
    ],
    floor,
    path: '/api/v1/risk/events/ip',
    headers: 'Content-Type: application/json\r\nAccept: application/json\r\n',
    status: 202,
    itemsPerRequest: eventsPerRequest,
    items: 'risk events',
    warmUp,
    requests,
    connections,
    rounds,
    say,
  })
}

/** Each about an address of its own, of 65,536 that come again. */
function body(serial: number): string {
  return JSON.stringify(
    Array.from({ length: eventsPerRequest }, (_, at) => {
      const number = serial * eventsPerRequest + at
      return {
        timestamp: new Date().toISOString(),
        subjects: [
          {
            ip: `10.1.${(number >> 8) & 255}.${number & 255}`,
            riskLevel: number % 3 === 0 ? 'HIGH' : 'MEDIUM',
            message: 'Detected by the sensors of the bench',
          },
        ],
      }
    }),
  )
}

async function startReceiver(port: number, data: string): Promise<Served> {
  const hub = await startHub(port, {
    WATCHBELL_DATA: data,
    WATCHBELL_RISK_EVENT_REQUESTS_PER_MINUTE: '0',
  })
  const api = apiOf(port)
  const { privateKey, publicKey } = await oauth.generateKeyPair('ES256', { extractable: true })
  const { client_id: clientId } = await api<{ client_id: string }>('/oauth2/v1/clients', {
    client_name: 'bench',
    jwks: { keys: [await crypto.subtle.exportKey('jwk', publicKey)] },
    scope,
  })
  await api('/api/v1/risk/providers', { name: 'bench', clientId, action: 'enforce_and_log' })

  const client = { client_id: clientId }
  const server = { issuer: hubOrigin, token_endpoint: `http://127.0.0.1:${port}/oauth2/v1/token` }
  const response = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    oauth.PrivateKeyJwt(privateKey, {
      [oauth.modifyAssertion]: (_header, claims) => {
        claims['aud'] = `${hubOrigin}/oauth2/v1/token`
      },
    }),
    { scope },
    { [oauth.allowInsecureRequests]: true },
  )
  const { access_token: token } = await oauth.processClientCredentialsResponse(server, client, response)
  return { ...hub, headers: `Authorization: Bearer ${token}\r\n` }
}
