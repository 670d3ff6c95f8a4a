import { createServer } from 'node:http'
import { writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { generateSigningKey, publicJwk, signSet } from '../src/set/sign.ts'
import { contest, type Contestant, type ContestRow } from './contest.ts'
import { adminToken, apiOf, freePort, hubOrigin, start, startHub, type Served } from './processes.ts'

export interface IngestPlan {
  readonly alg: 'RS256' | 'ES256'
  readonly folder: string
  readonly rounds: number
  readonly sets: number
  readonly connections: number
  readonly say: (line: string) => void
}

export interface IngestRow extends ContestRow {
  readonly alg: string
}

const issuer = 'https://transmitter.example'
const here = import.meta.dirname
const headers = 'Content-Type: application/secevent+jwt\r\nAccept: application/json\r\n'
const warmUp = 3_000

export async function measureIngest(plan: IngestPlan): Promise<IngestRow[]> {
  const { alg, folder, rounds, sets, connections, say } = plan
  say(`${alg}: signing ${sets + warmUp} SETs`)
  const key = await generateSigningKey(alg)
  const jwk = publicJwk(key)
  const bodies = join(folder, `${alg}.txt`)
  await writeFile(bodies, Array.from({ length: sets + warmUp }, (_, serial) => sign(key, serial)).join('\n'))

  await using jwks = await serveJwks({ keys: [jwk] })
  const contestants: readonly Contestant[] = [
    {
      name: 'HTTP only',
      bodies,
      start: (port) => start(port, [join(here, 'floor-server.ts'), String(port), 'none']),
    },
    {
      name: 'floor: HTTP + signature',
      bodies,
      start: (port) => start(port, [join(here, 'floor-server.ts'), String(port), alg, JSON.stringify(jwk)]),
    },
    {
      name: 'Watchbell on SQLite',
      bodies,
      start: (port, round) => startReceiver(port, join(folder, `hub-${alg}-${round}`), jwks.url),
      afterwards: waitUntilHandled,
    },
    {
      name: 'Express + jose + one insert per request',
      bodies,
      start: (port, round) =>
        start(port, [
          join(here, 'plain-server.ts'),
          String(port),
          join(folder, `plain-${alg}-${round}.db`),
          JSON.stringify({ keys: [jwk] }),
          issuer,
          hubOrigin,
        ]),
    },
  ]

  const rows = await contest({
    contestants,
    floor: 'floor: HTTP + signature',
    path: '/security/api/v1/security-events',
    headers,
    status: 202,
    itemsPerRequest: 1,
    items: `SETs (${alg})`,
    warmUp,
    requests: sets,
    connections,
    rounds,
    say,
  })
  return rows.map((row) => ({ ...row, alg }))
}

/** Milliseconds from 202 to handled on a hub that does nothing else, sorted: one SET after the other. */
export async function measureLag({ folder, sets }: { folder: string; sets: number }): Promise<number[]> {
  const key = await generateSigningKey('ES256')
  await using jwks = await serveJwks({ keys: [publicJwk(key)] })
  const port = await freePort()
  await using _hub = await startReceiver(port, join(folder, 'lag'), jwks.url)
  const lags: number[] = []
  for (let serial = 0; serial < sets; serial += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/security/api/v1/security-events`, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt' },
      body: sign(key, serial),
    })
    if (answer.status !== 202) throw new Error(`The hub answered ${answer.status}.`)
    const acceptedAt = performance.now()
    while ((await pending(port)) > 0);
    lags.push(performance.now() - acceptedAt)
  }
  return lags.toSorted((a, b) => a - b)
}

function sign(key: Awaited<ReturnType<typeof generateSigningKey>>, serial: number): string {
  const iat = Math.floor(Date.now() / 1_000)
  return signSet({
    key,
    claims: {
      iss: issuer,
      aud: hubOrigin,
      iat,
      jti: `bench-${serial}-24c63fb56fa9fa24`,
      sub_id: { format: 'email', email: `user${serial % 5_000}@example.com` },
      events: {
        'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {
          event_timestamp: iat,
          initiating_entity: 'policy',
          reason_admin: { en: 'Landspeed policy violation: C076E8A2' },
        },
      },
    },
  })
}

async function serveJwks(document: object): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document))
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

async function startReceiver(port: number, data: string, jwksUrl: string): Promise<Served> {
  const hub = await startHub(port, {
    WATCHBELL_DATA: data,
    WATCHBELL_OUTBOUND_ALLOW: '127.0.0.1',
    WATCHBELL_API_REQUESTS_PER_MINUTE: '0',
  })
  const settings = { issuer, jwks_url: jwksUrl }
  await apiOf(port)('/api/v1/security-events-providers', { name: 'bench', type: 'bench', settings })
  return hub
}

async function pending(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/signals/counts`, {
    headers: { authorization: `SSWS ${adminToken}` },
  })
  return ((await answer.json()) as { pending: number }).pending
}

async function waitUntilHandled(port: number): Promise<{ unhandled: number; lagMs: number }> {
  const startedAt = performance.now()
  const unhandled = await pending(port)
  while ((await pending(port)) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return { unhandled, lagMs: Math.round(performance.now() - startedAt) }
}
