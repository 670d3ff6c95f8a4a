import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { describe, test, vi } from 'vitest'
import { deletedPerStepMax, leaseMs, leaseTryMs } from '../../src/upkeep/retention.ts'
import { idleInTransactionTimeoutMs } from '../../src/storage/postgres/pool.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { createDatabase, runOn, startPostgresServer } from '../postgres-server.ts'
import { runInProcess } from '../run-cli.ts'
import {
  allHandled,
  anyOf,
  patience,
  pushUntilTaken,
  register,
  revoked,
  startNodes,
  startSenders,
  storedAndLogged,
  type Nodes,
} from './nodes.ts'
import type { ServeProcess } from './serve.ts'

/** What a machine that is busy with other tests may add to a promised time. */
const busyMachineMs = 15_000

/** Each waits for others most of the time, so they wait together. */
describe('three nodes of which one, or the database, is away for a while', { concurrent: true }, () => {
  test('a node that hangs holds the others up no longer than it may idle in a transaction, and serves again when it goes on', async ({
    expect,
  }) => {
    await using nodes = await startNodes(0)
    const nameOf = await startNamed(nodes, ['first', 'second', 'third'])
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await register(nodes, transmitter)
    using senders = startSenders(nodes, transmitter, 6, { answerTimeoutMs: 1_000, pauseMs: 20 })
    const { accepted } = senders
    const taken = new Set<string>()

    /** Pushes one to each of the others, and returns when these were handled. */
    const othersWork = async (hung: ServeProcess, name: string): Promise<void> => {
      for (const [at, node] of nodes.alive.filter((node) => node !== hung).entries()) {
        const jti = `${name}-${at}`
        expect((await node.push(revoked(transmitter, `${jti}@others.example`, jti))).status).toBe(202)
        taken.add(jti)
      }
      const jtis = [...taken].map((jti) => `'${jti}'`).join()
      const waiting = `SELECT 1 FROM inbox JOIN signals USING (sequence) WHERE jti IN (${jtis})`
      await expect.poll(() => runOn(nodes.databaseUrl, waiting), patience).toEqual([])
    }
    /** Lets one hang until the others have done some work. @returns how long that took them */
    const hang = async (node: ServeProcess, name: string): Promise<number> => {
      const hungAt = performance.now()
      await othersWork(node, name)
      const took = performance.now() - hungAt
      node.process.kill('SIGCONT')
      const jti = `${name}-back`
      await expect
        .poll(
          async () => (await node.push(revoked(transmitter, 'back@others.example', jti))).status,
          patience,
        )
        .toBe(202)
      taken.add(jti)
      return took
    }

    for (let round = 0; round < 3; round += 1) {
      await delay(Math.random() * 300)
      const node = anyOf(nodes)
      node.process.kill('SIGSTOP')
      expect(await hang(node, `any-${round}`)).toBeLessThan(idleInTransactionTimeoutMs + busyMachineMs)
    }
    const node = await stopOneWithALock(nodes, nameOf)
    const took = await hang(node, 'locked')
    expect(took).toBeGreaterThan(idleInTransactionTimeoutMs / 2) // it did hold them up
    expect(took).toBeLessThan(idleInTransactionTimeoutMs + busyMachineMs)
    const handled = (): Promise<number> => nodes.counted(node, 'watchbell_handling_lag_seconds_count')
    const before = await handled()
    await expect.poll(handled, patience).toBeGreaterThan(before) // it takes its part again
    await senders.stop()
    await allHandled(nodes)

    const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
    expect(stored.toSorted()).toEqual([...accepted, ...taken].toSorted())
    expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))
  }, 240_000)

  test('a database that goes away is 503 at all of them, and all go on by themselves when it is back', async ({
    expect,
  }) => {
    await using server = await startPostgresServer()
    const databaseUrl = await createDatabase(server.url, 'template0')
    await using nodes = await startNodes(3, {
      WATCHBELL_DATABASE_URL: databaseUrl,
      WATCHBELL_LOG_LEVEL: 'debug',
    })
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await register(nodes, transmitter)
    using senders = startSenders(nodes, transmitter, 6, { pauseMs: 20 })
    const { accepted } = senders
    const taken = new Set<string>()
    const health = (node: ServeProcess, path: string): Promise<number> =>
      fetch(node.origin + path).then(({ status }) => status)
    await expect.poll(() => accepted.size, patience).toBeGreaterThan(50)

    const burst = Array.from({ length: 150 }, (_, number) => `burst-${number}`)
    const sets = burst.map((jti) => revoked(transmitter, 'burst@outage.example', jti))
    const answers = sets.map(async (set, at) => (await nodes.at(at % 3).push(set)).status)
    await Promise.race(answers)
    await server.stop('immediate') // in the midst of them
    const statuses = await Promise.all(answers)
    expect(statuses.filter((status) => status !== 202 && status !== 503)).toEqual([])
    for (let round = 0; round < 5; round += 1) {
      for (const node of nodes.alive) {
        const answer = await node.push(revoked(transmitter, 'away@outage.example'))
        expect(answer.status).toBe(503)
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
        expect((await node.api('GET', '/v1/signals')).status).toBe(503)
        expect(await health(node, '/readyz')).toBe(503)
        expect(await health(node, '/healthz')).toBe(200)
      }
      await delay(200)
    }
    const before = accepted.size
    const saidBefore = new Map(nodes.alive.map((node) => [node, node.output().length]))
    await server.start()
    for (const [at, node] of nodes.alive.entries()) {
      const jti = `back-${at}`
      const set = revoked(transmitter, 'back@outage.example', jti)
      await expect.poll(async () => (await node.push(set)).status, patience).toBe(202)
      taken.add(jti)
      await expect.poll(() => health(node, '/readyz'), patience).toBe(200)
    }
    await expect.poll(() => accepted.size, patience).toBeGreaterThan(before + 50)
    for (const [at, set] of sets.entries()) if (statuses[at] === 503) await pushUntilTaken(nodes, set)
    for (const jti of burst) taken.add(jti)

    const announced = (node: ServeProcess, table: string): boolean =>
      node.output().slice(saidBefore.get(node)).includes(`"table":"${table}","msg":"a change was announced"`)
    for (const node of nodes.alive) await expect.poll(() => announced(node, 'all'), patience).toBe(true) // it listens again
    await using newcomer = await startTransmitter({ alg: 'ES256' })
    await register(nodes, newcomer)
    for (const node of nodes.alive) await expect.poll(() => announced(node, 'providers'), patience).toBe(true)
    await senders.stop() // each sender met 202 and 503 and nothing else
    await allHandled(nodes)
    expect(nodes.alive.map(({ process }) => process.exitCode)).toEqual([null, null, null])
    const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
    expect(stored.toSorted()).toEqual([...accepted, ...taken].toSorted())
    expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))
  }, 240_000)

  test('one node deletes what is old, once, and another goes on when that one is killed at it', async ({
    expect,
  }) => {
    await using nodes = await startNodes(0, {
      WATCHBELL_SIGNAL_RETENTION_DAYS: '1',
      WATCHBELL_LOG_RETENTION_DAYS: '1',
    })
    await runInProcess(['token', 'create', '--name', 'first'], { env: { ...nodes.environment } }) // makes the tables
    await putOldRows(nodes, 10 * deletedPerStepMax)
    const left = async () => ({
      signals: await countIn(nodes, `signals WHERE jti LIKE 'old-%'`),
      log_entries: await countIn(nodes, `log_events WHERE event_type = 'old'`),
    })
    /** What each has deleted, the least first. */
    const deleted = async (what: string): Promise<readonly number[]> => {
      const count = (node: ServeProcess) => nodes.counted(node, 'watchbell_retention_rows_total', { what })
      return (await Promise.all(nodes.alive.map(count))).toSorted((a, b) => a - b)
    }
    const holder = async (): Promise<unknown> =>
      (await runOn(nodes.databaseUrl, `SELECT holder FROM leases WHERE name = 'retention'`))[0]

    const half = 5 * deletedPerStepMax
    const obstacle = await lockRow(nodes, `signals WHERE sequence = ${half + 10}`)
    const until = Date.now() + 1.5 * leaseMs
    await runOn(nodes.databaseUrl, `INSERT INTO leases VALUES ('retention', 'nobody', ${until})`)
    const nameOf = await startNamed(nodes, ['first', 'second', 'third'])
    await runOn(nodes.databaseUrl, 'DELETE FROM leases') // from here on it is for whoever asks first
    const stuck = `SELECT application_name AS name FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM%signals%'`
    await vi.waitUntil(async () => (await runOn(nodes.databaseUrl, stuck)).length > 0, patience)
    const [{ name } = {}] = await runOn(nodes.databaseUrl, stuck)
    expect(await deleted('signals')).toEqual([0, 0, half])
    expect(await deleted('log_entries')).toEqual([0, 0, half])
    const first = await holder()
    const killed = nodes.alive.find((node) => nameOf.get(node) === name) as ServeProcess // one of them is stuck
    await nodes.kill(killed)
    const killedAt = performance.now()
    await obstacle[Symbol.asyncDispose]()
    expect(await left()).toEqual({ signals: half, log_entries: half }) // nothing of what it was at
    await startNamed(nodes, ['fourth'])

    await expect.poll(async () => (await left()).signals, patience).toBeLessThan(half)
    expect(performance.now() - killedAt).toBeLessThan(leaseMs + leaseTryMs + busyMachineMs)
    await expect.poll(left, patience).toEqual({ signals: 0, log_entries: 0 })
    expect(await holder()).not.toEqual(first)
    await expect.poll(() => deleted('signals'), patience).toEqual([0, 0, half])
    await expect.poll(() => deleted('log_entries'), patience).toEqual([0, 0, half])
  }, 240_000)
})

