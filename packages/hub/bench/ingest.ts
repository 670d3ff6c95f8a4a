import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { contest, load, type Contestant, type ContestRow } from './contest.ts'
import { residentMib } from './cpu.ts'
import type { BenchPostgres } from './databases.ts'
import { hubOrigin, start, together, type Served } from './processes.ts'
import {
  benchTransmitter,
  issuer,
  pending,
  pushHeaders,
  pushPath,
  serveJwks,
  startReceiver,
  waitUntilHandled,
  type BenchAlg,
} from './sets.ts'
import { freePort } from '../test/free-port.ts'

export interface IngestPlan {
  readonly alg: BenchAlg
  readonly folder: string
  readonly postgres: BenchPostgres
  readonly rounds: number
  readonly sets: number
  readonly connections: number
  readonly say: (line: string) => void
}

const here = import.meta.dirname
/** The load generator reads a file whole. */
const setsPerFile = 100_000
const warmUp = 24_000
/** A key for hubs that share a database. */
const secretKey = randomBytes(32).toString('base64')
const floor = 'floor: HTTP + signature'

/** Every server of the benchmark, or those whose name is in `only`, one after the other in each round. */
export async function measureIngest(
  plan: IngestPlan,
  only: readonly ContestantName[] = contestantNames,
): Promise<ContestRow[]> {
  const { alg, folder, postgres, rounds, sets, connections, say } = plan
  const transmitter = await benchTransmitter(alg)
  const bodies = join(folder, `${alg}.txt`)
  say(`${alg}: signing ${sets + warmUp} SETs`)
  await transmitter.write(bodies, sets + warmUp)
  await using jwks = await serveJwks(transmitter.jwk)

  const newPlace = (): string => join(folder, randomUUID())
  const floorServer = (port: number, ...checks: readonly string[]): Promise<Served> =>
    start(port, [join(here, 'floor-server.ts'), String(port), ...checks])
  const plainServer = (port: number, database: string): Promise<Served> => {
    const keys = JSON.stringify({ keys: [transmitter.jwk] })
    return start(port, [join(here, 'plain-server.ts'), String(port), database, keys, issuer, hubOrigin])
  }
  const nodesOnPostgres = async (ports: readonly number[]): Promise<Served> => {
    const settings = { WATCHBELL_DATABASE_URL: await postgres.database(), WATCHBELL_SECRET_KEY: secretKey }
    const nodes: Served[] = []
    for (const port of ports) {
      const known = nodes.length > 0 // to the database that they share
      nodes.push(await startReceiver(port, jwks.url, settings, known))
    }
    return postgres.counted(together(nodes))
  }
  const contestants: Readonly<Record<ContestantName, Omit<Contestant, 'name' | 'bodies'>>> = {
    'HTTP only': { start: (port) => floorServer(port, 'none') },
    [floor]: { start: (port) => floorServer(port, alg, JSON.stringify(transmitter.jwk)) },
    'Watchbell on SQLite': {
      start: (port) => startReceiver(port, jwks.url, { WATCHBELL_DATA: newPlace() }),
      afterwards: waitUntilHandled,
    },
    'plain server on SQLite': {
      start: (port) => plainServer(port, `${newPlace()}.db`),
    },
    'Watchbell on PostgreSQL': { start: (port) => nodesOnPostgres([port]), afterwards: waitUntilHandled },
    'two nodes on PostgreSQL': {
      start: async (port) => nodesOnPostgres([port, await freePort()]),
      afterwards: waitUntilHandled,
    },
    'plain server on PostgreSQL': {
      start: async (port) => postgres.counted(await plainServer(port, await postgres.database())),
    },
  }
  return await contest({
    contestants: only.map((name) => ({ name, bodies, ...contestants[name] })),
    floor,
    path: pushPath,
    headers: pushHeaders,
    status: 202,
    itemsPerRequest: 1,
    items: `SETs (${alg}, ${connections} connections)`,
    warmUp,
    requests: sets,
    connections,
    rounds,
    say,
  })
}

export const contestantNames = [
  'HTTP only',
  floor,
  'Watchbell on SQLite',
  'plain server on SQLite',
  'Watchbell on PostgreSQL',
  'two nodes on PostgreSQL',
  'plain server on PostgreSQL',
] as const
export type ContestantName = (typeof contestantNames)[number]

/** Milliseconds from 202 to handled on a hub that does nothing else, sorted: one SET after the other. */
export async function measureLag({ folder, sets }: { folder: string; sets: number }): Promise<number[]> {
  const transmitter = await benchTransmitter('ES256')
  await using jwks = await serveJwks(transmitter.jwk)
  const port = await freePort()
  await using _hub = await startReceiver(port, jwks.url, { WATCHBELL_DATA: join(folder, 'lag') })
  const lags: number[] = []
  for (let serial = 0; serial < sets; serial += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}${pushPath}`, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt' },
      body: transmitter.sign(serial),
    })
    if (answer.status !== 202) throw new Error(`The hub answered ${answer.status}.`)
    const acceptedAt = performance.now()
    while ((await pending(port)) > 0);
    lags.push(performance.now() - acceptedAt)
  }
  return lags.toSorted((a, b) => a - b)
}

/** What was seen while SETs came as fast as they were taken. */
export interface SustainedRow {
  readonly database: string
  readonly sets: number
  readonly seconds: number
  /** SETs that waited for their handling, once a second. */
  readonly waiting: readonly number[]
  /** Milliseconds from the last 202 until all were handled. */
  readonly lagMs: number
  /** Resident memory of the hub, once a second, in MiB. */
  readonly residentMib: readonly number[]
}

/** A long run at full speed: whether handling keeps up, and whether memory stays. */
export async function measureSustained(
  plan: Pick<IngestPlan, 'folder' | 'postgres' | 'sets' | 'connections' | 'say'>,
): Promise<SustainedRow[]> {
  const { folder, postgres, sets, connections, say } = plan
  const transmitter = await benchTransmitter('ES256')
  say(`signing ${sets} SETs for the long run`)
  const parts: { readonly bodies: string; readonly count: number }[] = []
  for (let from = 0; from < sets; from += setsPerFile) {
    const part = { bodies: join(folder, `sustained-${from}.txt`), count: Math.min(setsPerFile, sets - from) }
    await transmitter.write(part.bodies, part.count, from)
    parts.push(part)
  }
  await using jwks = await serveJwks(transmitter.jwk)
  const rows: SustainedRow[] = []
  for (const database of ['SQLite', 'PostgreSQL']) {
    const port = await freePort()
    await using hub = await startReceiver(
      port,
      jwks.url,
      database === 'SQLite'
        ? { WATCHBELL_DATA: join(folder, 'sustained') }
        : { WATCHBELL_DATABASE_URL: await postgres.database(), WATCHBELL_SECRET_KEY: secretKey },
    )
    const waiting: number[] = []
    const resident: number[] = []
    const sampling = setInterval(() => {
      resident.push(residentMib(hub.pids()))
      void pending(port).then((count) => waiting.push(count))
    }, 1_000)
    let seconds = 0
    for (const part of parts) {
      const job = { ports: [port], path: pushPath, headers: pushHeaders, connections, ...part, from: 0 }
      seconds += (await load(job)).seconds
    }
    clearInterval(sampling)
    const { lagMs } = await waitUntilHandled(port)
    say(
      `long run on ${database}: ${sets} SETs in ${Math.round(seconds)} s, handled ${lagMs} ms after the last`,
    )
    rows.push({ database, sets, seconds, waiting, lagMs, residentMib: resident })
  }
  return rows
}
