import { describe, expect, test } from 'vitest'
import type { Storage } from '../../src/stores.ts'
import { logEvent, type LogEvent } from '../../src/systemlog/log-event.ts'
import type {
  LogPageQuery,
  LogPosition,
  PublishedPosition,
  StoredLogEvent,
} from '../../src/systemlog/system-log-store.ts'

const second = (seconds: number): Date => new Date(Date.UTC(2026, 2, 17, 6, 0, seconds))

function entry(name: string, publishedAt: number, eventType = 'test.done'): LogEvent {
  return logEvent(
    { now: () => second(publishedAt), newUuid: () => `uuid-${name}` },
    {
      eventType,
      displayMessage: name,
      by: { id: 'sse1', type: 'Test', displayName: 'Ada', alternateId: undefined },
      target: null,
      debugData: { quoted: '"\\\n\u{1F514}' },
    },
  )
}

const fromTheStart: LogPosition = { order: 'persisted', after: 0 }

function published(
  direction: PublishedPosition['direction'],
  over: Partial<PublishedPosition> = {},
): LogPosition {
  return { order: 'published', direction, since: second(0), until: second(59), after: undefined, ...over }
}

function behind(position: LogPosition, { sequence, published }: StoredLogEvent): LogPosition {
  return position.order === 'persisted'
    ? { order: 'persisted', after: sequence }
    : { ...position, after: { sequence, published } }
}

