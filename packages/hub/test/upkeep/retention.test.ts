import { sql, type Kysely } from 'kysely'
import { describe, expect, test, vi } from 'vitest'
import type { Deleted } from '../../src/base/deleted.ts'
import { silentLogger } from '@watchbell/receiver/base'
import type { Perishable } from '../../src/base/meter.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { realWorld } from '../../src/base/world.ts'
import { createExpiry } from '../../src/upkeep/expiry.ts'
import { createHandler, paceOverConnections } from '../../src/handling/handler.ts'
import { createRetention, deletedPerStepMax, type RetentionDays } from '../../src/upkeep/retention.ts'
import type { RiskReason } from '../../src/risk/risk-reason.ts'
import { journaled } from '../../src/journal/journal.ts'
import { createRiskRules } from '../../src/risk/risk-rules.ts'
import { signalId } from '../../src/signals/signal-id.ts'
import type { AcceptedSet } from '../../src/signals/signal.ts'
import { weeklyTables, weekMs } from '../../src/storage/migrations/weeks.ts'
import type { DatabaseSchema } from '../../src/storage/sql/schema.ts'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import type { Storage } from '../../src/stores.ts'
import type { ForgettingStep } from '../../src/subjects/subject-store.ts'
import { startTestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { openPostgresSource } from '../../src/storage/transfer/postgres.ts'
import { provider, set } from '../contract/signal-store.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
/** Tuesday of the week after the one in which PostgreSQL's tables are made. */
const start = (Math.floor(Date.now() / weekMs) + 1) * weekMs + 5 * dayMs
const idp = provider('idp')

interface Site extends AsyncDisposable {
  /** Where a hub finds the data. */
  readonly hub: Pick<TestHubOptions, 'folder' | 'settings'>
  readonly storage: Storage
  /** How many rows tables hold. */
  rows(tables: readonly (keyof DatabaseSchema)[]): Promise<readonly number[]>
}

async function onSqlite(): Promise<Site> {
  const folder = await temporaryFolder()
  const { storage } = await openSqliteInThread(folder.path, new Date(start))
  await storage.stores.providers.insert(idp)
  return {
    hub: { folder: folder.path },
    storage,
    rows: (tables) => Promise.all(tables.map((table) => countIn(storage.db, table))),
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function countIn(db: Kysely<DatabaseSchema>, table: keyof DatabaseSchema): Promise<number> {
  const { rows } = await sql<{ count: number }>`SELECT count(*) AS count FROM ${sql.table(table)}`.execute(db)
  return rows[0]?.count ?? 0
}

async function onPostgres(): Promise<Site & { readonly url: string }> {
  const url = await emptyDatabase()
  const storage = await openPostgres({ url, connectionsMax: 4, migrateAt: new Date(start) })
  await storage.stores.providers.insert(idp)
  return {
    hub: { settings: { databaseUrl: url, secretKey: Buffer.alloc(32, 'test').toString('base64') } },
    url,
    storage,
    rows: async (tables) => {
      const counts = tables.map((table) => `(SELECT count(*) FROM ${table})::int AS ${table}`)
      const [row] = await runOn(url, `SELECT ${counts.join(', ')}`)
      return Object.values(row ?? {}) as number[] // as the statement has it
    },
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
}

/** A hub's loops over a storage, with a clock to turn. */
function loopsOver(storage: Storage, days: Partial<RetentionDays> = {}) {
  /** `adrift` is by how much the clock was set; `server` is the database's, where it is another one. */
  const clock: { now: number; adrift: number; server?: number } = { now: start, adrift: 0 }
  const world = {
    ...realWorld(globalThis.fetch),
    now: () => new Date(clock.now),
    monotonicMs: () => clock.now - clock.adrift,
  }
  const warnings: unknown[] = []
  const steps: (readonly [Perishable, Deleted])[] = []
  const retention = createRetention({
    storage: {
      ...storage,
      ...(storage.clock !== undefined && { clock: async () => new Date(clock.server ?? clock.now) }),
    },
    world,
    logger: { ...silentLogger, warn: (...told) => void warnings.push(told) },
    days: { signals: 28, tokens: 14, log: 21, riskHistory: 0, ...days },
    meter: { deleted: (what, deleted) => void steps.push([what, deleted]) },
  })
  const handler = createHandler({
    storage: journaled(storage, world),
    world,
    logger: silentLogger,
    rules: createRiskRules([]),
    origin: 'https://hub.example',
    ignoreUnknownUsers: false,
    pace: paceOverConnections,
  })
  const expiry = createExpiry({ storage: journaled(storage, world), world, logger: silentLogger })
  const never = new AbortController().signal
  return {
    clock,
    warnings,
    /** Sets the clock, while time stands still. */
    setClock(now: number): void {
      clock.adrift += now - clock.now
      clock.now = now
    },
    steps,
    retention,
    round: () => retention.runOnce(never),
    async retainAll(): Promise<void> {
      while ((await retention.runOnce(never)) > 0);
    },
    async handleAll(): Promise<void> {
      while ((await handler.runOnce(never)) > 0);
    },
    async expireAll(): Promise<void> {
      while ((await expiry.runOnce(never)) > 0);
    },
    took: (what: Perishable): Deleted => {
      const of = steps.filter(([kind]) => kind === what).map(([, deleted]) => deleted)
      const sum = (count: (deleted: Deleted) => number): number =>
        of.reduce((all, one) => all + count(one), 0)
      return { rows: sum(({ rows }) => rows), parts: sum(({ parts }) => parts) }
    },
    [Symbol.asyncDispose]: () => retention[Symbol.asyncDispose](),
  }
}

const taken = (jti: string, at: number): AcceptedSet => set(idp, jti, { receivedAt: new Date(at) })
const batch = (name: string, count: number, at: number): readonly AcceptedSet[] =>
  Array.from({ length: count }, (_, n) => taken(`${name}-${n}`, at))

/** Statement of a person's session, each of which takes the place of the one before. */
const said = (of: string, at: number): AcceptedSet => ({
  ...taken(`${of}-${at}`, at),
  events: [
    {
      type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
      family: 'caep',
      name: 'session-revoked',
      subject: { format: 'email', email: `${of}@example.com` },
      occurredAt: at,
      claims: {},
    },
  ],
})

const sites = [
  ['SQLite', onSqlite, 0],
  ['PostgreSQL', onPostgres, 7],
] as const

test('a node that did not get the lease soon looks again', async () => {
  await using site = await onSqlite()
  await using killed = loopsOver(site.storage)
  await using other = loopsOver(site.storage)
  await site.storage.stores.signals.append([taken('a', start)])
  await other.handleAll()
  await killed.retainAll()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    other.retention.start()
    await expect.poll(() => vi.getTimerCount()).toBe(1)
    other.clock.now = start + 60 * dayMs
    vi.advanceTimersByTime(5_000)
    await expect.poll(() => other.took('signals').rows).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

describe.each(sites)('retention on %s', (_, open, laterDays) => {
  test('week after week what is too old goes, at the latest as many days later, and nothing else', async () => {
    await using site = await open()
    const { signals, systemLog } = site.storage.stores
    await using loops = loopsOver(site.storage)
    const ages = (times: readonly Date[]): number[] =>
      times.map((at) => (loops.clock.now - at.getTime()) / dayMs)
    const isKept = (kept: readonly number[], days: number): void => {
      const young = Array.from({ length: 12 }, (_, week) => 7 * week).filter((age) => age <= days)
      expect(kept).toEqual(expect.arrayContaining(young))
      expect(Math.max(...kept)).toBeLessThanOrEqual(days + laterDays)
    }
    for (let week = 0; week < 12; week++) {
      loops.clock.now = start + week * weekMs
      const sets = [taken(`w${week}`, loops.clock.now), taken(`v${week}`, loops.clock.now)]
      await signals.append(sets)
      await signals.append(sets)
      await loops.handleAll()
      await loops.retainAll()
    }
    const { signals: listed } = await signals.list({ limit: 50, withTokens: true })
    isKept(ages(listed.map(({ receivedAt }) => receivedAt)), 28)
    isKept(ages(listed.filter(({ token }) => token !== undefined).map(({ receivedAt }) => receivedAt)), 14)
    const page = { eventTypes: ['security.events.provider.receive_event'], limit: 50 }
    const entries = await systemLog.page({ ...page, position: { order: 'persisted', after: 0 } })
    isKept(ages(entries.map(({ published }) => published)), 21)

    const [tokens, ...others] = await site.rows(['signal_tokens', 'signals', 'signal_keys', 'signal_repeats'])
    expect(others).toEqual([listed.length, listed.length, listed.length])
    expect(tokens).toBe(listed.filter(({ token }) => token !== undefined).length)
    const byTerm = await signals.list({ limit: 50, providerId: idp.id })
    expect(byTerm.signals.map(({ id }) => id)).toEqual(listed.map(({ id }) => id))
    expect(await site.rows(['signal_terms'])).toEqual([4 * listed.length]) // provider, issuer, type, subject
    expect(await signals.counts()).toMatchObject({ accepted: 24, pending: 0, failed: 0 })
  })

  test('history of risk goes as many days after it became that, however long it had been believed', async () => {
    await using site = await open()
    const { signals, subjects, risk } = site.storage.stores
    await using loops = loopsOver(site.storage, { riskHistory: 21 })
    const historyOf = async (name: string): Promise<readonly number[]> => {
      const [node] = await subjects.resolve([`user:email:${name}@example.com`])
      const history = await risk.history(node?.entity ?? 0, 100)
      return history.map(({ receivedAt }) => Math.round((receivedAt.getTime() - start) / weekMs))
    }
    for (let week = 0; week <= 10; week++) {
      loops.clock.now = start + week * weekMs
      const steady = week === 0 || week === 10 ? [said('grace', loops.clock.now)] : []
      await signals.append([said('ada', loops.clock.now), ...steady])
      await loops.handleAll()
      await loops.retainAll()
    }
    const ofAda = await historyOf('ada')
    expect(ofAda.slice(0, 4)).toEqual([9, 8, 7, 6]) // and what went a week later
    expect(ofAda.length).toBeLessThanOrEqual(4 + laterDays / 7)
    expect(await historyOf('grace')).toEqual([0])
    loops.clock.now += (21 + laterDays + 1) * dayMs
    await loops.retainAll()
    expect(await site.rows(['risk_history'])).toEqual([0])
    expect([await historyOf('ada'), await historyOf('grace')]).toEqual([[], []])
    expect(await site.rows(['risk_reasons'])).toEqual([2])
  })

  test('erasures that are done go with the log, and those that are not stay', async () => {
    await using site = await open()
    const { erasures } = site.storage.stores
    await using loops = loopsOver(site.storage)
    const admin = { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined }
    for (const id of ['early', 'late', 'waiting']) {
      const names = { pseudonym: `erased-${id}`, identifiers: [], displayName: undefined }
      const subject = { id: `00u-${id}`, kind: 'user' as const }
      const requestedAt = new Date(start)
      await site.storage.transaction((tx) =>
        tx.erasures.begin(0, { id, names, subject, requestedAt, requestedBy: admin }),
      )
      if (id === 'waiting') continue
      await erasures.startWalk([id], requestedAt)
      await erasures.endWalk(0)
      await erasures.finish([id], new Date(start + (id === 'late' ? dayMs : 0)))
    }
    const left = async () => (await erasures.list({ limit: 9 })).erasures.map(({ id }) => id)
    loops.clock.now = start + 21 * dayMs
    await loops.retainAll()
    expect(await left()).toEqual(['waiting', 'late', 'early'])
    loops.clock.now += 1
    await loops.retainAll()
    expect(await left()).toEqual(['waiting', 'late'])
    loops.clock.now += 400 * dayMs
    await loops.retainAll()
    expect(await left()).toEqual(['waiting'])
    expect(loops.took('erasures')).toEqual({ rows: 2, parts: 0 })
  })

  test('what was deleted is new when it comes again, and is handled once', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    await signals.append([taken('a', start)])
    await loops.handleAll()
    const { signals: before } = await signals.list({ limit: 9 })
    loops.clock.now = start + 60 * dayMs
    await loops.retainAll()
    expect(await signals.find(signalId(idp.issuer, 'a'))).toBeUndefined()
    expect(await signals.append([taken('a', loops.clock.now)])).toEqual(['stored'])
    expect(await signals.append([taken('a', loops.clock.now)])).toEqual(['repeated'])
    await loops.handleAll()
    expect(await signals.list({ limit: 9 })).toMatchObject({ signals: [{ jti: 'a', repeats: 1 }] })
    expect(await signals.list({ limit: 9, before: before[0]?.sequence ?? 0 })).toMatchObject({ signals: [] })
    expect(await site.rows(['inbox', 'log_events', 'signals'])).toEqual([0, 1, 1]) // the first entry went too
  })

  test('a clock that was a year ahead for a moment does not stop retention for a year', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    const weeks = [0, 52, 1, 2, 3]
    for (const week of weeks) {
      loops.clock.now = start + week * weekMs
      await signals.append([taken(`w${week}`, loops.clock.now)])
      await loops.handleAll()
    }
    loops.clock.now = start + 30 * weekMs
    await signals.append([taken('today', loops.clock.now)])
    await loops.handleAll()
    await loops.retainAll()
    expect(await signals.list({ limit: 9 })).toMatchObject({ signals: [{ jti: 'today' }] })
    expect(await site.rows(['signals', 'signal_tokens', 'log_events'])).toEqual([1, 1, 1])
  })

  test('a clock that jumps a year ahead deletes nothing, whatever comes meanwhile, when it is set right within an hour', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    await signals.append([taken('a', start)])
    await loops.handleAll()
    await loops.retainAll()
    loops.setClock(start + 400 * dayMs)
    await loops.retainAll()
    await signals.append([taken('b', loops.clock.now)])
    loops.clock.now += hourMs - 1
    await loops.retainAll()
    loops.setClock(start + hourMs)
    await loops.retainAll()
    loops.clock.now += 2 * hourMs
    await loops.retainAll()
    expect(loops.warnings).toHaveLength(2)
    expect(await site.rows(['signals', 'signal_tokens', 'log_events'])).toEqual([2, 2, 1])
    loops.clock.now = start + 60 * dayMs
    await loops.retainAll()
    expect(await site.rows(['log_events'])).toEqual([0])
  })

  test('a clock that is a year ahead when a hub starts deletes nothing until it has run on for an hour', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    {
      await using loops = loopsOver(site.storage)
      await signals.append([taken('a', start)])
      await loops.handleAll()
      await loops.retainAll()
    }
    await using loops = loopsOver(site.storage)
    loops.clock.now = start + 400 * dayMs
    await signals.append([taken('b', loops.clock.now)])
    await loops.handleAll()
    for (let minutes = 0; minutes < 60; minutes += 10) {
      await loops.retainAll()
      loops.clock.now += 600_000
    }
    expect(await site.rows(['signals', 'log_events'])).toEqual([2, 2])
    expect(loops.warnings).toHaveLength(1)
    await loops.retainAll()
    expect(await site.rows(['signals', 'log_events'])).toEqual([1, 1])
    {
      await using again = loopsOver(site.storage)
      again.clock.now = loops.clock.now + 12 * hourMs
      await again.retainAll()
      expect(again.warnings).toEqual([])
    }
  })

  test('where nothing comes for weeks, retention goes on', async () => {
    await using site = await open()
    await using loops = loopsOver(site.storage)
    await site.storage.stores.signals.append([taken('a', start)])
    await loops.handleAll()
    for (let week = 0; week < 8; week += 1) {
      await loops.retainAll()
      loops.clock.now += weekMs
    }
    expect(await site.rows(['signals', 'log_events'])).toEqual([0, 0])
    expect(loops.warnings).toEqual([])
  })

  test('sessions that nothing is kept about are forgotten after 400 days, once for each, and people are not', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    const revoked = (id: number): SecurityEvent => ({
      type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
      family: 'caep',
      name: 'session-revoked',
      subject: {
        format: 'complex',
        user: { format: 'email', email: 'ada@example.com' },
        session: { format: 'opaque', id: `s${id}` },
      },
      occurredAt: start,
      claims: {},
    })
    await signals.append([1, 2, 3].map((id) => ({ ...taken(`s${id}`, start), events: [revoked(id)] })))
    await loops.handleAll()
    expect(await site.rows(['identifiers', 'revocations'])).toEqual([4, 3])
    loops.clock.now = start + 399 * dayMs
    await loops.retainAll()
    expect(await site.rows(['identifiers', 'revocations', 'risk_reasons'])).toEqual([4, 3, 3])
    loops.clock.now = start + 401 * dayMs
    await loops.expireAll()
    await loops.retainAll()
    await loops.retainAll()
    expect(await site.rows(['identifiers', 'revocations', 'risk_reasons'])).toEqual([1, 0, 0])
    expect(loops.took('subjects')).toEqual({ rows: 3, parts: 0 })
  })

  test('more old revocations and sessions than one step deletes go in the steps that follow, at once', async () => {
    await using site = await open()
    await using loops = loopsOver(site.storage)
    const count = deletedPerStepMax + 100
    const revoked = (id: number): SecurityEvent => ({
      type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
      family: 'caep',
      name: 'session-revoked',
      subject: { format: 'complex', session: { format: 'opaque', id: `s${id}` } },
      occurredAt: start,
      claims: {},
    })
    await site.storage.stores.signals.append(
      Array.from({ length: count }, (_, id) => ({ ...taken(`s${id}`, start), events: [revoked(id)] })),
    )
    await loops.handleAll()
    expect(await site.rows(['revocations'])).toEqual([count])
    loops.clock.now = start + 401 * dayMs
    await loops.retainAll()
    expect(await site.rows(['revocations'])).toEqual([0])
    expect(loops.took('revocations')).toEqual({ rows: count, parts: 0 })
    await loops.expireAll()
    loops.clock.now += 60_000
    await loops.retainAll() // to the end of the walk
    await loops.retainAll()
    expect(await site.rows(['identifiers', 'risk_reasons'])).toEqual([0, 0])
    expect(loops.took('subjects')).toEqual({ rows: count, parts: 0 })
    for (const [, { rows }] of loops.steps) expect(rows).toBeLessThanOrEqual(deletedPerStepMax)
  })

  test('rounds that follow each other closely look through identifiers once a minute', async () => {
    await using site = await open()
    const steps: number[] = []
    const { stores } = site.storage
    const subjects = {
      ...stores.subjects,
      forget: (step: ForgettingStep) => {
        steps.push(step.after)
        return stores.subjects.forget(step)
      },
    }
    await using loops = loopsOver({ ...site.storage, stores: { ...stores, subjects } })
    for (let round = 0; round < 5; round += 1) await loops.round()
    expect(steps).toHaveLength(1)
    loops.clock.now = start + 60_000
    for (let round = 0; round < 5; round += 1) await loops.round()
    expect(steps).toHaveLength(2)
  })

  test('what waits for the handler stays, however old, until it was handled', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    await signals.append([taken('handled', start)])
    await loops.handleAll()
    await signals.append([taken('waiting', start)])
    loops.clock.now = start + 90 * dayMs
    await loops.retainAll()
    expect(await signals.find(signalId(idp.issuer, 'waiting'))).toMatchObject({
      outcome: 'pending',
      token: 'header.waiting.signature',
    })
    await loops.handleAll()
    await loops.retainAll()
    expect(await site.rows(['signals', 'signal_tokens', 'signal_keys', 'signal_terms'])).toEqual([0, 0, 0, 0])
    expect(await signals.counts()).toMatchObject({ accepted: 2 })
  })

  test('a signal that nobody can read goes like any other', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    await signals.append([{ ...taken('unreadable', start), events: [null] as never }]) // what no version of ours writes
    await loops.handleAll()
    expect(await signals.list({ providerId: idp.id, outcome: 'failed', limit: 9 })).toMatchObject({
      signals: [{ jti: 'unreadable' }],
    })
    loops.clock.now = start + 90 * dayMs
    await loops.retainAll()
    expect(await site.rows(['signals', 'signal_terms', 'signal_failures'])).toEqual([0, 0, 0])
  })

  test('0 keeps everything for ever', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage, { signals: 0, tokens: 0, log: 0 })
    await signals.append([taken('a', start)])
    await loops.handleAll()
    loops.clock.now = start + 3_650 * dayMs
    await loops.retainAll()
    expect(await signals.find(signalId(idp.issuer, 'a'))).toMatchObject({ token: 'header.a.signature' })
    expect(await site.rows(['log_events'])).toEqual([1])
  })

  test('a big deletion is many small steps, and SETs are taken between them', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    const count = 4 * deletedPerStepMax + 1
    await signals.append(batch('old', count, start))
    await loops.handleAll()
    loops.clock.now = start + 60 * dayMs
    const order: string[] = []
    const done = new AbortController()
    const taking = (async () => {
      for (let n = 0; !done.signal.aborted; n++) {
        expect(await signals.append([taken(`new-${n}`, loops.clock.now)])).toEqual(['stored'])
        order.push('SET')
      }
    })()
    while ((await loops.round()) > 0) order.push('round')
    done.abort()
    await taking
    for (const [, { rows }] of loops.steps) expect(rows).toBeLessThanOrEqual(deletedPerStepMax)
    expect(loops.took('signals').rows).toBe(count)
    const rounds = order.flatMap((what, at) => (what === 'round' ? [at] : []))
    expect(rounds.length).toBeGreaterThan(4)
    expect(order.slice(rounds[0], rounds.at(-1))).toContain('SET')
    await loops.handleAll()
    expect(await site.rows(['signals', 'inbox'])).toEqual([order.filter((what) => what === 'SET').length, 0])
  })

  test('a hub does it by itself, beside its data', async () => {
    await using opened = new AsyncDisposableStack()
    const site = opened.use(await open())
    const { signals, systemLog } = site.storage.stores
    await using loops = loopsOver(site.storage)
    const longAgo = Date.now() - 100 * dayMs
    loops.clock.now = longAgo
    await signals.append([taken('old', longAgo), taken('new', Date.now())])
    await loops.handleAll()
    await using hub = await startTestHub({
      ...site.hub,
      settings: { ...site.hub.settings, signalRetentionDays: '50' },
    })
    const left = async (): Promise<unknown> => {
      const answer = (await (await hub.api('GET', '/v1/signals')).json()) as { signals: { jti: string }[] }
      return answer.signals.map(({ jti }) => jti)
    }
    await expect.poll(left, { timeout: 10_000 }).toEqual(['new'])
    const entries = (): Promise<unknown> =>
      systemLog.page({
        position: { order: 'persisted', after: 0 },
        eventTypes: ['security.events.provider.receive_event'],
        limit: 9,
      })
    await expect.poll(entries, { timeout: 10_000 }).toEqual([])
  })

  test('of several loops one works; when it ends another goes on', async () => {
    await using site = await open()
    const { signals } = site.storage.stores
    const one = loopsOver(site.storage)
    await using other = loopsOver(site.storage)
    await signals.append([taken('a', start)])
    await one.handleAll()
    one.clock.now = other.clock.now = start + 60 * dayMs
    await one.retainAll()
    await other.retainAll()
    expect(one.took('signals').rows).toBe(1)
    expect(other.steps).toEqual([])
    await one[Symbol.asyncDispose]()
    await other.retainAll()
    expect(other.steps.length).toBeGreaterThan(0)
  })
})

