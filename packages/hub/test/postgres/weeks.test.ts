import type { CompiledQuery } from 'kysely'
import { expect, test } from 'vitest'
import { termsOf } from '../../src/signals/signal-terms.ts'
import { rowDeletions } from '../../src/storage/stores/deletions.ts'
import type { SpokenReason } from '../../src/risk/risk-state.ts'
import { createErasureStore } from '../../src/storage/stores/erasure-store.ts'
import { weekMs } from '../../src/storage/migrations/weeks.ts'
import { kyselyOverPool } from '../../src/storage/postgres/kysely.ts'
import { openPool } from '../../src/storage/postgres/pool.ts'
import { signalProcedures } from '../../src/storage/postgres/signal-procedures.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { createRiskStore } from '../../src/storage/stores/risk-store.ts'
import { createSignalStore } from '../../src/storage/stores/signal-store.ts'
import { createSubjectStore } from '../../src/storage/stores/subject-store.ts'
import { createSystemLogStore } from '../../src/storage/stores/system-log-store.ts'
import { postgresVariant } from '../../src/storage/sql/sql-variant.ts'
import type { Storage } from '../../src/stores.ts'
import { signalId } from '../../src/signals/signal-id.ts'
import { logEvent } from '../../src/systemlog/log-event.ts'
import type { LogPosition } from '../../src/systemlog/system-log-store.ts'
import { provider, set } from '../contract/signal-store.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'

const weeks = 20
const perWeek = 40
const start = (Math.floor(Date.now() / weekMs) + 1) * weekMs
const idp = provider('idp')
const at = (week: number, n: number): Date => new Date(start + week * weekMs + n * 60_000)

/** By the values of one execution, or for all of them: connections of the hub change from one to the other. */
type Planning = 'force_custom_plan' | 'force_generic_plan'
const plannings: readonly Planning[] = ['force_custom_plan', 'force_generic_plan']

function literal(value: unknown): string {
  if (Array.isArray(value)) return `'{${value.join(',')}}'`
  return typeof value === 'number' ? String(value) : `'${String(value)}'`
}

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Loops': number
  readonly 'Actual Rows': number
  readonly Plans?: readonly Plan[]
}

const nodesOf = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** Somebody of whom some of each week's history is, and somebody of whom there was some once. */
async function addSubjects({ subjects }: Pick<Storage['stores'], 'subjects'>) {
  const added = await subjects.add(
    (['user:email:often@example.com', 'user:email:once@example.com'] as const).map((identifier, n) => ({
      identifier,
      id: `id${n}`,
      seenAt: new Date(start),
      vouchedBy: undefined,
    })),
  )
  const [often = 0, once = 0] = added.map(({ node }) => node)
  return { often, once }
}

const becomeHistory = (node: number, week: number, n: number): SpokenReason => ({
  node,
  reason: {
    id: `w${week}-${n}`,
    identifier: 'user:email:often@example.com',
    source: { kind: 'security_events_provider', id: idp.id },
    slot: 'user-risk',
    detection: 'User risk',
    level: 'LOW',
    message: undefined,
    occurredAt: at(week, n),
    receivedAt: at(week, n),
    expiresAt: undefined,
    signalId: undefined,
    eventType: undefined,
    dismissedAt: undefined,
  },
})

