import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { cpuSeconds } from './cpu.ts'
import type { LoadJob, LoadResult } from './load.ts'
import { type Served } from './processes.ts'
import { freePort } from '../test/free-port.ts'

/** Medians over the rounds. */
export interface ContestRow {
  readonly server: string
  readonly perSecond: number
  /** Median of the ratios to the floor of the same round. */
  readonly toFloor: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the server's process, all threads, for each item. */
  readonly cpuMicros: number
  /** Items not handled yet when the last answer was in, and how long that took then. */
  readonly unhandled: number | undefined
  readonly lagMs: number | undefined
}

export interface Contestant {
  readonly name: string
  /** File of one body a line: `warmUp` of them are sent first and not counted, to compile the hot path. */
  readonly bodies: string
  start(port: number, round: number): Promise<Served>
  /** After the last answer. */
  afterwards?(port: number): Promise<{ unhandled: number; lagMs: number }>
}

export interface Contest {
  readonly contestants: readonly Contestant[]
  /** The name of the contestant that the others are compared with. */
  readonly floor: string
  readonly path: string
  readonly headers: string
  /** Of every answer, or the contest is void. */
  readonly status: number
  /** What one request brings. */
  readonly itemsPerRequest: number
  readonly items: string
  readonly warmUp: number
  readonly requests: number
  readonly connections: number
  readonly rounds: number
  readonly say: (line: string) => void
}

/** Every contestant once in each round, so that a machine whose speed changes is no contestant's luck. */
export async function contest(plan: Contest): Promise<ContestRow[]> {
  const { contestants, rounds, items, say } = plan
  const runs = new Map<string, Run[]>(contestants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of contestants) {
      const run = await measure(plan, contestant, round)
      runs.get(contestant.name)?.push(run)
      say(`round ${round + 1} of ${rounds}: ${contestant.name}: ${Math.round(run.perSecond)} ${items}/s`)
    }
  }
  const floors = runs.get(plan.floor) ?? []
  return [...runs].map(([server, runs]) => ({
    server,
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    toFloor: median(runs.map(({ perSecond }, round) => perSecond / (floors[round]?.perSecond ?? Number.NaN))),
    p50Ms: median(runs.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(runs.map(({ p99Ms }) => p99Ms)),
    cpuMicros: median(runs.map(({ cpuMicros }) => cpuMicros)),
    unhandled: medianOf(runs.map(({ unhandled }) => unhandled)),
    lagMs: medianOf(runs.map(({ lagMs }) => lagMs)),
  }))
}

type Run = Omit<ContestRow, 'server' | 'toFloor'>

async function measure(plan: Contest, contestant: Contestant, round: number): Promise<Run> {
  const { path, status, itemsPerRequest, warmUp, requests, connections } = plan
  const port = await freePort()
  await using server = await contestant.start(port, round)
  const headers = plan.headers + (server.headers ?? '')
  const job = { ports: server.ports, path, connections, bodies: contestant.bodies, headers }
  await load({ ...job, from: 0, count: warmUp })
  const cpuBefore = cpuSeconds(server.pids())
  const result = await load({ ...job, from: warmUp, count: requests })
  const after = await contestant.afterwards?.(port)
  const cpu = cpuSeconds(server.pids()) - cpuBefore
  if (result.statuses[status] !== requests) {
    throw new Error(`${contestant.name} answered ${JSON.stringify(result.statuses)} to ${requests} requests.`)
  }
  return {
    perSecond: (requests * itemsPerRequest) / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMicros: (cpu / requests / itemsPerRequest) * 1e6,
    unhandled: after?.unhandled,
    lagMs: after?.lagMs,
  }
}

export async function load(job: LoadJob): Promise<LoadResult> {
  const worker = new Worker(new URL('./load.ts', import.meta.url), { workerData: job })
  const [result] = (await once(worker, 'message')) as [LoadResult]
  await worker.terminate()
  return result
}

function median(values: readonly number[]): number {
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