describe('on PostgreSQL', () => {
  const reasonOf = (at: number): RiskReason => ({
    id: 'sig',
    identifier: 'user:email:ada@example.com',
    source: { kind: 'security_events_provider', id: idp.id },
    slot: 'user-risk',
    detection: 'User risk',
    level: 'LOW',
    message: undefined,
    occurredAt: new Date(at),
    receivedAt: new Date(at),
    expiresAt: undefined,
    signalId: undefined,
    eventType: undefined,
    dismissedAt: undefined,
  })
  const partsOf = async (url: string, table: string): Promise<readonly string[]> =>
    (
      await runOn(
        url,
        `SELECT relname::text AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid
         WHERE inhparent = '${table}'::regclass ORDER BY relname`,
      )
    ).map(({ name }) => String(name).slice(table.length))

  test('a hub that slept for weeks takes SETs and writes its log at once, whichever node comes first', async () => {
    await using site = await onPostgres()
    await using other = await openPostgres({ url: site.url, connectionsMax: 4 })
    const later = start + 30 * weekMs
    const nodes = Array.from({ length: 8 }, (_, n) => [n, n % 2 === 0 ? site.storage : other] as const)
    const stored = await Promise.all(
      nodes.map(([n, { stores }]) => stores.signals.append(batch(`n${n}`, 20, later))),
    )
    expect(stored.flat()).toEqual(Array.from({ length: 160 }, () => 'stored'))
    await using loops = loopsOver(site.storage)
    await using others = loopsOver(other)
    loops.clock.now = others.clock.now = later
    await Promise.all([loops.handleAll(), others.handleAll()])
    expect(await site.rows(['inbox', 'signals', 'log_events', 'signal_tokens'])).toEqual([0, 160, 160, 160])
    const week = Math.floor(later / weekMs)
    for (const table of weeklyTables) {
      expect(await partsOf(site.url, table)).toContain(`_w${week}`)
    }
    const [first] = (await site.storage.stores.signals.list({ limit: 1 })).signals
    expect(Math.floor((first?.sequence ?? 0) / 2 ** 32)).toBe(week)
  })

  test('whole weeks are dropped, and the next ones are there before they begin', async () => {
    await using site = await onPostgres()
    await using loops = loopsOver(site.storage, { riskHistory: 21 })
    for (let week = 0; week < 8; week++) {
      loops.clock.now = start + week * weekMs
      await site.storage.stores.signals.append([
        ...batch(`w${week}`, 2, loops.clock.now),
        said('ada', loops.clock.now),
      ])
      await loops.handleAll()
      await loops.retainAll()
    }
    const current = Math.floor(loops.clock.now / weekMs)
    for (const table of weeklyTables) {
      const weeks = (await partsOf(site.url, table)).map((part) => Number(part.slice(2)) - current)
      expect(weeks.filter((week) => week >= 0).toSorted((a, b) => a - b)).toEqual([0, 1, 2])
      expect(Math.min(...weeks.filter((week) => week < 0))).toBeGreaterThanOrEqual(-5)
    }
    expect(loops.took('signals').parts).toBeGreaterThan(0)
    expect(loops.took('signals').rows).toBe(3 * (8 - 5)) // looked up one by one, for their keys
    expect(loops.took('tokens')).toMatchObject({ rows: 0 })
    for (const what of ['log_entries', 'risk_history'] as const) {
      expect(loops.took(what)).toEqual({ rows: 0, parts: expect.toSatisfy((parts: number) => parts > 0) })
    }
    // Where nothing comes any more a week ends too.
    loops.clock.now += 8 * weekMs
    await loops.retainAll()
    expect(await site.rows(['signals', 'log_events', 'signal_keys', 'risk_history'])).toEqual([0, 0, 0, 0])
  })

  test('history is numbered by the week in which it became that, and makes room for itself', async () => {
    await using site = await onPostgres()
    await using other = await openPostgres({ url: site.url, connectionsMax: 4 })
    const later = start + 30 * weekMs
    const add = ({ transaction }: Storage, node: number, at: number): Promise<void> =>
      transaction(({ risk }) => risk.addHistory([{ node, reason: reasonOf(start) }], new Date(at)))
    const nodes = Array.from({ length: 8 }, (_, n) => add(n % 2 === 0 ? site.storage : other, n, later))
    await Promise.all([
      ...nodes,
      loopsOver(site.storage).round(),
      site.storage.makeRoom?.(new Date(later)),
      other.makeRoom?.(new Date(later)),
    ])
    await add(other, 8, later - weekMs) // a clock that is behind
    const week = Math.floor(later / weekMs)
    expect(
      await runOn(
        site.url,
        `SELECT count(*)::int, tableoid::regclass::text AS part FROM risk_history GROUP BY 2`,
      ),
    ).toEqual([{ count: 9, part: `risk_history_w${week}` }])
  })

  test('a part that somebody reads is dropped when they are done; SETs are taken meanwhile', async () => {
    await using site = await onPostgres()
    const { signals } = site.storage.stores
    await using loops = loopsOver(site.storage)
    await signals.append([taken('old', start)])
    await loops.handleAll()
    {
      await using reader = await openPostgresSource(site.url)
      expect(await countIn(reader.db, 'signals')).toBe(1)
      loops.clock.now = start + 60 * dayMs
      await loops.retainAll()
      expect(loops.took('signals').parts).toBe(0)
      expect(await signals.append([taken('new', loops.clock.now)])).toEqual(['stored'])
      expect(await countIn(reader.db, 'signals')).toBe(1)
    }
    await loops.retainAll()
    expect((await signals.list({ limit: 9 })).signals.map(({ jti }) => jti)).toEqual(['new'])
  })

  test('two nodes at the same steps delete everything once', async () => {
    await using site = await onPostgres()
    await using other = await openPostgres({ url: site.url, connectionsMax: 4 })
    await using loops = loopsOver(site.storage)
    const weeks = [0, 1, 2, 3]
    for (const week of weeks) {
      loops.clock.now = start + week * weekMs
      await site.storage.stores.signals.append([
        ...batch(`w${week}`, 29, loops.clock.now),
        said('ada', loops.clock.now),
      ])
      const [{ sequence } = { sequence: 0 }] = await site.storage.stores.signals.claimOldest(1)
      const failed = [{ sequence, terms: [], error: 'poison', at: new Date(start) }]
      await site.storage.stores.signals.settle({ handled: [], failed })
      await loops.handleAll()
    }
    await site.storage.makeRoom?.(new Date(start + 20 * weekMs))
    const before = new Date(start + 10 * weekMs)
    const now = new Date(start + 20 * weekMs)
    const deleteAll = async ({ stores: { signals, systemLog, risk } }: Storage): Promise<number> => {
      let rows = 0
      for (let idle = 0; idle < 3;) {
        const steps = [
          await signals.deleteBefore(before, 7, now),
          await signals.deleteTokensBefore(before, 7, now),
          await systemLog.deleteBefore(before, 7, now),
          await risk.deleteHistoryBefore(before, 7, now),
        ]
        rows += steps[0]?.rows ?? 0
        idle = steps.every((step) => step.rows + step.parts === 0) ? idle + 1 : 0
      }
      return rows
    }
    const [mine, theirs] = await Promise.all([deleteAll(site.storage), deleteAll(other)])
    expect(mine + theirs).toBeGreaterThanOrEqual(120)
    const tables = [
      'signals',
      'signal_keys',
      'signal_tokens',
      'signal_terms',
      'signal_failures',
      'risk_history',
    ] as const
    // A part that somebody is looking at is left for a later round.
    await expect
      .poll(async () => {
        await deleteAll(site.storage)
        return site.rows(tables)
      })
      .toEqual(tables.map(() => 0))
    expect(await other.stores.signals.counts()).toMatchObject({ accepted: 120, failed: 4 })
  })

  test('what came from elsewhere goes row by row, and weeks behind it whole', async () => {
    await using site = await onPostgres()
    await using loops = loopsOver(site.storage, { riskHistory: 21 })
    const { signals, risk } = site.storage.stores
    const becameHistory = (at: number, count: number): Promise<void> =>
      risk.addHistory(
        Array.from({ length: count }, (_, node) => ({ node, claims: [], reason: reasonOf(at) })),
        new Date(at),
      )
    const longAgo = start - 30 * weekMs // before the first week
    await signals.append(batch('imported', 2 * deletedPerStepMax, longAgo))
    await loops.handleAll()
    expect(await partsOf(site.url, 'signals')).not.toContain(`_w${Math.floor(longAgo / weekMs)}`)
    await becameHistory(longAgo, deletedPerStepMax + 1)
    await signals.append(batch('since', 5, start))
    await loops.handleAll()
    await becameHistory(start, 5)
    await loops.retainAll()
    const tables = ['signals', 'signal_tokens', 'signal_keys', 'risk_history'] as const
    expect(await site.rows(tables)).toEqual([5, 5, 5, 5])
    expect(loops.took('signals')).toEqual({ rows: 2 * deletedPerStepMax, parts: 0 })
    expect(loops.took('risk_history')).toEqual({ rows: deletedPerStepMax + 1, parts: 0 })
    loops.clock.now = start + 20 * weekMs
    await loops.retainAll()
    expect(await site.rows(tables)).toEqual([0, 0, 0, 0])
    expect(loops.took('risk_history')).toEqual({
      rows: deletedPerStepMax + 1,
      parts: expect.toSatisfy((parts: number) => parts > 0), // empty ones too
    })
  })

  test('a node whose clock is ahead goes by the clock of the server', async () => {
    await using site = await onPostgres()
    await using loops = loopsOver(site.storage)
    await site.storage.stores.signals.append([taken('a', start)])
    await loops.handleAll()
    loops.clock.now = start + 400 * dayMs
    loops.clock.server = start
    for (let hours = 0; hours < 3; hours += 1) {
      await loops.retainAll()
      loops.clock.now += hourMs
      loops.clock.server += hourMs
    }
    expect(await site.rows(['signals', 'log_events'])).toEqual([1, 1])
    expect(await partsOf(site.url, 'signals')).not.toContain(`_w${Math.floor(loops.clock.now / weekMs)}`)
    const away = Math.abs(((await site.storage.clock?.())?.getTime() ?? 0) - Date.now())
    expect(away).toBeLessThan(hourMs)
  })

  test('a clock that was far ahead once does not make a week last for ever', async () => {
    await using site = await onPostgres()
    await using loops = loopsOver(site.storage, { riskHistory: 28 })
    const { signals, risk } = site.storage.stores
    await site.storage.makeRoom?.(new Date(start + 1_000 * weekMs)) // a node whose clock was wrong
    for (const [name, days] of [
      ['a', 0],
      ['b', 28],
    ] as const) {
      loops.clock.now = start + days * dayMs
      await signals.append(batch(name, 3, loops.clock.now))
      await loops.handleAll()
      const reason = reasonOf(loops.clock.now)
      await risk.addHistory(
        [1, 2, 3].map((node) => ({ node, claims: [], reason })),
        new Date(loops.clock.now),
      )
    }
    for (const [days, left] of [
      [28 + 7, 6],
      [28 + 9, 3],
    ] as const) {
      loops.clock.now = start + days * dayMs
      await loops.retainAll()
      expect(await site.rows(['signals', 'risk_history'])).toEqual([left, left])
    }
    expect((await signals.list({ limit: 1 })).signals).toMatchObject([{ jti: 'b-2' }])
  })
})
