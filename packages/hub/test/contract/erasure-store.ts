import { describe, expect, test } from 'vitest'
import { realWorld } from '../../src/base/world.ts'
import { applyStatements } from '../../src/risk/apply-statements.ts'
import { judgeOf } from '../known-sources.ts'
import type { Storage } from '../../src/stores.ts'
import type { Identifier } from '../../src/subjects/identifier.ts'
import { erasurePlaces, type Erasure } from '../../src/subjects/erasure-store.ts'
import { userStatement } from './user-statement.ts'

const world = realWorld(globalThis.fetch)
const ada: Identifier = 'user:email:ada@example.com'
const bob: Identifier = 'user:email:bob@example.com'
const sub: Identifier = 'user:iss_sub:https://idp.example|1'

const erasure = (id: string, over: Partial<Erasure> = {}): Erasure => ({
  id,
  names: { pseudonym: `erased-${id}`, identifiers: [ada], ids: [], displayName: 'Ada' },
  place: 'signals',
  after: 0,
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
    test('the oldest that is not finished is next, however far it has come', async () => {
      await using storage = await open()
      const { erasures } = storage.stores
      expect(await erasures.next()).toBeUndefined()
      const ids = ['era3', 'era1', 'era2']
      for (const id of ids) await storage.transaction((tx) => tx.erasures.begin(0, erasure(id)))
      expect(await erasures.next()).toEqual(erasure('era3'))
      await erasures.advance(erasure('era3', { place: 'log', after: 7 }))
      expect(await erasures.next()).toEqual(erasure('era3', { place: 'log', after: 7 }))
      for (const id of ids) {
        expect(await erasures.next()).toMatchObject({ id })
        await erasures.finish(id)
      }
      expect(await erasures.next()).toBeUndefined()
    })

    test('one that has looked through everything remembers no names until it is finished, and says so by its epoch', async () => {
      await using storage = await open()
      const { erasures } = storage.stores
      await storage.transaction((tx) => tx.erasures.begin(0, erasure('era1')))
      const epoch = await erasures.epoch()
      await storage.transaction((tx) => tx.erasures.forgetNames('era1'))
      const left = await erasures.next()
      expect(left).toMatchObject({ id: 'era1', place: 'files' })
      expect(JSON.stringify(left)).not.toMatch(/ada/i)
      expect(await erasures.epoch()).not.toBe(epoch)
    })

    test('all that hangs on the identifiers of one goes at once, and nothing of anybody else', async () => {
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
      await storage.transaction(({ erasures }) => erasures.begin(entity, erasure('era1')))

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
      'of %s the messages of some things are seen together, page by page, and each changed by itself',
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

    test('why events of signals were applied to nobody is seen signal by signal, and changed', async () => {
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

    test('history is seen in its order, and changed', async () => {
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

    test('there is nothing to see where nothing is', async () => {
      await using storage = await open()
      for (const place of erasurePlaces) expect(await storage.stores.erasures.page(place, 0, 10)).toEqual([])
    })
  })
}
