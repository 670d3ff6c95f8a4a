import { expect, test } from 'vitest'
import type { TestHub } from '../../src/testing/start-test-hub.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import { movedTables } from '../../src/storage/transfer/tables.ts'
import { set } from '../contract/signal-store.ts'
import { exported, imported, postgresSite, sqliteSite, type TransferSite } from '../transfer-databases.ts'
import { ada, answers, fill, standing, startHub, startSurroundings, type Surroundings } from './full-hub.ts'

const timeoutMs = 120_000

/** Moves everything along these places, and says what each place then exports. */
async function move(
  from: TransferSite,
  ...to: readonly TransferSite[]
): Promise<readonly (readonly string[])[]> {
  const exports = [await exported(from)]
  for (const site of to) {
    await imported(site, exports.at(-1) ?? [])
    exports.push(await exported(site))
  }
  return exports.map((lines) => lines.slice(1)) // headers name the database
}

function rowsOf(lines: readonly string[]): Readonly<Record<string, number>> {
  // the closing line
  return (JSON.parse(lines.at(-1) ?? '') as { end: { counts: Record<string, number> } }).end.counts
}

/** Stops a hub in the middle of its work: one signal waits, one could not be handled, one erasure is under way. */
async function interrupt(folder: string): Promise<void> {
  const { storage } = await openSqliteInThread(folder, new Date())
  await using _ = storage
  const { providers, signals, subjects, erasures } = storage.stores
  const provider = (await providers.list()).find(({ name }) => name === 'Pushing')
  if (provider === undefined) throw new Error('The provider was made by fill().')
  for (const jti of ['failed', 'pending']) {
    await signals.append([set(provider, jti, { receivedAt: new Date(), events: [revoked] })])
    const [waiting] = jti === 'failed' ? await signals.claimOldest(1) : []
    const failed = waiting && {
      sequence: waiting.sequence,
      terms: [],
      error: 'It was poisoned.',
      at: new Date(),
    }
    if (failed !== undefined) await signals.settle({ handled: [], failed: [failed] })
  }
  const identifier = 'user:email:gone@example.com'
  const [gone] = await subjects.resolve([identifier])
  // One that is done, one in the middle of its walk, one that waits.
  const admin = { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined }
  for (const id of ['era0', 'era1', 'era2']) {
    const names = {
      pseudonym: `erased-${id}`,
      identifiers: [id === 'era1' ? identifier : `user:email:${id}@example.com`],
      ids: [],
      displayName: 'Gone',
    }
    const request = {
      id,
      names,
      requestedAt: new Date(),
      requestedBy: admin,
      subject: { id: `00u${id}`, kind: 'user' as const },
    }
    await storage.transaction((tx) => tx.erasures.begin(id === 'era1' ? (gone?.entity ?? 0) : 0, request))
    if (id === 'era2') continue
    await erasures.startWalk([id], new Date())
    await erasures.advance({ place: 'failures', after: 0, rows: 0 })
    if (id === 'era1') continue
    await storage.transaction((tx) => tx.erasures.endWalk(0))
    await erasures.finish([id], new Date())
  }
  await erasures.advance({ place: 'signals', after: 0, rows: 0 })
  await storage.transaction(({ riskSources }) => riskSources.putRejoin('sse-gone', 'from here'))
  await storage.stores.hubMarks.put('written', new Date().toISOString())
}

const revoked: SecurityEvent = {
  type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
  family: 'caep',
  name: 'session-revoked',
  subject: ada,
  occurredAt: 1,
  claims: {},
}

test(
  'from SQLite to PostgreSQL and back: every answer stays, and every credential',
  async () => {
    await using around = await startSurroundings()
    await using first = await sqliteSite()
    await using postgres = await postgresSite()
    await using last = await sqliteSite()
    await filledHub(around, first.at)
    const [lines = [], ...moved] = await move(first, postgres, last)
    for (const other of moved) expect(other).toEqual(lines)

    const seen: unknown[] = []
    for (const place of [{ folder: first.at }, { databaseUrl: postgres.at }, { folder: last.at }]) {
      await using hub = await startHub(around, place)
      seen.push(await answers(hub, around))
      expect(await standing(hub, around)).toEqual({ live: 200, revoked: 401, bearer: 200 })
    }
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
  },
  timeoutMs,
)

test(
  'a hub goes on where another database was left: what waited is handled once, what was under way is finished',
  async () => {
    await using around = await startSurroundings()
    await using first = await sqliteSite()
    await using postgres = await postgresSite()
    await using last = await sqliteSite()
    await filledHub(around, first.at)
    await interrupt(first.at)
    const [lines = [], ...moved] = await move(first, postgres, last)
    for (const other of moved) expect(other).toEqual(lines)
    expect(Object.entries(rowsOf(lines)).filter(([, count]) => count === 0)).toEqual([]) // everything was in it
    expect(Object.keys(rowsOf(lines))).toEqual(Object.keys(movedTables))

    for (const place of [{ databaseUrl: postgres.at }, { folder: last.at }]) {
      await using hub = await startHub(around, place)
      await hub.handleAll()
      await goesOn(hub, around)
    }
  },
  timeoutMs,
)

async function filledHub(around: Surroundings, folder: string): Promise<void> {
  await using hub = await startHub(around, { folder })
  await fill(hub, around)
}

async function goesOn(hub: TestHub, { transmitter, sets }: Surroundings): Promise<void> {
  interface Shown {
    readonly jti: string | null
    readonly outcome: string
    readonly repeats: number
  }
  const signals = async (query: string): Promise<readonly Shown[]> =>
    ((await (await hub.api('GET', `/v1/signals${query}`)).json()) as { signals: readonly Shown[] }).signals
  const log = async (): Promise<readonly { uuid: string; published: string }[]> =>
    (await (await hub.api('GET', '/api/v1/logs?limit=1000')).json()) as { uuid: string; published: string }[]

  expect(await signals('?limit=2')).toMatchObject([
    { jti: 'pending', outcome: 'handled' },
    { jti: 'failed', outcome: 'failed' },
  ])
  await expect
    .poll(async () => JSON.stringify(await log()), { timeout: 20_000 })
    .not.toContain('gone@example.com')
  const erasures = async () =>
    ((await (await hub.api('GET', '/v1/erasures')).json()) as { erasures: { id: string; state: string }[] })
      .erasures
  await expect
    .poll(async () => (await erasures()).map(({ id, state }) => [id, state]), { timeout: 20_000 })
    .toEqual(['era2', 'era1', 'era0'].map((id) => [id, 'done']))
  const before = await log()
  expect(before.filter((entry) => JSON.stringify(entry).includes('"pending"'))).toHaveLength(1)

  const fresh = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject: ada, jti: 'fresh' })
  for (const push of [fresh, sets.get('handled') ?? '']) expect((await hub.push(push)).status).toBe(202)
  await hub.handleAll()
  expect(await signals('?limit=1')).toMatchObject([{ jti: 'fresh', outcome: 'handled' }])
  expect(await signals('?jti=handled')).toMatchObject([{ outcome: 'handled', repeats: 1 }])
  const after = await log()
  expect(after).toEqual([...before, ...after.slice(before.length)]) // new entries stand behind the old ones
  expect(after.length).toBeGreaterThan(before.length)
  expect(new Set(after.map(({ uuid }) => uuid)).size).toBe(after.length)
  expect((await hub.api('GET', '/v1/subjects/gone%40example.com')).status).toBe(404)
}
