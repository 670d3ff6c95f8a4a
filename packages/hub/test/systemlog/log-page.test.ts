import { fc, propertyRuns } from '../../../receiver/test/properties.ts'
import { describe, expect, test } from 'vitest'
import type { Storage } from '../../src/stores.ts'
import { logEvent, type LogEvent } from '../../src/systemlog/log-event.ts'
import { readLogPage, type LogPage, type ScanBudgets } from '../../src/systemlog/log-page.ts'
import { readLogQuery } from '../../src/systemlog/log-query.ts'
import type { SystemLogStore } from '../../src/systemlog/system-log-store.ts'
import { openTemporarySqlite } from '../contract/open-sqlite.ts'

const now = new Date('2026-03-17T06:00:14.000Z')
const world = { now: () => now }
const before = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000)

function entry(name: string, publishedAt = before(60), eventType = 'test.done'): LogEvent {
  return logEvent(
    { now: () => publishedAt, newUuid: () => name },
    {
      eventType,
      displayMessage: name,
      by: { id: 'sse1', type: 'Test', displayName: 'Ada', alternateId: undefined },
      target: null,
      debugData: {},
    },
  )
}

interface Reading {
  readonly budgets?: ScanBudgets
}

async function read(
  storage: Storage,
  query: string,
  reading: Reading = {},
): Promise<LogPage & { names: string[] }> {
  const { systemLog } = storage.stores
  const page = await readLogPage(
    { systemLog, world, ...reading },
    readLogQuery(new URLSearchParams(query), now),
  )
  return { ...page, names: page.events.map(({ displayMessage }) => displayMessage) }
}

/** Follows `next` to the end, or to the first empty page of a query that never ends. */
async function readAll(
  storage: Storage,
  query: string,
  reading: Reading & { endless: boolean },
): Promise<string[]> {
  const all: string[] = []
  let page = await read(storage, query, reading)
  for (;;) {
    all.push(...page.names)
    if (page.next === undefined || (reading.endless && page.names.length === 0)) return all
    page = await read(storage, `${query}&after=${page.next}`, reading)
  }
}

/** Reads a page, and how many entries each look at the store asked for. */
async function readWatched(
  storage: Storage,
  query: string,
): Promise<{ readonly page: LogPage; readonly limits: readonly number[] }> {
  const limits: number[] = []
  const systemLog: Pick<SystemLogStore, 'page'> = {
    page(asked) {
      limits.push(asked.limit)
      return storage.stores.systemLog.page(asked)
    },
  }
  const page = await readLogPage({ systemLog, world }, readLogQuery(new URLSearchParams(query), now))
  return { page, limits }
}

const bounded = 'since=2026-03-17T05:00:00Z&until=2026-03-17T06:00:14Z'
const filtered = (filter: string): string => `filter=${encodeURIComponent(filter)}`

describe('polling', () => {
  test('OKTA-L10: next is there on an empty page too, and goes on where the page ended', async () => {
    await using storage = await openTemporarySqlite()
    const first = await read(storage, 'limit=2')
    expect([first.names, first.next]).toEqual([[], expect.any(String)])

    await storage.stores.systemLog.append([entry('a'), entry('b'), entry('c')])
    const second = await read(storage, `limit=2&after=${first.next}`)
    const third = await read(storage, `limit=2&after=${second.next}`)
    const fourth = await read(storage, `limit=2&after=${third.next}`)
    expect([second.names, third.names, fourth.names]).toEqual([['a', 'b'], ['c'], []])

    await storage.stores.systemLog.append([entry('d')])
    expect((await read(storage, `limit=2&after=${fourth.next}`)).names).toEqual(['d'])
    expect((await read(storage, `limit=2&after=${first.next}`)).names).toEqual(['a', 'b'])
  })

  test('OKTA-L10: an entry that was published earlier and stored later comes later, and is not missed', async () => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append([entry('a', before(10))])
    const page = await read(storage, '')
    await storage.stores.systemLog.append([entry('late', before(500))])
    expect((await read(storage, `after=${page.next}`)).names).toEqual(['late'])
  })

  test('entries that do not match are passed over once, also when nothing does', async () => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append([entry('a'), entry('b')])
    const page = await read(storage, filtered('displayMessage eq "c"'))
    expect(page.names).toEqual([])
    await storage.stores.systemLog.append([entry('c')])
    expect((await read(storage, `${filtered('displayMessage eq "c"')}&after=${page.next}`)).names).toEqual([
      'c',
    ])
    expect((await read(storage, `after=${page.next}`)).names).toEqual(['c'])
  })

  test('OKTA-L7: limit=0 is an empty page that moves nowhere', async () => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append([entry('a')])
    const page = await read(storage, 'limit=0')
    expect(page.names).toEqual([])
    expect((await read(storage, `after=${page.next}`)).names).toEqual(['a'])
  })

  test('OKTA-L1: since defaults to seven days ago', async () => {
    await using storage = await openTemporarySqlite()
    const week = 7 * 86_400
    await storage.stores.systemLog.append([entry('old', before(week + 1)), entry('new', before(week))])
    expect((await read(storage, '')).names).toEqual(['new'])
  })
})

