import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { generateSigningKey, publicJwk, signSet } from '../src/set/sign.ts'
import type { LoadJob, LoadResult } from './load.ts'
import { freePort, start, type Served } from './processes.ts'

export interface IngestPlan {
  readonly alg: 'RS256' | 'ES256'
  readonly folder: string
  readonly rounds: number
  readonly sets: number
  readonly connections: number
  readonly say: (line: string) => void
}

/** Medians over the rounds. */
export interface IngestRow {
  readonly server: string
  readonly alg: string
  readonly perSecond: number
  /** Median of the ratios to the floor of the same round. */
  readonly toFloor: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the server's process, all threads. */
  readonly cpuMicros: number
  /** SETs not handled yet when the last answer was in, and how long that took then. */
  readonly unhandled: number | undefined
  readonly lagMs: number | undefined
}

interface Contestant {
  readonly name: string
  start(port: number, round: number): Promise<Served>
  /** After the last answer. */
  afterwards?(port: number): Promise<{ unhandled: number; lagMs: number }>
}

const origin = 'https://hub.example'
const issuer = 'https://transmitter.example'
const adminToken = 'bench-admin-token'
const here = import.meta.dirname
const headers = 'Content-Type: application/secevent+jwt\r\nAccept: application/json\r\n'
/** Sent first and not counted: compiles the hot path. */
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
      start: (port) => start(port, [join(here, 'floor-server.ts'), String(port), 'none']),
    },
    {
      name: 'floor: HTTP + signature',
      start: (port) => start(port, [join(here, 'floor-server.ts'), String(port), alg, JSON.stringify(jwk)]),
    },
    {
      name: 'Watchbell on SQLite',
      start: (port, round) => startHub(port, join(folder, `hub-${alg}-${round}`), jwks.url),
      afterwards: waitUntilHandled,
    },
    {
      name: 'Express + jose + one insert per request',
      start: (port, round) =>
        start(port, [
          join(here, 'plain-server.ts'),
          String(port),
          join(folder, `plain-${alg}-${round}.db`),
          JSON.stringify({ keys: [jwk] }),
          issuer,
          origin,
        ]),
    },
  ]

  const runs = new Map<string, Run[]>(contestants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of contestants) {
      const run = await measure(contestant, { round, bodies, connections, sets })
      runs.get(contestant.name)?.push(run)
      say(`${alg} round ${round + 1} of ${rounds}: ${contestant.name}: ${Math.round(run.perSecond)} SETs/s`)
    }
  }
  const floors = runs.get('floor: HTTP + signature') ?? []
  return [...runs].map(([server, runs]) => ({
    server,
    alg,
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    toFloor: median(runs.map(({ perSecond }, round) => perSecond / (floors[round]?.perSecond ?? Number.NaN))),
    p50Ms: median(runs.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(runs.map(({ p99Ms }) => p99Ms)),
    cpuMicros: median(runs.map(({ cpuMicros }) => cpuMicros)),
    unhandled: medianOf(runs.map(({ unhandled }) => unhandled)),
    lagMs: medianOf(runs.map(({ lagMs }) => lagMs)),
  }))
}

interface Run extends Pick<
  IngestRow,
  'perSecond' | 'p50Ms' | 'p99Ms' | 'cpuMicros' | 'unhandled' | 'lagMs'
> {}

async function measure(
  contestant: Contestant,
  { round, bodies, connections, sets }: { round: number; bodies: string; connections: number; sets: number },
): Promise<Run> {
  const port = await freePort()
  await using server = await contestant.start(port, round)
  const job = { port, path: '/security/api/v1/security-events', connections, bodies, headers }
  await load({ ...job, from: 0, count: warmUp })
  const cpuBefore = cpuSeconds(server.process.pid)
  const result = await load({ ...job, from: warmUp, count: sets })
  const after = await contestant.afterwards?.(port)
  const cpu = cpuSeconds(server.process.pid) - cpuBefore
  if (result.statuses['202'] !== sets) {
    throw new Error(`${contestant.name} answered ${JSON.stringify(result.statuses)} to ${sets} SETs.`)
  }
  return {
    perSecond: sets / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMicros: (cpu / sets) * 1e6,
    unhandled: after?.unhandled,
    lagMs: after?.lagMs,
  }
}

async function load(job: LoadJob): Promise<LoadResult> {
  const worker = new Worker(new URL('./load.ts', import.meta.url), { workerData: job })
  const [result] = (await once(worker, 'message')) as [LoadResult]
  await worker.terminate()
  return result
}

function sign(key: Awaited<ReturnType<typeof generateSigningKey>>, serial: number): string {
  const iat = Math.floor(Date.now() / 1_000)
  return signSet({
    key,
    claims: {
      iss: issuer,
      aud: origin,
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

async function startHub(port: number, data: string, jwksUrl: string): Promise<Served> {
  const hub = await start(port, [resolve(here, '../src/cli/main.ts'), 'serve'], {
    WATCHBELL_LISTEN: `127.0.0.1:${port}`,
    WATCHBELL_ORIGIN: origin,
    WATCHBELL_DATA: data,
    WATCHBELL_ADMIN_TOKEN: adminToken,
    WATCHBELL_OUTBOUND_ALLOW: '127.0.0.1',
  })
  const created = await fetch(`http://127.0.0.1:${port}/api/v1/security-events-providers`, {
    method: 'POST',
    headers: { authorization: `SSWS ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', type: 'bench', settings: { issuer, jwks_url: jwksUrl } }),
  })
  if (created.status !== 200) throw new Error(`The provider was not created: ${await created.text()}`)
  return hub
}

async function waitUntilHandled(port: number): Promise<{ unhandled: number; lagMs: number }> {
  const pending = async (): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/signals/counts`, {
      headers: { authorization: `SSWS ${adminToken}` },
    })
    return ((await answer.json()) as { pending: number }).pending
  }
  const startedAt = performance.now()
  const unhandled = await pending()
  while ((await pending()) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return { unhandled, lagMs: Math.round(performance.now() - startedAt) }
}

/** User and system time of a process, from /proc; 0 where there is none. */
function cpuSeconds(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

function medianOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}
