import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '@watchbell/receiver/base'
import { realWorld } from '../src/base/world.ts'
import { handleBatch, type BatchDeps } from '../src/handling/handler.ts'
import { journaled } from '../src/journal/journal.ts'
import { createRiskRules } from '../src/risk/risk-rules.ts'
import { databaseFile } from '../src/storage/sqlite/connection.ts'
import { openSqliteInThread } from '../src/storage/sqlite/in-thread.ts'
import { openPostgres } from '../src/storage/postgres/open-postgres.ts'
import type { Storage } from '../src/stores.ts'
import { load } from './contest.ts'
import { cpuSeconds, residentMib } from './cpu.ts'
import type { BenchPostgres } from './databases.ts'
import type { LoadJob } from './load.ts'
import { adminToken, start, type Served } from './processes.ts'
import {
  benchTransmitter,
  eventType,
  pushHeaders,
  pushPath,
  serveJwks,
  startReceiver,
  waitUntilHandled,
  type BenchTransmitter,
} from './sets.ts'
import { freePort } from '../test/free-port.ts'

export interface ScalePlan {
  readonly folder: string
  readonly postgres: BenchPostgres
  /** How many signals are stored when the others are measured; rising. */
  readonly stored: readonly number[]
  readonly connections: number
  /** Names of the databases that are measured. */
  readonly databases: readonly string[]
  readonly say: (line: string) => void
}

export const scaleDatabases = ['SQLite', 'PostgreSQL'] as const

export interface ScaleRow {
  readonly database: string
  readonly stored: number
  /** Of the hub and of the database server. */
  readonly cpuMicros: number
  /** The same as a multiple of what the signature floor needed just before and after. */
  readonly cpuToFloor: number
  readonly bytesPerSet: number
  readonly residentMib: number
  readonly queries: readonly { readonly name: string; readonly p50Ms: number }[]
}

interface Store {
  readonly database: string
  readonly settings: Readonly<Record<string, string>>
  open(): Promise<Storage>
  bytes(): Promise<number>
  counted(served: Served): Served
}

const measuredSets = 10_000
const warmUp = 10_000
const filledTogether = 5_000
const queriesEach = 40

/** The same store, ever fuller: what one more SET costs, how much room it takes, and how long common questions take. */
export async function measureScale(plan: ScalePlan): Promise<ScaleRow[]> {
  const rows: ScaleRow[] = []
  const transmitter = await benchTransmitter('ES256', subjectOf)
  await using jwks = await serveJwks(transmitter.jwk)
  const stores = { SQLite: async () => sqliteStore(plan), PostgreSQL: () => postgresStore(plan) }
  for (const database of scaleDatabases) {
    if (!plan.databases.includes(database)) continue
    const store = await stores[database]()
    await (await startReceiver(await freePort(), jwks.url, store.settings))[Symbol.asyncDispose]()
    let serial = 0
    for (const stored of plan.stored) {
      const startedAt = performance.now()
      await fill(store, serial, stored)
      serial = stored
      const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1)
      plan.say(`${store.database}: filled to ${stored.toLocaleString('en')} in ${minutes} min`)
      const row = await measure(plan, store, transmitter, jwks.url, stored)
      serial += warmUp + measuredSets
      plan.say(`${store.database}: ${JSON.stringify(row)}`)
      rows.push(row)
    }
  }
  return rows
}

/** One in ten SETs is about somebody new. */
function subjectOf(serial: number): string {
  const spread = Math.imul(serial + 1, 2_654_435_761) >>> 0
  return `user${spread % (5_000 + Math.floor(serial / 10))}@example.com`
}

/** By the road of every signal, without HTTP and signature: accepted, then handled. */
async function fill(store: Store, from: number, to: number): Promise<void> {
  await using storage = await store.open()
  const [provider] = await storage.stores.providers.list()
  if (provider === undefined) throw new Error('The store has no provider.')
  const world = realWorld(globalThis.fetch)
  const handling: BatchDeps = {
    storage: journaled(storage, world),
    world,
    logger: silentLogger,
    rules: createRiskRules([]),
    origin: 'https://hub.example',
    ignoreUnknownUsers: false,
  }
  const signature = randomBytes(700).toString('base64url')
  for (let serial = from; serial < to; serial += filledTogether) {
    const now = new Date()
    await storage.stores.signals.append(
      Array.from({ length: Math.min(filledTogether, to - serial) }, (_, at) => ({
        provider,
        jti: `fill-${serial + at}-24c63fb56fa9fa24`,
        issuedAt: now,
        receivedAt: now,
        events: [
          {
            type: eventType,
            family: 'caep',
            name: 'session-revoked',
            subject: { format: 'email', email: subjectOf(serial + at) },
            occurredAt: now.getTime(),
            claims: { reason_admin: { en: 'Landspeed policy violation: C076E8A2' } },
          } as const,
        ],
        token: signature,
        via: 'push',
        source: '127.0.0.1',
      })),
    )
    while ((await handleBatch(handling, filledTogether)) > 0);
  }
}