describe('bounded', () => {
  test.each([
    { count: 0, pages: [0] },
    { count: 1, pages: [1] },
    { count: 2, pages: [2] },
    { count: 3, pages: [2, 1] },
    { count: 4, pages: [2, 2] },
  ])('OKTA-L11: $count entries are pages of $pages, and the last has no next', async ({ count, pages }) => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append(Array.from({ length: count }, (_, at) => entry(`${at}`)))
    const found: number[] = []
    let page = await read(storage, `${bounded}&limit=2`)
    for (;;) {
      found.push(page.names.length)
      if (page.next === undefined) break
      page = await read(storage, `${bounded}&limit=2&after=${page.next}`)
    }
    expect(found).toEqual(pages)
  })

  test('OKTA-L8, OKTA-L11: ordered by published, either way', async () => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append([
      entry('b', before(20)),
      entry('a', before(30)),
      entry('c', before(10)),
    ])
    expect((await read(storage, bounded)).names).toEqual(['a', 'b', 'c'])
    expect((await read(storage, 'sortOrder=DESCENDING')).names).toEqual(['c', 'b', 'a'])
  })

  test('DESCENDING without until shows what is published now, and its later pages nothing newer', async () => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append([entry('a', before(1)), entry('b', now)])
    const page = await read(storage, 'sortOrder=DESCENDING&limit=1')
    await storage.stores.systemLog.append([entry('c', now)])
    expect(page.names).toEqual(['b'])
    expect((await read(storage, `sortOrder=DESCENDING&limit=1&after=${page.next}`)).names).toEqual(['a'])
  })

  test('OKTA-L7: limit=0 is an empty page and the last one', async () => {
    await using storage = await openTemporarySqlite()
    await storage.stores.systemLog.append([entry('a')])
    expect(await read(storage, `${bounded}&limit=0`)).toMatchObject({ names: [], next: undefined })
  })
})

test('a page that matches little is given up after its budget, and its next goes on', async () => {
  await using storage = await openTemporarySqlite()
  const entries = Array.from({ length: 1_200 }, (_, at) => entry(at % 599 === 598 ? 'needle' : 'hay'))
  await storage.stores.systemLog.append(entries.slice(0, 1_000))
  await storage.stores.systemLog.append(entries.slice(1_000))
  const budget = { entriesMax: 1, ms: 1_000 }
  const needles = filtered('displayMessage eq "needle"')
  const first = await read(storage, `${needles}&${bounded}`, { budgets: { some: budget, none: budget } })
  expect([first.names, first.next]).toEqual([[], expect.any(String)])
  const whole = await readAll(storage, `${needles}&${bounded}`, {
    budgets: { some: budget, none: budget },
    endless: false,
  })
  expect(whole).toEqual(['needle', 'needle'])
})