async function countIn({ databaseUrl }: Nodes, rows: string): Promise<number> {
  const [found] = await runOn(databaseUrl, `SELECT count(*)::int AS count FROM ${rows}`)
  return Number(found?.['count'])
}

/** Signals and log entries of two days ago. */
async function putOldRows({ databaseUrl }: Nodes, count: number): Promise<void> {
  const at = Date.now() - 2 * 86_400_000
  await runOn(
    databaseUrl,
    `INSERT INTO signals (sequence, key, provider_id, iss, jti, issued_at, received_at, events, via)
     SELECT n, decode(md5(n::text), 'hex'), 'sse0', 'https://gone.example', 'old-' || n, ${at}, ${at}, '[]', 'push'
     FROM generate_series(1, ${count}) AS n`,
  )
  await runOn(databaseUrl, 'INSERT INTO signal_keys (key, sequence) SELECT key, sequence FROM signals')
  await runOn(
    databaseUrl,
    `INSERT INTO log_events (sequence, published, persisted, event_type, event)
     SELECT n, ${at}, ${at}, 'old', '[]' FROM generate_series(1, ${count}) AS n`,
  )
}

/** Locks a row until it is disposed: whoever deletes comes as far as that. */
async function lockRow({ databaseUrl }: Nodes, row: string): Promise<AsyncDisposable> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query('BEGIN')
  await client.query(`SELECT 1 FROM ${row} FOR UPDATE`)
  return { [Symbol.asyncDispose]: () => client.end() }
}