/** What every SystemLogStore does. */
export function systemLogStoreContract(name: string, open: () => Promise<Storage>): void {
  describe(`SystemLogStore on ${name}`, () => {
    async function names(storage: Storage, query: Partial<LogPageQuery> = {}): Promise<string[]> {
      const page = { position: fromTheStart, eventTypes: undefined, limit: 100, ...query }
      return (await storage.stores.systemLog.page(page)).map(({ event }) => event?.displayMessage ?? '')
    }

    /** Every page of two, followed to the end. */
    async function allNames(storage: Storage, query: Partial<LogPageQuery> = {}): Promise<string[]> {
      const all: string[] = []
      let { position = fromTheStart } = query
      for (;;) {
        const page = { eventTypes: undefined, ...query, position, limit: 2 }
        const entries = await storage.stores.systemLog.page(page)
        all.push(...entries.map(({ event }) => event?.displayMessage ?? ''))
        const last = entries.at(-1)
        if (last === undefined) return all
        position = behind(position, last)
      }
    }

    test('returns entries unchanged, with their members in order', async () => {
      await using storage = await open()
      const given = [entry('a', 1), entry('b', 2)]
      await storage.stores.systemLog.append(given)
      const found = await storage.stores.systemLog.page({
        position: fromTheStart,
        eventTypes: undefined,
        limit: 9,
      })
      expect(found.map(({ event }) => JSON.stringify(event))).toEqual(
        given.map((event) => JSON.stringify(event)),
      )
      expect(found.map((each) => each.published)).toEqual([second(1), second(2)])
    })

    test('an empty log has empty pages, and appending an empty list changes nothing', async () => {
      await using storage = await open()
      await storage.stores.systemLog.append([])
      expect(await names(storage)).toEqual([])
      expect(await names(storage, { position: { order: 'persisted', since: second(0) } })).toEqual([])
      expect(await names(storage, { position: published('descending') })).toEqual([])
    })

    test('OKTA-L10: entries are in the order of storing, whatever their published time', async () => {
      await using storage = await open()
      await storage.stores.systemLog.append([entry('a', 5), entry('b', 3)])
      await storage.stores.systemLog.append([entry('c', 4)])
      expect(await names(storage)).toEqual(['a', 'b', 'c'])
      expect(await allNames(storage)).toEqual(['a', 'b', 'c'])
    })

    test.each([
      { since: 0, expected: ['a', 'b', 'late', 'd'] },
      { since: 3, expected: ['b', 'late', 'd'] },
      { since: 5, expected: ['b', 'late', 'd'] },
      { since: 6, expected: ['d'] },
      { since: 8, expected: [] },
    ])(
      'since $since s starts at the first entry stored then, and omits none after it',
      async ({ since, expected }) => {
        await using storage = await open()
        await storage.stores.systemLog.append([entry('a', 1), entry('b', 5)])
        await storage.stores.systemLog.append([entry('late', 2)])
        await storage.stores.systemLog.append([entry('d', 7)])
        expect(await allNames(storage, { position: { order: 'persisted', since: second(since) } })).toEqual(
          expected,
        )
      },
    )

    test.each([
      { direction: 'ascending' as const, expected: ['a', 'b1', 'b2', 'b3', 'c'] },
      { direction: 'descending' as const, expected: ['c', 'b3', 'b2', 'b1', 'a'] },
    ])(
      'OKTA-L11: entries are in the order of published, $direction, also when a page ends within a millisecond',
      async ({ direction, expected }) => {
        await using storage = await open()
        await storage.stores.systemLog.append([entry('c', 3), entry('b1', 2), entry('a', 1), entry('b2', 2)])
        await storage.stores.systemLog.append([entry('b3', 2)])
        expect(await names(storage, { position: published(direction) })).toEqual(expected)
        expect(await allNames(storage, { position: published(direction) })).toEqual(expected)
      },
    )

    test.each(['ascending', 'descending'] as const)(
      '%s: since is inclusive, until exclusive',
      async (direction) => {
        await using storage = await open()
        await storage.stores.systemLog.append([1, 2, 3, 4].map((at) => entry(`${at}`, at)))
        const position = published(direction, { since: second(2), until: second(4) })
        expect((await allNames(storage, { position })).toSorted()).toEqual(['2', '3'])
      },
    )

    test.each([
      { eventTypes: ['x'], expected: ['x1', 'x2', 'x3'] },
      { eventTypes: ['x', 'y'], expected: ['x1', 'y1', 'x2', 'y2', 'x3'] },
      { eventTypes: ['nothing', 'y'], expected: ['y1', 'y2'] },
      { eventTypes: [], expected: [] },
    ])('only entries of types $eventTypes are returned, in every order', async ({ eventTypes, expected }) => {
      await using storage = await open()
      const kinds = ['x', 'y', 'z', 'x', 'y', 'x']
      const counts = new Map<string, number>()
      const entries = kinds.map((kind, at) => {
        counts.set(kind, (counts.get(kind) ?? 0) + 1)
        return entry(`${kind}${counts.get(kind)}`, at, kind)
      })
      await storage.stores.systemLog.append(entries)
      const since: LogPosition = { order: 'persisted', since: second(0) }
      expect(await allNames(storage, { eventTypes })).toEqual(expected)
      expect(await allNames(storage, { eventTypes, position: since })).toEqual(expected)
      expect(await allNames(storage, { eventTypes, position: published('ascending') })).toEqual(expected)
      expect(await allNames(storage, { eventTypes, position: published('descending') })).toEqual(
        expected.toReversed(),
      )
    })

    test.each([
      { containing: ['bell'], expected: ['Bell', undefined, 'BELL tower'] },
      { containing: ['tower', 'Ada'], expected: [undefined, undefined, 'BELL tower'] },
      { containing: ['\\"\\\\\\n\u{1F514}'], expected: ['Bell', '100%', 'BELL tower'] },
      { containing: ['0%'], expected: [undefined, '100%', undefined] },
      { containing: ['_%'], expected: [undefined, undefined, undefined] },
      { containing: ["' OR true --"], expected: [undefined, undefined, undefined] },
      { containing: ['ST.DONE'], expected: ['Bell', '100%', 'BELL tower'] }, // the type
      { containing: ['t.done', 'tower'], expected: [undefined, undefined, 'BELL tower'] },
      { containing: ['success', 'uuid-bell'], expected: ['Bell', undefined, 'BELL tower'] }, // what nearly all entries have
    ])('entries without $containing are skipped', async ({ containing, expected }) => {
      await using storage = await open()
      await storage.stores.systemLog.append([entry('Bell', 1), entry('100%', 2), entry('BELL tower', 3)])
      for (const position of [fromTheStart, published('ascending')]) {
        for (const eventTypes of [undefined, ['test.done']]) {
          const page = await storage.stores.systemLog.page({ position, eventTypes, containing, limit: 9 })
          expect(page.map(({ event }) => event?.displayMessage)).toEqual(expected)
          expect(page.map((each) => each.published)).toEqual([second(1), second(2), second(3)])
        }
      }
    })

    test('a thousand entries in one append keep their order', async () => {
      await using storage = await open()
      const entries = Array.from({ length: 1_000 }, (_, at) => entry(`${at}`, at % 60))
      await storage.stores.systemLog.append(entries)
      expect(await names(storage, { limit: 1_000 })).toEqual(
        entries.map(({ displayMessage }) => displayMessage),
      )
    })

    test('entries of a failed transaction are not stored and leave no gap', async () => {
      await using storage = await open()
      const failing = storage.transaction(async ({ systemLog }) => {
        await systemLog.append([entry('lost', 1)])
        throw new Error('on purpose')
      })
      await expect(failing).rejects.toThrow('on purpose')
      await storage.transaction(({ systemLog }) => systemLog.append([entry('kept', 2)]))
      expect(await names(storage)).toEqual(['kept'])
    })

    test('deletes the oldest by the time of storing, up to the limit', async () => {
      await using storage = await open()
      const { systemLog } = storage.stores
      await systemLog.append([entry('c', 3), entry('a', 1), entry('d', 4), entry('b', 2)])
      expect(await systemLog.deleteBefore(second(3), 2, second(60))).toEqual({ rows: 0, parts: 0 })
      expect(await systemLog.deleteBefore(second(4), 1, second(60))).toEqual({ rows: 1, parts: 0 })
      expect(await names(storage)).toEqual(['a', 'd', 'b'])
      expect(await systemLog.deleteBefore(second(4), 2, second(60))).toEqual({ rows: 1, parts: 0 })
      expect(await systemLog.deleteBefore(second(4), 2, second(60))).toEqual({ rows: 0, parts: 0 })
      expect(await names(storage)).toEqual(['d', 'b'])
      expect(await systemLog.deleteBefore(second(5), 9, second(60))).toEqual({ rows: 2, parts: 0 })
    })

    test('deletes entries from a time when the clock was ahead together with those that follow', async () => {
      await using storage = await open()
      const { systemLog } = storage.stores
      const ahead = ['x', 'y', 'z'].map((name) => entry(name, 50_000))
      await systemLog.append([entry('a', 1), ...ahead, entry('b', 2), entry('c', 9), entry('w', 50_000)])
      expect(await systemLog.deleteBefore(second(5), 2, second(60))).toEqual({ rows: 1, parts: 0 })
      expect(await systemLog.deleteBefore(second(5), 2, second(60))).toEqual({ rows: 2, parts: 0 }) // nothing but ahead
      expect(await systemLog.deleteBefore(second(5), 9, second(60))).toEqual({ rows: 2, parts: 0 })
      expect(await names(storage)).toEqual(['c', 'w'])
      expect(await systemLog.deleteBefore(second(5), 9, second(60))).toEqual({ rows: 0, parts: 0 })
      expect(await systemLog.deleteBefore(second(10), 9, second(60))).toEqual({ rows: 1, parts: 0 })
      // Nothing behind it says how old it is, until its own time has come.
      expect(await systemLog.deleteBefore(second(10), 9, second(60))).toEqual({ rows: 0, parts: 0 })
      expect(await systemLog.deleteBefore(second(60_000), 9, second(90_000))).toEqual({ rows: 1, parts: 0 })
    })

    test('a reader at the end gets all later entries, even after all earlier ones were deleted', async () => {
      await using storage = await open()
      await storage.stores.systemLog.append([entry('a', 1), entry('b', 2)])
      const seen = await storage.stores.systemLog.page({
        position: fromTheStart,
        eventTypes: undefined,
        limit: 9,
      })
      const after = seen.at(-1)?.sequence ?? 0
      await storage.stores.systemLog.deleteBefore(second(9), 9, second(60))
      await storage.stores.systemLog.append([entry('c', 3)])
      expect(await names(storage, { position: { order: 'persisted', after } })).toEqual(['c'])
    })
  })
}