test('whatever the limit, filter, order and budget: every match exactly once', async () => {
  await using storage = await openTemporarySqlite()
  const types = ['x', 'y', 'z']
  const entries = Array.from({ length: 300 }, (_, at) =>
    entry(`${at}`, before(1 + ((at * 7) % 40)), types[at % 3]),
  )
  await storage.stores.systemLog.append(entries)
  const filters = [
    '',
    'eventType eq "x"',
    'eventType eq "x" or eventType eq "z"',
    'eventType ne "x"',
    'eventType pr',
  ]
  const kept: Record<string, (event: LogEvent) => boolean> = {
    'eventType eq "x"': ({ eventType }) => eventType === 'x',
    'eventType eq "x" or eventType eq "z"': ({ eventType }) => eventType !== 'y',
    'eventType ne "x"': ({ eventType }) => eventType !== 'x',
  }
  const orders = ['', bounded, 'sortOrder=DESCENDING', `${bounded}&sortOrder=DESCENDING`]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...filters),
      fc.constantFrom(...orders),
      fc.integer({ min: 20, max: 400 }),
      fc.integer({ min: 1, max: 700 }),
      async (filter, order, limit, entriesMax) => {
        const budget = { entriesMax, ms: 1_000 }
        const query = [filtered(filter), `limit=${limit}`, order].filter((part) => part !== '').join('&')
        const reading = { budgets: { some: budget, none: budget }, endless: order === '' }
        const found = await readAll(storage, query, reading)
        const expected = entries
          .filter(kept[filter] ?? (() => true))
          .map(({ displayMessage }) => displayMessage)
        const inOrder = order === '' ? found : found.toSorted((a, b) => Number(a) - Number(b))
        expect(inOrder).toEqual(expected)
      },
    ),
    { numRuns: propertyRuns(10) },
  )
})

test.each([
  ['what nothing contains', `q=nowhere&${bounded}`, [500, 4_000]],
  ['what no text tells', `${filtered('not (displayMessage sw "hay")')}&${bounded}`, [500, 500, 500]],
] as const)(
  'many are looked at together only where none has to be carried: %s',
  async (_what, query, looks) => {
    await using storage = await openTemporarySqlite()
    const entries = Array.from({ length: 1_400 }, (_, at) => entry(`hay ${at}`))
    for (const part of [entries.slice(0, 700), entries.slice(700)])
      await storage.stores.systemLog.append(part)
    const { page, limits } = await readWatched(storage, query)
    expect(page.events).toEqual([])
    expect(limits).toEqual(looks)
  },
)

test.each([
  ['a page full of one type', 'eventType eq "test.done"', [3]],
  ['the first look does not fill it', 'eventType eq "test.done" and displayMessage eq "hay 600"', [3, 4_000]],
])('entries of known types are read no further than the page needs: %s', async (_what, filter, looks) => {
  await using storage = await openTemporarySqlite()
  await storage.stores.systemLog.append(Array.from({ length: 700 }, (_, at) => entry(`hay ${at}`)))
  const { page, limits } = await readWatched(storage, `limit=2&${filtered(filter)}&${bounded}`)
  expect(page.events.length).toBeGreaterThan(0)
  expect(limits).toEqual(looks)
})

test('what narrows the reading loses nothing: signs, letter case, quotes, other alphabets', async () => {
  await using storage = await openTemporarySqlite()
  const words = [
    'Kim',
    '\u212Aim',
    'İnal',
    'straße',
    '100%',
    '_',
    '"quoted"',
    'back\\slash',
    '鐘',
    'a-b',
    'Ωmega',
  ]
  const entries = words.flatMap((one) => words.map((other) => entry(`${one} ${other}`)))
  await storage.stores.systemLog.append(entries)
  const anyWord = fc.constantFrom(...words, ...words.map((word) => word.toUpperCase()), 'ada', 'nothing')
  await fc.assert(
    fc.asyncProperty(anyWord, anyWord, fc.boolean(), async (one, other, asFilter) => {
      const co = (text: string): string => `displayMessage co ${JSON.stringify(text)}`
      const query = asFilter
        ? filtered(`${co(one)} and ${co(other)}`)
        : `q=${encodeURIComponent(`${one} ${other}`)}`
      const { matches = () => true } = readLogQuery(new URLSearchParams(query), now)
      const { names } = await read(storage, `${query}&limit=1000`)
      expect(names).toEqual(entries.filter(matches).map(({ displayMessage }) => displayMessage))
    }),
    { numRuns: propertyRuns(25) },
  )
})
