import { describe, expect, test } from 'vitest'
import { openPostgres, type PostgresStorage } from '../../src/storage/postgres/open-postgres.ts'
import { logEvent } from '../../src/systemlog/log-event.ts'
import { sampleProvider } from '../contract/provider-store.ts'
import { provider, set } from '../contract/signal-store.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'

/** Two nodes on a database whose schema the test may change. */
async function openTwo() {
  const url = await emptyDatabase()
  await using opened = new AsyncDisposableStack()
  const open = async (): Promise<PostgresStorage> =>
    opened.use(await openPostgres({ url, connectionsMax: 3, migrateAt: new Date() }))
  const [one, other] = [await open(), await open()]
  const nodes = opened.move()
  return { url, one, other, [Symbol.asyncDispose]: () => nodes.disposeAsync() }
}

describe('transactions', () => {
  test('however many wait for their turn, whoever only reads is answered', async () => {
    await using nodes = await openTwo()
    const { one, other } = nodes
    const inside = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const stalled = one.transaction(async ({ providers }) => {
      await providers.list()
      inside.resolve()
      await mayEnd.promise
    })
    await inside.promise
    const waiting = Array.from({ length: 10 }, () => other.transaction(({ providers }) => providers.list()))
    let ended = 0
    for (const each of waiting) void each.then(() => (ended += 1))
    expect(await other.stores.riskReader.read({ user: 'ada' }, new Date())).toMatchObject({ entities: [] })
    expect(await other.stores.apiTokens.findLiveByHash('x')).toBeUndefined()
    expect((await other.stores.signals.list({ limit: 1 })).signals).toEqual([])
    expect(ended).toBe(0)
    mayEnd.resolve()
    await Promise.all([stalled, ...waiting])
  })

  test('take turns over all nodes; single statements wait for nobody', async () => {
    await using nodes = await openTwo()
    const { one, other } = nodes
    const order: string[] = []
    const inside = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const first = one.transaction(async ({ providers }) => {
      await providers.insert(sampleProvider())
      inside.resolve()
      await mayEnd.promise
      order.push('first')
    })
    await inside.promise
    const second = other.transaction(async ({ providers }) => {
      order.push('second')
      expect(await providers.list()).toHaveLength(1) // all that earlier turns did is there
    })
    await other.stores.providers.insert(sampleProvider())
    await other.stores.providers.delete((await other.stores.providers.list())[0]?.id ?? '')
    order.push('alone')
    mayEnd.resolve()
    await Promise.all([first, second])
    expect(order).toEqual(['alone', 'first', 'second'])
  })

  test.each([
    ['40001', 2],
    ['40P01', 4],
  ])(
    'one that fails with %s is tried again, and nothing of the failed tries stays',
    async (code, failures) => {
      await using nodes = await openTwo()
      const { url, one } = nodes
      await failInserts(url, { code, failures })
      let tries = 0
      await one.transaction(async ({ providers, riskProviders }) => {
        tries += 1
        await riskProviders.insert({
          id: 'rkp1',
          name: `try ${tries}`,
          clientId: 'c',
          action: 'none',
          createdAt: new Date(0),
          updatedAt: new Date(0),
        })
        await providers.insert(sampleProvider())
      })
      expect((await one.stores.riskProviders.list()).map(({ name }) => name)).toEqual([`try ${failures + 1}`])
      expect(await one.stores.providers.list()).toHaveLength(1)
    },
  )

  test('a single statement is tried again too', async () => {
    await using nodes = await openTwo()
    await failInserts(nodes.url, { code: '40P01', failures: 3 })
    await nodes.one.stores.providers.insert(sampleProvider())
    expect(await nodes.other.stores.providers.list()).toHaveLength(1)
  })

  test('what never comes through is the hub being unavailable', async () => {
    await using nodes = await openTwo()
    await failInserts(nodes.url, { code: '40001', failures: 1_000 })
    const inserting = nodes.one.transaction(({ providers }) => providers.insert(sampleProvider()))
    await expect(inserting).rejects.toMatchObject({ code: 'hub.unavailable', retryAfterS: 5 })
  })

  test('one that goes on after a statement failed is undone, and says so', async () => {
    await using nodes = await openTwo()
    const { one } = nodes
    const provider = sampleProvider()
    const swallowing = one.transaction(async ({ providers }) => {
      await providers.insert(provider)
      await providers.insert(provider).catch(() => undefined)
    })
    await expect(swallowing).rejects.toMatchObject({ code: '25P02' })
    expect(await one.stores.providers.list()).toEqual([])
  })

  test('one that throws gives its connection back as it was', async () => {
    await using nodes = await openTwo()
    const { one } = nodes
    for (let round = 0; round < 5; round++) {
      const failing = one.transaction(async ({ providers }) => {
        await providers.insert(sampleProvider())
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
    }
    await one.transaction(({ providers }) => providers.insert(sampleProvider()))
    expect(await one.stores.providers.list()).toHaveLength(1)
    expect(one.poolStats()).toMatchObject({ waiting: 0 })
  })
})

test('the same SETs on several nodes at once, in whatever order: each is stored once, and every repeat counted', async () => {
  await using nodes = await openTwo()
  const { one, other } = nodes
  const idp = provider('idp')
  await one.stores.providers.insert(idp)
  const sets = Array.from({ length: 60 }, (_, n) => set(idp, `j${n}`))
  const batches = Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? sets : sets.toReversed()))
  const acceptances = await Promise.all(
    batches.map((batch, n) => (n % 3 === 0 ? one : other).stores.signals.append(batch)),
  )
  expect(acceptances.flat().filter((acceptance) => acceptance === 'stored')).toHaveLength(60)
  expect(await one.stores.signals.counts()).toMatchObject({ accepted: 60, repeated: 7 * 60, pending: 60 })
  const { signals } = await other.stores.signals.list({ limit: 100 })
  expect(signals.map(({ repeats }) => repeats)).toEqual(sets.map(() => 7))
})