/** Starts nodes that the database knows by name. @returns the names */
async function startNamed(
  nodes: Nodes,
  names: readonly string[],
): Promise<ReadonlyMap<ServeProcess, string>> {
  const start = async (name: string) => {
    const url = new URL(nodes.databaseUrl)
    url.searchParams.set('application_name', name)
    return [await nodes.start({ WATCHBELL_DATABASE_URL: url.href }), name] as const
  }
  return new Map(await Promise.all(names.map(start)))
}

/** Stops nodes until one hangs that holds a lock which others handle or take turns by. @returns that one */
async function stopOneWithALock(
  nodes: Nodes,
  nameOf: ReadonlyMap<ServeProcess, string>,
): Promise<ServeProcess> {
  const holders = async (): Promise<readonly unknown[]> => {
    const rows = await runOn(
      nodes.databaseUrl,
      `SELECT application_name AS name FROM pg_stat_activity JOIN pg_locks USING (pid)
       WHERE datname = current_database() AND locktype = 'advisory' AND granted AND state = 'idle in transaction'`,
    )
    return rows.map(({ name }) => name)
  }
  for (;;) {
    const [name] = await holders()
    const node = nodes.alive.find((node) => nameOf.get(node) === name) ?? anyOf(nodes)
    node.process.kill('SIGSTOP')
    await delay(100) // what the server was told last is done by then
    if ((await holders()).includes(nameOf.get(node))) return node
    node.process.kill('SIGCONT')
  }
}
