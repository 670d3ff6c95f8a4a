import { describe, expect, test } from 'vitest'
import { realWorld } from '../../src/base/world.ts'
import { applyStatements } from '../../src/risk/apply-statements.ts'
import { judgeOf } from '../known-sources.ts'
import type { Storage } from '../../src/stores.ts'
import type { Identifier } from '../../src/subjects/identifier.ts'
import {
  erasurePlaces,
  type ErasureQuery,
  type ErasureRequest,
  type RewrittenRows,
} from '../../src/subjects/erasure-store.ts'
import { userStatement } from './user-statement.ts'

const world = realWorld(globalThis.fetch)
const ada: Identifier = 'user:email:ada@example.com'
const bob: Identifier = 'user:email:bob@example.com'
const sub: Identifier = 'user:iss_sub:https://idp.example|1'

const at = (ms: number): Date => new Date(1_800_000_000_000 + ms)
const admin = { id: '00u1', type: 'User', displayName: 'Root', alternateId: undefined }

const nothing = Object.fromEntries(erasurePlaces.map((place) => [place, 0])) as RewrittenRows // all places

const request = (id: string, over: Partial<ErasureRequest> = {}): ErasureRequest => ({
  id,
  subject: { id: `of-${id}`, kind: 'user' },
  requestedAt: at(0),
  requestedBy: admin,
  names: { pseudonym: `erased-${id}`, identifiers: [ada], ids: [], displayName: 'Ada' },
  ...over,
})

/** Everything that can be said of users: reasons, replaced ones, revocations, joins. */
async function tell(storage: Storage, names: readonly (readonly Identifier[])[], by = 'sse1'): Promise<void> {
  await storage.transaction(({ subjects, risk }) =>
    applyStatements(
      {
        subjects,
        risk,
        world,
        judge: judgeOf('sse1', 'sse2'),
        origin: 'https://hub.example',
        ignoreUnknownUsers: false,
      },
      names.flatMap((identifiers) => [userStatement(1, identifiers, by), userStatement(2, identifiers, by)]),
    ),
  )
}