async function measure(
  { folder, connections }: ScalePlan,
  store: Store,
  transmitter: BenchTransmitter,
  jwksUrl: string,
  stored: number,
): Promise<ScaleRow> {
  const bodies = join(folder, `scale-${store.database}-${stored}.txt`)
  await transmitter.write(bodies, warmUp + measuredSets, stored)
  const port = await freePort()
  await using hub = store.counted(await startReceiver(port, jwksUrl, store.settings, true))
  const job = { path: pushPath, headers: pushHeaders, connections, bodies }
  const floors = [await floorCpuMicros(job, transmitter.jwk)]
  const cpuMicros = await cpuMicrosOf(hub, job, () => waitUntilHandled(port))
  floors.push(await floorCpuMicros(job, transmitter.jwk))
  return {
    database: store.database,
    stored,
    cpuMicros,
    cpuToFloor: (cpuMicros * floors.length) / floors.reduce((sum, each) => sum + each),
    bytesPerSet: (await store.bytes()) / (stored + warmUp + measuredSets),
    residentMib: residentMib(hub.pids().slice(0, 1)),
    queries: await measureQueries(port, stored),
  }
}

type ScaleJob = Omit<LoadJob, 'ports' | 'from' | 'count'>

/** The speed of a shared machine changes by the minute: this tells by how much. */
async function floorCpuMicros(job: ScaleJob, jwk: object): Promise<number> {
  const port = await freePort()
  const script = join(import.meta.dirname, 'floor-server.ts')
  await using floor = await start(port, [script, String(port), 'ES256', JSON.stringify(jwk)])
  return await cpuMicrosOf(floor, job)
}

async function cpuMicrosOf(
  served: Served,
  job: ScaleJob,
  afterwards: () => Promise<unknown> = async () => undefined,
): Promise<number> {
  const { ports } = served
  await load({ ...job, ports, from: 0, count: warmUp })
  await afterwards()
  const before = cpuSeconds(served.pids())
  await load({ ...job, ports, from: warmUp, count: measuredSets })
  await afterwards()
  return ((cpuSeconds(served.pids()) - before) / measuredSets) * 1e6
}

async function measureQueries(port: number, stored: number): Promise<ScaleRow['queries']> {
  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `SSWS ${adminToken}` },
    })
    if (!answer.ok) throw new Error(`The hub answered ${answer.status} to ${path}: ${await answer.text()}`)
    return answer.json()
  }
  const someone = (at: number): string =>
    encodeURIComponent(subjectOf(Math.floor((stored / queriesEach) * at)))
  const { subjects } = (await ask('/v1/subjects?limit=50')) as { subjects: readonly { id: string }[] }
  const filter = encodeURIComponent('eventType eq "user.risk.detect"')
  const middle = (at: number): number => Math.max(1, Math.floor((stored / queriesEach) * (at + 1)))
  const questions: Readonly<Record<string, (at: number) => string>> = {
    'log, first page, filtered': () => `/api/v1/logs?limit=100&sortOrder=DESCENDING&filter=${filter}`,
    'log, about one': (at) => `/api/v1/logs?limit=100&sortOrder=DESCENDING&q=${someone(at)}`,
    'signals, first page': () => '/v1/signals?limit=50',
    'signals, later page': (at) => `/v1/signals?limit=50&after=${middle(at)}`,
    'signals about one': (at) => `/v1/signals?limit=50&subject=${someone(at)}`,
    'subjects, first page': () => '/v1/subjects?limit=50',
    'one subject, with its history': (at) => `/v1/subjects/${subjects[at % subjects.length]?.id ?? ''}`,
  }
  const rows = []
  for (const [name, path] of Object.entries(questions)) {
    const times: number[] = []
    for (let at = 0; at < queriesEach; at += 1) {
      const startedAt = performance.now()
      await ask(path(at))
      times.push(performance.now() - startedAt)
    }
    rows.push({ name, p50Ms: times.toSorted((a, b) => a - b)[queriesEach / 2] ?? 0 })
  }
  return rows
}

function sqliteStore({ folder }: ScalePlan): Store {
  const data = join(folder, 'scale')
  return {
    database: 'SQLite',
    settings: { WATCHBELL_DATA: data },
    async open() {
      return (await openSqliteInThread(data, new Date())).storage
    },
    bytes: async () => statSync(databaseFile(data)).size,
    counted: (served) => served,
  }
}

async function postgresStore({ postgres }: ScalePlan): Promise<Store> {
  const url = await postgres.database()
  return {
    database: 'PostgreSQL',
    settings: {
      WATCHBELL_DATABASE_URL: url,
      WATCHBELL_SECRET_KEY: randomBytes(32).toString('base64'),
    },
    open: () => openPostgres({ url, connectionsMax: 2 }),
    bytes: () => postgres.bytes(url),
    counted: (served) => postgres.counted(served),
  }
}
