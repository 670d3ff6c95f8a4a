import { statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import { journaled } from '../../src/journal/journal.ts'
import { realWorld } from '../../src/base/world.ts'
import { createErasures, erasuresInWalkMax, type Erasures } from '../../src/upkeep/erasures.ts'
import { applyStatements } from '../../src/risk/apply-statements.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { databaseFile } from '../../src/storage/sqlite/connection.ts'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import type { Storage, Stores } from '../../src/stores.ts'
import { emailIdentifier } from '../../src/subjects/identifier.ts'
import { databases } from '../contract/databases.ts'
import { userStatement } from '../contract/user-statement.ts'
import { judgeOf } from '../known-sources.ts'
import { temporaryDatabase } from '../postgres-database.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { acceptedSet, idp } from '../ingest/stored-sets.ts'

const world = realWorld(globalThis.fetch)
const admin = { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined }

type StorageOfErasures = Pick<Storage, 'stores' | 'transaction' | 'dropOverwritten'>

const erasuresOn = (storage: StorageOfErasures): Erasures =>
  createErasures({ storage: journaled(storage, world), world, logger: silentLogger })

/** One round of the worker. */
const turn = ({ worker }: Erasures): Promise<number> => worker.runOnce(new AbortController().signal)

async function turnUntilDone(erasures: Erasures): Promise<number> {
  for (let rounds = 0; ; rounds += 1) if ((await turn(erasures)) === 0) return rounds
}

/** The same storage, and how often each question was put to its erasures. */
function counted(storage: Storage): { storage: StorageOfErasures; asked: Map<string, number> } {
  const asked = new Map<string, number>()
  const counting = (stores: Stores): Stores => ({
    ...stores,
    erasures: new Proxy(stores.erasures, {
      get(erasures, name) {
        asked.set(String(name), (asked.get(String(name)) ?? 0) + 1)
        return Reflect.get(erasures, name) as unknown
      },
    }),
  })
  return {
    asked,
    storage: {
      ...storage,
      stores: counting(storage.stores),
      transaction: (work) => storage.transaction((stores) => work(counting(stores))),
    },
  }
}

const emailOf = (name: string): string => `${name}@example.com`

/** Makes users known, and stores a SET about each, and `more` about nobody that is known. @returns ids of the users */
async function tell(storage: Storage, names: readonly string[], more = 0): Promise<readonly string[]> {
  const identifiers = names.map((name) => emailIdentifier(emailOf(name)))
  await storage.transaction(({ subjects, risk }) =>
    applyStatements(
      {
        subjects,
        risk,
        world,
        judge: judgeOf('sse1'),
        origin: 'https://hub.example',
        ignoreUnknownUsers: false,
      },
      identifiers.map((identifier) => userStatement(1, [identifier])),
    ),
  )
  if ((await storage.stores.providers.findById(idp.id)) === undefined)
    await storage.stores.providers.insert(idp)
  const others = Array.from({ length: more }, (_, number) => `other${number}`)
  await storage.stores.signals.append(
    [...names.slice(0, 1), ...others, ...names.slice(1)].map((name) => acceptedSet(name)),
  )
  const nodes = new Map(
    (await storage.stores.subjects.resolve(identifiers)).map(({ identifier, id }) => [identifier, id]),
  )
  return identifiers.map((identifier) => nodes.get(identifier) ?? '')
}

/** Of somebody whom nothing is known of. */
const requestFor = (id: string) => ({
  id: `era-of-${id}`,
  subject: { id, kind: 'user' as const },
  requestedAt: world.now(),
  requestedBy: admin,
  names: { pseudonym: `erased-${id}`, identifiers: [], displayName: undefined },
})

const signalsNaming = async ({ stores }: Pick<Storage, 'stores'>, name: string): Promise<number> => {
  const rows = await stores.erasures.page('signals', 0, 10_000)
  return rows.filter((row) => JSON.stringify(row).includes(emailOf(name))).length
}

describe.each(databases)('on %s', (_database, open) => {
  test('erasures that are asked for together cost one walk, however many they are', async () => {
    const names = Array.from({ length: 20 }, (_, number) => `user${number}`)
    const costs: { rounds: number; pages: number | undefined; walks: number | undefined }[] = []
    for (const asked of [names.slice(0, 1), names]) {
      await using storage = await open()
      const watched = counted(storage)
      await using erasures = erasuresOn(watched.storage)
      const ids = await tell(storage, names, 450)
      const begun = []
      for (const [at] of asked.entries()) begun.push(await erasures.erase(ids[at] ?? '', admin))
      const rounds = await turnUntilDone(erasures)
      costs.push({ rounds, pages: watched.asked.get('page'), walks: watched.asked.get('startWalk') })
      for (const { id } of begun) {
        expect(await erasures.get(id)).toMatchObject({
          state: 'done',
          deleted: { identifiers: 1, reasons: 1, revocations: 1 },
          rewritten: { signals: 1 },
        })
      }
      for (const name of asked) expect(await signalsNaming(storage, name)).toBe(0)
      expect(await signalsNaming(storage, 'other7')).toBe(1)
    }
    expect(costs[1]).toEqual(costs[0])
    expect(costs[0]).toMatchObject({ walks: 1, pages: 11 }) // 9 places, of signals 3 pages
  })

  test('more than share a walk are done by the next one, in the order in which they were asked for', async () => {
    await using storage = await open()
    const watched = counted(storage)
    await using erasures = erasuresOn(watched.storage)
    const ids = Array.from({ length: erasuresInWalkMax + 1 }, (_, number) => `00u-${number}`)
    await storage.transaction(async (tx) => {
      for (const id of ids) await tx.erasures.begin(0, requestFor(id))
    })
    while ((await erasures.list({ limit: 1, state: 'done' })).erasures.length === 0)
      expect(await turn(erasures)).toBe(1)
    expect(
      (await erasures.list({ limit: 9, state: 'waiting' })).erasures.map(({ subject }) => subject.id),
    ).toEqual([ids.at(-1)])
    await turnUntilDone(erasures)
    expect(await erasures.backlog()).toEqual({ count: 0, since: undefined })
    expect(watched.asked.get('startWalk')).toBe(2)
  })

  test('one that is asked for in the middle of a walk is not done before a walk saw everything from its start', async () => {
    await using storage = await open()
    await using erasures = erasuresOn(storage)
    const [ada = '', bob = ''] = await tell(storage, ['ada', 'bob'])
    const first = await erasures.erase(ada, admin)
    expect(await turn(erasures)).toBe(1) // the walk begins
    expect(await turn(erasures)).toBe(1) // and has seen the signals
    expect(await erasures.get(first.id)).toMatchObject({
      state: 'running',
      walk: { place: 'failures', rows: 2 },
    })
    const second = await erasures.erase(bob, admin)
    while ((await erasures.get(first.id)).state !== 'done') expect(await turn(erasures)).toBe(1)
    expect(await erasures.get(second.id)).toMatchObject({ state: 'waiting', startedAt: undefined })
    expect([await signalsNaming(storage, 'ada'), await signalsNaming(storage, 'bob')]).toEqual([0, 1])
    await turnUntilDone(erasures)
    expect(await erasures.get(second.id)).toMatchObject({ state: 'done', rewritten: { signals: 1 } })
    expect(await signalsNaming(storage, 'bob')).toBe(0)
  })

  test('asked for again it is the same one: by id always, by name while it is under way', async () => {
    await using storage = await open()
    await using erasures = erasuresOn(storage)
    const [ada = '', bob = ''] = await tell(storage, ['ada', 'bob'])
    const begun = await erasures.erase(ada, admin)
    expect(begun).toMatchObject({ state: 'waiting', subject: { id: ada, kind: 'user' } })
    expect(await Promise.all([ada, 'ADA@example.com'].map((asked) => erasures.erase(asked, admin)))).toEqual([
      begun,
      begun,
    ])
    await turn(erasures)
    expect(await erasures.erase('ada@example.com', admin)).toMatchObject({ id: begun.id, state: 'running' })
    await turnUntilDone(erasures)
    expect(await erasures.erase(ada, admin)).toMatchObject({ id: begun.id, state: 'done' })
    await expect(erasures.erase('ada@example.com', admin)).rejects.toThrow(
      expect.objectContaining({ code: 'subject.not_found' }),
    )
    await expect(erasures.get('era-unknown')).rejects.toThrow(
      expect.objectContaining({ code: 'erasure.not_found' }),
    )
    expect((await erasures.list({ limit: 9 })).erasures).toHaveLength(1)

    const both = await Promise.all([erasures.erase(bob, admin), erasures.erase(bob, admin)])
    expect(both[0]?.id).toBe(both[1]?.id)
    expect((await erasures.list({ limit: 9 })).erasures).toHaveLength(2)
  })

  test('when it is done nothing of it says whose it was, not even who asked', async () => {
    await using storage = await open()
    await using erasures = erasuresOn(storage)
    const [ada = ''] = await tell(storage, ['ada'])
    const herself = {
      id: '00u9',
      type: 'User',
      displayName: 'Ada@example.com',
      alternateId: 'ada@example.com',
    }
    const { id } = await erasures.erase(ada, herself)
    await turnUntilDone(erasures)
    const done = await erasures.get(id)
    expect(done).toMatchObject({
      state: 'done',
      requestedBy: { id: '00u9', displayName: `erased-${id}`, alternateId: `erased-${id}` },
      rewritten: { erasures: 1, log: 1 },
    })
    expect(JSON.stringify(done)).not.toMatch(/ada/i)
    expect(await storage.stores.erasures.names(9)).toEqual([])
  })

  test('as many wait as the hub takes, and one more is told so and is not begun', async () => {
    await using storage = await open()
    await using erasures = createErasures({
      storage: journaled(storage, world),
      world,
      logger: silentLogger,
      waitingMax: 3,
    })
    const [ada = ''] = await tell(storage, ['ada'])
    for (const id of ['00u-1', '00u-2', '00u-3']) {
      await storage.transaction((tx) => tx.erasures.begin(0, requestFor(id)))
    }
    await expect(erasures.erase(ada, admin)).rejects.toThrow(
      expect.objectContaining({ code: 'erasure.too_many_waiting', retryAfterS: 60 }),
    )
    expect(await storage.stores.subjects.find(ada)).toBeDefined()
    await turnUntilDone(erasures)
    expect(await erasures.erase(ada, admin)).toMatchObject({ state: 'waiting' })
  })

  test('a round that finds nothing asks one question and begins no transaction', async () => {
    await using storage = await open()
    const watched = counted(storage)
    await using erasures = erasuresOn({
      ...watched.storage,
      transaction: () => Promise.reject(new Error('There is nothing to do.')),
    })
    expect(await turn(erasures)).toBe(0)
    expect(Object.fromEntries(watched.asked)).toEqual({ backlog: 1 })
  })
})

test('two nodes that step at once look at every row once, and erase all', async () => {
  await using database = await temporaryDatabase()
  const openNode = () => openPostgres({ url: database.url, connectionsMax: 4, migrateAt: new Date(0) })
  await using one = await openNode()
  await using other = await openNode()
  const names = Array.from({ length: 30 }, (_, number) => `user${number}`)
  const ids = await tell(one, names, 1_000)
  const watched = [one, other].map(counted)
  const nodes = watched.map(({ storage }) => erasuresOn(storage))
  await Promise.all(
    nodes.flatMap((node, which) =>
      ids.filter((_id, at) => at % 2 === which).map((id) => node.erase(id, admin)),
    ),
  )
  const rounds = await Promise.all(nodes.map(turnUntilDone))
  for (const node of nodes) await turnUntilDone(node) // one may have seen nothing to do while the other still began
  expect(rounds.every((each) => each > 0)).toBe(true)
  const { erasures } = await one.stores.erasures.list({ limit: 100 })
  expect(erasures.map(({ state, rewritten }) => [state, rewritten.signals])).toEqual(
    names.map(() => ['done', 1]),
  )
  for (const name of names) expect(await signalsNaming(one, name)).toBe(0)
  const walks = new Set(erasures.map(({ startedAt }) => startedAt?.getTime())).size
  const pages = watched.reduce((sum, { asked }) => sum + (asked.get('page') ?? 0), 0)
  expect(walks).toBe(1)
  expect(pages).toBe(9 + 5) // of signals 6 pages
})

test('an erasure is not done while somebody still reads what was overwritten, remembers no name meanwhile, and holds up no other', async () => {
  await using folder = await temporaryFolder()
  const { storage } = await openSqliteInThread(folder.path, world.now())
  await using _storage = storage
  await using erasures = erasuresOn(storage)
  const [zora = '', ada = ''] = await tell(storage, ['zora', 'ada'])

  const reader = new Database(databaseFile(folder.path), { readonly: true })
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM identifiers').get()
  const { id } = await erasures.erase(zora, admin)
  await turnUntilDone(erasures)
  expect(await turn(erasures)).toBe(0)
  const left = await erasures.get(id)
  expect(left).toMatchObject({ state: 'running', walk: { place: 'files' } })
  expect(await storage.stores.erasures.names(9)).toEqual([])
  const logBytes = (): number => statSync(`${databaseFile(folder.path)}-wal`).size
  expect(logBytes()).toBeGreaterThan(100_000)

  const second = await erasures.erase(ada, admin)
  await turnUntilDone(erasures)
  expect(await erasures.get(second.id)).toMatchObject({ walk: { place: 'files' } })
  expect(await signalsNaming(storage, 'ada')).toBe(0)

  reader.exec('COMMIT')
  await turnUntilDone(erasures)
  for (const each of [id, second.id]) expect(await erasures.get(each)).toMatchObject({ state: 'done' })
  expect(logBytes()).toBeLessThan(100_000)
  reader.close()
})