/** Stores whose statements are written down, on a database with many weeks of signals and entries. */
async function openWeeks(planning: Planning) {
  const url = await emptyDatabase()
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(await openPostgres({ url, connectionsMax: 2, migrateAt: new Date(start) }))
  await storage.stores.providers.insert(idp)
  const { often, once } = await storage.transaction(addSubjects)
  for (let week = 0; week < weeks; week++) {
    const numbers = Array.from({ length: perWeek }, (_, n) => n)
    await storage.stores.signals.append(
      numbers.map((n) => set(idp, `w${week}-${n}`, { receivedAt: at(week, n) })),
    )
    await storage.transaction(async ({ signals, systemLog, risk }) => {
      const others = numbers.map((n) => becomeHistory(1_000 + n, week, n))
      const theirs = [often, often, often, often, ...(week === 2 ? [once] : [])]
      await risk.addHistory(
        [...others, ...theirs.map((node, n) => becomeHistory(node, week, n))],
        at(week, 0),
      )
      const claimed = await signals.claimOldest(1_000)
      const handled = claimed.map((signal) => ({ sequence: signal.sequence, terms: termsOf(signal) }))
      await signals.settle({ handled, failed: [] })
      await systemLog.append(
        numbers.map((n) =>
          logEvent(
            { now: () => at(week, n), newUuid: () => `w${week}-${n}` },
            {
              eventType: n % 4 === 0 ? 'rare' : 'usual',
              displayMessage: '',
              by: { id: 'sse1', type: 'Test', displayName: 'Ada', alternateId: undefined },
              target: null,
              debugData: {},
            },
          ),
        ),
      )
    })
  }
  const pool = openPool({ url, connectionsMax: 1, applicationName: 'plans' })
  opened.defer(() => pool.close())
  const asked: CompiledQuery[] = []
  const db = kyselyOverPool(pool, ({ level, query }) => void (level === 'query' && asked.push(query)))
  const procedures = { ...signalProcedures(pool, pool), ...rowDeletions(db, postgresVariant) }
  const kept = opened.move()
  return {
    url,
    storage,
    signals: createSignalStore(db, postgresVariant, procedures),
    systemLog: createSystemLogStore(db, postgresVariant, procedures),
    erasures: createErasureStore(db, postgresVariant),
    risk: createRiskStore(db, postgresVariant, procedures),
    subjects: createSubjectStore(db, postgresVariant, procedures),
    often,
    once,
    /** How the statements of some work are carried out. */
    async plans(work: () => Promise<unknown>): Promise<readonly Plan[]> {
      asked.length = 0
      await work()
      const plans = []
      const connection = await pool.connect()
      await connection.runAll(`SET plan_cache_mode = ${planning}`)
      for (const { sql, parameters } of [...asked]) {
        await connection.runAll(`PREPARE asked AS ${sql}`)
        const given = parameters.length === 0 ? '' : `(${parameters.map(literal).join(', ')})`
        const { rows } = await connection.run(`EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked${given}`, [])
        await connection.runAll('DEALLOCATE asked')
        const [answer] = rows as { 'QUERY PLAN': string }[] // as PostgreSQL gives it
        plans.push(
          ...(JSON.parse(answer?.['QUERY PLAN'] ?? '[]') as { Plan: Plan }[]).map(({ Plan }) => Plan),
        )
      }
      connection.release()
      return plans
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

const weekly = /^(signals|signal_tokens|signal_terms|log_events|risk_history)_(w\d+|first)$/

/** Weeks that were looked at, and the most rows that were read of any table. */
function lookedAt(plans: readonly Plan[]): { readonly weeks: number; readonly rows: number } {
  const scans = plans.flatMap(nodesOf).filter((node) => weekly.test(node['Relation Name'] ?? ''))
  const run = scans.filter((scan) => scan['Actual Loops'] > 0 && scan['Actual Rows'] > 0)
  return {
    weeks: new Set(run.map((scan) => weekly.exec(scan['Relation Name'] ?? '')?.[2])).size,
    rows: Math.max(0, ...run.map((scan) => scan['Actual Loops'] * scan['Actual Rows'])),
  }
}

/** What was put in order after it was read; the few rows of a page may be. */
const sorts = (plans: readonly Plan[]): readonly unknown[] =>
  plans
    .flatMap(nodesOf)
    .filter((node) => node['Node Type'].endsWith('Sort') && node['Actual Rows'] > 10)
    .map((node) => [node['Node Type'], node['Actual Rows']])

test.each(plannings)(
  '%s: pages of signals look at the weeks that they show, and sort nothing',
  async (planning) => {
    await using hub = await openWeeks(planning)
    const { signals, plans, erasures } = hub
    const all = (await signals.list({ limit: weeks * perWeek })).signals
    const middle = all[all.length / 2]?.sequence ?? 0
    const looks: [string, () => Promise<unknown>][] = [
      ['first page', () => signals.list({ limit: 10 })],
      ['later page', () => signals.list({ limit: 10, before: middle })],
      ['of a provider', () => signals.list({ limit: 10, providerId: idp.id })],
      ['of a provider, later', () => signals.list({ limit: 10, providerId: idp.id, before: middle })],
      ['about one', () => signals.list({ limit: 10, subject: 'w3-7@example.com' })],
      ['two terms', () => signals.list({ limit: 10, providerId: idp.id, iss: idp.issuer })],
      ['by jti', () => signals.list({ limit: 10, jti: 'w4-4' })],
      ['one', () => signals.find(signalId(idp.issuer, 'w5-5'))],
      ['erasure', () => erasures.page('signals', middle, 10)],
    ]
    for (const [name, look] of looks) {
      const found = await plans(look)
      expect.soft([name, sorts(found)]).toEqual([name, []])
      const { weeks, rows } = lookedAt(found)
      expect
        .soft([name, weeks])
        .toEqual([name, expect.toSatisfy((count: number) => count >= 1 && count <= 2)])
      expect.soft([name, rows]).toEqual([name, expect.toSatisfy((count: number) => count <= 2 * perWeek)])
    }
    const pending = await plans(() => signals.claimOldest(10))
    expect(lookedAt(pending)).toEqual({ weeks: 0, rows: 0 })
    await hub.storage.stores.signals.append([set(idp, 'new', { receivedAt: at(weeks - 1, perWeek) })])
    expect(lookedAt(await plans(() => signals.claimOldest(10)))).toEqual({ weeks: 1, rows: 1 })
  },
)

test.each(plannings)(
  '%s: what waits is looked up one by one, however empty the inbox was when its rows were counted',
  async (planning) => {
    await using hub = await openWeeks(planning)
    const { signals } = hub.storage.stores
    const append = async (name: string, count: number): Promise<readonly number[]> => {
      await signals.append(
        Array.from({ length: count }, (_, n) =>
          set(idp, `${name}-${n}`, { receivedAt: at(weeks - 1, perWeek) }),
        ),
      )
      return (await signals.claimOldest(count)).map(({ sequence }) => sequence)
    }
    const counted = await append('counted', 2_000)
    const settled = counted.slice(0, -1).map((sequence) => ({ sequence, terms: [] }))
    await signals.settle({ handled: settled, failed: [] })
    await runOn(hub.url, 'VACUUM (ANALYZE) inbox') // one row in many pages
    const sequences = await append('waiting', 1_000)
    const loops = (plans: readonly Plan[]): number =>
      Math.max(...plans.flatMap(nodesOf).map((node) => node['Actual Loops']))
    expect(loops(await hub.plans(() => hub.signals.waitingAmong(sequences)))).toBe(1)
    const handled = sequences.slice(0, 500).map((sequence) => ({ sequence, terms: [] }))
    expect(loops(await hub.plans(() => hub.signals.settle({ handled, failed: [] })))).toBe(1)
  },
)

test.each(plannings)(
  '%s: the history of somebody is read from the newest week on, and no further than it is shown',
  async (planning) => {
    await using hub = await openWeeks(planning)
    const { risk, erasures, plans, often, once } = hub
    const looks: [string, () => Promise<readonly unknown[]>, found: number, weeks: number][] = [
      ['often', () => risk.history(often, 10), 10, 3],
      ['once', () => risk.history(once, 10), 1, 1],
      ['erasure', () => erasures.page('history', 0, 10), 10, 1],
    ]
    for (const [name, look, count, weeks] of looks) {
      expect(await look()).toHaveLength(count)
      const found = await plans(look)
      expect([name, sorts(found)]).toEqual([name, []])
      const looked = lookedAt(found)
      expect([name, looked.weeks, looked.rows <= count]).toEqual([name, weeks, true])
    }
  },
)

test.each(plannings)(
  '%s: whether there is history of those who could be forgotten is looked up in each week once for all',
  async (planning) => {
    await using hub = await openWeeks(planning)
    const names = Array.from({ length: 50 }, (_, n) => ({
      identifier: `session:opaque:${n}` as const,
      id: `ses${n}`,
      seenAt: new Date(start),
      vouchedBy: undefined,
    }))
    const nodes = (await hub.storage.transaction(({ subjects }) => subjects.add(names))).map(
      ({ node }) => node,
    )
    const [gone, ...kept] = nodes
    // Of nearly all: what is forgotten is no longer there when its statements are looked at.
    await hub.storage.transaction(({ risk }) =>
      risk.addHistory(
        kept.map((node, n) => becomeHistory(node, weeks, n)),
        at(weeks, 0),
      ),
    )
    const step = { before: at(weeks + 60, 0), after: 0, lookedAt: 1_000, deletedMax: 1_000 }
    const found = await hub.plans(async () =>
      expect(await hub.subjects.forget(step)).toMatchObject({ forgotten: 1 }),
    )
    const scans = found
      .flatMap(nodesOf)
      .filter((node) => node['Relation Name']?.startsWith('risk_history_') === true)
    expect(scans.length).toBeGreaterThan(weeks)
    expect(Math.max(...scans.map((scan) => scan['Actual Loops']))).toBe(1)
    const left = await hub.storage.stores.subjects.resolve(names.map(({ identifier }) => identifier))
    expect(left).toHaveLength(kept.length)
    expect(left.map(({ node }) => node)).not.toContain(gone)
  },
)

test.each(plannings)(
  '%s: pages of the System Log read as many entries of a week as they show, and sort nothing',
  async (planning) => {
    await using hub = await openWeeks(planning)
    const { systemLog, plans } = hub
    const [since, until] = [at(3, 0), at(9, 0)]
    const published = { order: 'published', since, until, after: undefined } as const
    const entries = await systemLog.page({
      position: { order: 'persisted', since },
      eventTypes: undefined,
      limit: 50,
    })
    const after = entries.at(-1)
    const positions: [string, LogPosition, weeks: number, rows?: number][] = [
      ['persisted', { order: 'persisted', after: 0 }, 1],
      ['persisted, later', { order: 'persisted', after: after?.sequence ?? 0 }, 2],
      ['since', { order: 'persisted', since }, weeks, 2 * 45], // halving looks at two for each bit of a sequence
      ['ascending', { ...published, direction: 'ascending' }, weeks],
      ['descending', { ...published, direction: 'descending' }, weeks],
      ['ascending, later', { ...published, direction: 'ascending', after }, weeks],
    ]
    for (const [name, position, weeksMax, rowsMax = 12] of positions) {
      for (const eventTypes of [undefined, ['rare'], ['rare', 'usual']]) {
        const found = await plans(() => systemLog.page({ position, eventTypes, limit: 10 }))
        const what = [name, eventTypes]
        expect.soft([...what, sorts(found)]).toEqual([...what, []])
        const looked = lookedAt(found)
        expect
          .soft([...what, looked.weeks <= weeksMax, looked.rows <= rowsMax])
          .toEqual([...what, true, true])
      }
    }
  },
)