describe('statements', () => {
  test('a table that a newer node has changed is read anew, in a transaction too', async () => {
    await using nodes = await openTwo()
    const { url, one } = nodes
    const provider = sampleProvider()
    await one.stores.providers.insert(provider)
    for (const column of ['one', 'other']) {
      for (let round = 0; round < 8; round++) await one.stores.providers.list()
      await runOn(url, `ALTER TABLE providers ADD COLUMN ${column} TEXT`)
      if (column === 'one') expect(await one.stores.providers.list()).toMatchObject([{ id: provider.id }])
      else await one.transaction(async ({ providers }) => expect(await providers.list()).toHaveLength(1))
    }
  })

  test('a NUL in what is asked for finds nothing, and in what is stored becomes U+FFFD', async () => {
    await using nodes = await openTwo()
    const { providers } = nodes.one.stores
    await providers.insert(sampleProvider({ id: 'sse1', name: 'a\0b' }))
    expect(await providers.findById('sse1\0')).toBeUndefined()
    expect(await providers.findById('sse1')).toMatchObject({ name: 'a\uFFFDb' })
  })

  test('the System Log shows its entries in the order of their sequences, whoever commits first', async () => {
    await using nodes = await openTwo()
    const { one, other } = nodes
    const entry = (uuid: string) =>
      logEvent(
        { now: () => new Date('2026-03-17T06:00:00Z'), newUuid: () => uuid },
        {
          eventType: 'a',
          displayMessage: '',
          by: { id: 'sse1', type: 'Test', displayName: 'Ada', alternateId: undefined },
          target: null,
          debugData: {},
        },
      )
    const inside = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const slow = one.transaction(async ({ systemLog }) => {
      await systemLog.append([entry('first')])
      inside.resolve()
      await mayEnd.promise
    })
    await inside.promise
    let appended = false
    const quick = other.stores.systemLog.append([entry('second')]).then(() => (appended = true))
    const page = () =>
      one.stores.systemLog.page({
        position: { order: 'persisted', after: 0 },
        eventTypes: undefined,
        limit: 10,
      })
    expect(await page()).toEqual([])
    expect(appended).toBe(false)
    mayEnd.resolve()
    await Promise.all([slow, quick])
    expect((await page()).map(({ event }) => event?.uuid)).toEqual(['first', 'second'])
  })
})

/** The next inserts of providers fail; a sequence counts them, because it forgets nothing. */
async function failInserts(
  url: string,
  { code, failures }: { code: string; failures: number },
): Promise<void> {
  await runOn(
    url,
    `CREATE SEQUENCE tries;
     CREATE FUNCTION fail_at_first() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF nextval('tries') <= ${failures} THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '${code}'; END IF;
         RETURN NEW;
       END
     $$;
     CREATE TRIGGER fail_at_first BEFORE INSERT ON providers FOR EACH ROW EXECUTE FUNCTION fail_at_first()`,
  )
}