/** What every ErasureStore must do. */
export function erasureStoreContract(database: string, open: () => Promise<Storage>): void {
  describe(`ErasureStore on ${database}`, () => {
    test('an erasure passes through its states with others and is pruned', async () => {
      await using storage = await open()
      const { erasures } = storage.stores
      expect(await erasures.walk()).toBeUndefined()
      expect(await erasures.backlog()).toEqual({ count: 0, since: undefined })
      const ids = ['era3', 'era1', 'era2']
      for (const [ms, id] of ids.entries()) {
        await storage.transaction((tx) => tx.erasures.begin(0, request(id, { requestedAt: at(ms) })))
      }
      expect(await erasures.backlog()).toEqual({ count: 3, since: at(0) })
      const rewritten = nothing
      const deleted = { identifiers: 0, reasons: 0, revocations: 0, history: 0 }
      const waiting = {
        number: 1,
        id: 'era3',
        subject: { id: 'of-era3', kind: 'user' },
        state: 'waiting',
        requestedAt: at(0),
        requestedBy: { id: '00u1', type: 'User', displayName: 'Root' },
        startedAt: undefined,
        finishedAt: undefined,
        walk: undefined,
        deleted,
        rewritten,
      }
      expect(await erasures.find('era3')).toEqual(waiting)
      expect(await erasures.ofSubject('of-era3')).toEqual(waiting)
      expect(await erasures.find('era4')).toBeUndefined()
      expect(await erasures.ofSubject('of-era4')).toBeUndefined()

      const named = await erasures.names(2, 'waiting')
      expect(named).toEqual(['era3', 'era1'].map((id) => ({ id, names: request(id).names })))
      await erasures.startWalk(
        named.map(({ id }) => id),
        at(5),
      )
      expect((await erasures.names(9, 'waiting')).map(({ id }) => id)).toEqual(['era2'])
      expect((await erasures.names(9, ['era1', 'era2'])).map(({ id }) => id)).toEqual(['era1', 'era2'])
      const first = { place: 'signals', after: 0, rows: 0 } as const
      expect(await erasures.walk()).toEqual({
        ...first,
        erasures: ['era3', 'era1'].map((id) => ({ id, rewritten })),
      })
      await erasures.advance({ place: 'log', after: 7, rows: 300 })
      await erasures.count('era1', { ...nothing, log: 4 })
      expect(await erasures.walk()).toMatchObject({
        place: 'log',
        after: 7,
        rows: 300,
        erasures: [{ id: 'era3' }, { id: 'era1', rewritten: { log: 4 } }],
      })
      expect(await erasures.find('era2')).toMatchObject({ state: 'waiting', walk: undefined })
      expect(await erasures.find('era1')).toMatchObject({ state: 'running', startedAt: at(5) })

      const epoch = await erasures.epoch()
      await storage.transaction((tx) => tx.erasures.endWalk(310))
      expect(await erasures.epoch()).not.toBe(epoch)
      expect(await erasures.walk()).toBeUndefined()
      expect(await erasures.inFiles()).toEqual(['era3', 'era1'])
      expect((await erasures.names(9)).map(({ id }) => id)).toEqual(['era2']) // of the others none are kept
      expect(await erasures.find('era1')).toMatchObject({
        state: 'running',
        walk: { place: 'files', after: 0, rows: 310 },
      })
      await erasures.finish(['era3', 'era1'], at(9))
      await erasures.finish(['era1'], at(10))
      expect(await erasures.inFiles()).toEqual([])
      expect(await erasures.find('era1')).toMatchObject({
        state: 'done',
        finishedAt: at(9),
        walk: undefined,
      })
      expect(await erasures.backlog()).toEqual({ count: 1, since: at(2) })

      expect(await erasures.deleteBefore(at(9), 10)).toBe(0)
      expect(await erasures.deleteBefore(at(10), 1)).toBe(1)
      expect(await erasures.deleteBefore(at(10), 10)).toBe(1)
      expect((await erasures.list({ limit: 10 })).erasures.map(({ id }) => id)).toEqual(['era2'])
    })

    test('the list has the newest first, filters by state, and has pages', async () => {
      await using storage = await open()
      const { erasures } = storage.stores
      for (const id of ['a', 'b', 'c', 'd', 'e'])
        await storage.transaction((tx) => tx.erasures.begin(0, request(id)))
      await erasures.startWalk(['a', 'b'], at(1))
      await storage.transaction((tx) => tx.erasures.endWalk(0))
      await erasures.finish(['a', 'b'], at(2))
      await erasures.startWalk(['c'], at(3))
      const listed = async (query: ErasureQuery) => {
        const page = await erasures.list(query)
        return [page.erasures.map(({ id }) => id).join(''), page.next]
      }
      expect(await listed({ limit: 2 })).toEqual(['ed', 4])
      expect(await listed({ limit: 2, before: 4 })).toEqual(['cb', 2])
      expect(await listed({ limit: 2, before: 2 })).toEqual(['a', undefined])
      expect(await listed({ limit: 9, state: 'waiting' })).toEqual(['ed', undefined])
      expect(await listed({ limit: 9, state: 'running' })).toEqual(['c', undefined])
      expect(await listed({ limit: 1, state: 'done' })).toEqual(['b', 2])
    })

    test('the requester is a text that may name the erased user', async () => {
      await using storage = await open()
      const { erasures } = storage.stores
      await storage.transaction((tx) => tx.erasures.begin(0, request('era1')))
      const [row] = await erasures.page('erasures', 0, 10)
      expect(row).toMatchObject({ sequence: 1, plain: {}, issuer: '' })
      const texts = { requested_by: JSON.stringify({ ...admin, displayName: 'erased' }) }
      await erasures.rewrite('erasures', [{ sequence: 1, texts, terms: [] }])
      expect((await erasures.find('era1'))?.requestedBy.displayName).toBe('erased')
      expect(await erasures.page('erasures', 1, 10)).toEqual([])
    })

    test('rewriting signals starts a new epoch, and signals read before it are not used', async () => {
      await using storage = await open()
      const { erasures } = storage.stores
      const epoch = await erasures.epoch()
      await erasures.rewrite('signals', [])
      await erasures.rewrite('log', [{ sequence: 1, texts: { event: '{}' }, terms: [] }])
      expect(await erasures.epoch()).toBe(epoch)
      await erasures.rewrite('signals', [{ sequence: 1, texts: { jti: 'x' }, terms: [] }])
      expect(await erasures.epoch()).not.toBe(epoch)
    })

    test('everything about the identifiers of one user is deleted at once, and nothing about others', async () => {
      await using storage = await open()
      await tell(storage, [[ada, sub], [bob]])
      const { subjects, risk, riskReader } = storage.stores
      const [gone] = await subjects.resolve([ada])
      const entity = gone?.entity ?? 0
      await subjects.putLoaded(ada, {
        login: 'ada',
        displayName: 'Ada',
        loadedAt: world.now(),
        claim: undefined,
      })
      expect(await risk.history(entity, 10)).toHaveLength(1)
      await storage.transaction(({ erasures }) => erasures.begin(entity, request('era1')))
      expect((await storage.stores.erasures.find('era1'))?.deleted).toEqual({
        identifiers: 2,
        reasons: 2,
        revocations: 2,
        history: 1,
      })

      expect((await subjects.resolve([ada, sub, bob])).map(({ identifier }) => identifier)).toEqual([bob])
      expect(await risk.states([entity])).toEqual([])
      expect(await risk.history(entity, 10)).toEqual([])
      expect(await subjects.loadedBefore(ada)).toBeUndefined()
      const asked = (user: string) => riskReader.read({ user }, world.now())
      expect(await asked('ada@example.com')).toEqual({ entities: [], revocations: [] })
      const other = await asked('bob@example.com')
      expect(other).toMatchObject({
        entities: [{ reasons: [{ level: 'HIGH' }] }],
        revocations: [{ user: bob }],
      })

      await tell(storage, [[ada, sub]]) // what is said of them again begins anew, joined as before
      const again = await subjects.resolve([ada, sub])
      expect(new Set(again.map((node) => node.entity)).size).toBe(1)
      expect(again.every(({ node }) => node > entity)).toBe(true)
    })

    test.each(['reasons', 'revocations'] as const)(
      'messages of %s are read by entity and page, and each is changed separately',
      async (place) => {
        await using storage = await open()
        const { subjects, erasures, riskReader } = storage.stores
        await tell(storage, [[ada], [bob], [sub]])
        await tell(storage, [[ada, 'user:account:acct:ada']], 'sse2') // ada has two of each
        const nodes = (await subjects.resolve([ada, bob, sub])).map(({ node }) => node)
        const pages = [await erasures.page(place, 0, 2)]
        pages.push(await erasures.page(place, pages[0]?.at(-1)?.sequence ?? 0, 2))
        expect(pages.map(({ length }) => length)).toEqual([2, 2])
        expect(await erasures.page(place, pages[1]?.at(-1)?.sequence ?? 0, 2)).toEqual([])
        const rows = pages.flat()
        expect(rows.map(({ sequence }) => sequence)).toEqual(
          expect.arrayContaining(nodes.toSorted((a, b) => a - b)),
        )
        for (const { json, issuer } of rows) expect([json, issuer]).toEqual([{}, ''])

        const [node] = await subjects.resolve([ada])
        const row = rows.find(({ sequence }) => sequence === node?.node)
        const keys = Object.keys(row?.plain ?? {})
        const name = keys.find((key) => row?.plain[key] === `about ${ada}`) ?? ''
        const others = keys.filter((key) => key !== name)
        expect([keys.length, others.length]).toEqual([2, 1])
        await erasures.rewrite(place, [
          { sequence: row?.sequence ?? 0, texts: { [name]: 'erased' }, terms: [] },
        ])
        const [changed] = await erasures.page(place, (row?.sequence ?? 0) - 1, 1)
        expect(changed?.plain[name]).toBe('erased')
        for (const other of others) expect(changed?.plain[other]).toBe(row?.plain[other])
        const { entities, revocations } = await riskReader.read({ user: 'bob@example.com' }, world.now())
        expect([entities[0]?.reasons[0]?.message, revocations[0]?.message]).toEqual([
          `about ${bob}`,
          `about ${bob}`,
        ])
      },
    )

    test('reasons of unmatched events are read per signal and changed', async () => {
      await using storage = await open()
      const { signals, erasures } = storage.stores
      const unmatched = [0, 1].map((event) => ({ event, reason: `because of ${event}` }))
      const handled = [7, 8, 9].map((sequence) => ({ sequence, terms: [], unmatched }))
      await signals.settle({ handled, failed: [] })
      const page = await erasures.page('unmatched', 7, 1)
      const [row] = page
      expect(page).toHaveLength(1)
      expect(row).toMatchObject({ sequence: 8, json: {}, issuer: '' })
      const [[name, reason] = ['', ''], [other] = ['']] = Object.entries(row?.plain ?? {})
      expect(reason).toBe('because of 0')
      await erasures.rewrite('unmatched', [{ sequence: 8, texts: { [name]: 'erased' }, terms: [] }])
      const [changed, next] = await erasures.page('unmatched', 7, 2)
      expect(changed?.plain).toEqual({ [name]: 'erased', [other]: 'because of 1' })
      expect(next).toEqual({ ...row, sequence: 9 })
    })

    test('history is read in its order and changed', async () => {
      await using storage = await open()
      await tell(storage, [[ada], [bob]])
      const { erasures } = storage.stores
      const rows = await erasures.page('history', 0, 10)
      expect(rows.map(({ plain, issuer }) => [plain, issuer])).toEqual([
        [{}, ''],
        [{}, ''],
      ])
      expect(rows.map(({ json }) => json['reason']?.includes(ada))).toEqual([true, false])
      const [first] = rows
      await erasures.rewrite('history', [
        { sequence: first?.sequence ?? 0, texts: { reason: '{}' }, terms: [] },
      ])
      expect((await erasures.page('history', 0, 10)).map(({ json }) => json['reason'])).toEqual([
        '{}',
        rows[1]?.json['reason'],
      ])
      expect(await erasures.page('history', rows[0]?.sequence ?? 0, 10)).toHaveLength(1)
    })

    test('an empty store has nothing to read', async () => {
      await using storage = await open()
      for (const place of erasurePlaces) expect(await storage.stores.erasures.page(place, 0, 10)).toEqual([])
    })
  })
}
