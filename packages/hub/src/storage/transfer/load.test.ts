import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { exported, imported, sites, sqliteSite, type TransferSite } from '../../../test/transfer-databases.ts'
import { signalId, signalKey } from '../../signals/signal-id.ts'
import { createSignalStore } from '../stores/signal-store.ts'
import { migrations } from '../migrations/index.ts'
import { TransferError } from './format.ts'
import { load } from './load.ts'
import { movedTables } from './tables.ts'

const key = signalKey('https://idp.example', 'a')
const header = {
  watchbell_export: 1,
  watchbell: '0.1.0',
  database: 'sqlite',
  exported_at: '2026-01-01T12:00:00.000Z',
  migrations: migrations.map(({ name }) => name),
}
const provider = {
  number: 3,
  id: 'sse1',
  name: 'Ädä 𝔘 \u2028',
  type: 'test',
  status: 'ACTIVE',
  issuer: 'https://idp.example',
  jwks_url: 'https://idp.example/jwks',
  well_known_url: null,
  created_at: 1_767_225_600_000,
  updated_at: Number.MAX_SAFE_INTEGER,
}
const signal = {
  sequence: 7,
  key,
  provider_id: 'sse1',
  iss: 'https://idp.example',
  jti: 'a',
  issued_at: 1,
  received_at: 2,
  events: '[]',
  via: 'push',
  source: null,
}
const logEvent = (sequence: number): object => ({
  sequence,
  published: 1,
  persisted: 1,
  event_type: 'a',
  event: '{}',
})

type Line = object | string

/** The closing line that fits these rows. */
function endOf(rows: readonly (readonly [string, object])[]): object {
  const counts = Object.fromEntries(
    Object.keys(movedTables).map((name) => [name, rows.filter(([table]) => table === name).length]),
  )
  const numbers = {
    arrivals: 9,
    providers: 3,
    streams: 0,
    risk_providers: 0,
    identifiers: 0,
    risk_history: 0,
    erasures: 5,
    log_events: 12,
  }
  return { end: { counts, numbers } }
}

const rows: readonly (readonly [string, object])[] = [
  ['providers', provider],
  ['counters', { name: 'accepted', shard: 0, value: 4 }],
  ['signals', signal],
  ['signal_keys', { key, sequence: 7 }],
  ['log_events', logEvent(2)],
  ['log_events', logEvent(10)],
]

const sound: readonly Line[] = [header, ...rows.map(([table, row]) => ({ table, row })), endOf(rows)]

const texts = (lines: readonly Line[]): readonly string[] =>
  lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))

describe.each(sites)('into %s', (_, open) => {
  test('an exported database is imported unchanged, and nothing else is', async () => {
    await using site = await open()
    const lines = texts(sound)
    const loaded = await imported(site, lines)
    expect(loaded.counts).toMatchObject({ providers: 1, counters: 1, signals: 1, log_events: 2, claims: 0 })
    expect((await exported(site)).slice(1)).toEqual(lines.slice(1))
  })

  test('numbering goes on after the last number ever given, and stores read the rows', async () => {
    await using site = await open()
    await imported(site, texts(sound))
    await using database = await site.target()
    const { db, variant } = database
    for (const [table, next] of [
      ['log_events', 13],
      ['erasures', 6],
      ['identifiers', 1],
    ] as const) {
      const insertions = {
        log_events: sql`INSERT INTO log_events (published, persisted, event_type, event) VALUES (1, 1, 'a', '{}')`,
        erasures: sql`INSERT INTO erasures (id, subject_id, subject_kind, requested_at, requested_by, deleted, rewritten) VALUES ('a', '', '', 0, '', '', '')`,
        identifiers: sql`INSERT INTO identifiers (identifier, id, entity, seen_at) VALUES ('a', 'a', 1, 1)`,
      }
      await insertions[table].execute(db)
      const column = { log_events: 'sequence', erasures: 'number', identifiers: 'node' }[table]
      const { rows } = await sql`SELECT max(${sql.ref(column)}) AS last FROM ${sql.table(table)}`.execute(db)
      expect([table, rows]).toEqual([table, [{ last: next }]])
    }
    const signals = createSignalStore(db, variant, {
      appendSignals: fail,
      recordRefusals: fail,
      deleteSignals: fail,
      deleteTokens: fail,
    })
    expect(await signals.find(signalId('https://idp.example', 'a'))).toMatchObject({ jti: 'a', repeats: 0 })
    expect(await signals.counts()).toMatchObject({ accepted: 4 })
  })

  test('a row that the database refuses undoes the whole import', async () => {
    await using site = await open()
    const bad = sound.map((line) =>
      typeof line === 'object' && 'table' in line && line.table === 'providers'
        ? { table: 'providers', row: { ...provider, status: 'ASLEEP' } }
        : line,
    )
    await expect(imported(site, texts(bad))).rejects.toThrow(/^A row of providers in lines 2 to 3 is refused/)
    await imported(site, texts(sound)) // it is still empty
  })

  test('an import into a used database is refused, and the error names the tables with rows', async () => {
    await using site = await open()
    await imported(site, texts(sound))
    await expect(imported(site, texts(sound))).rejects.toThrow(
      'The database is not empty: there are rows in providers, counters, signals, signal_keys, log_events.',
    )
  })

  test('an import without a commit leaves the database empty', async () => {
    await using site = await open()
    {
      await using database = await site.target()
      await sql`INSERT INTO issuers (iss) VALUES ('a')`.execute(database.db)
    }
    expect((await exported(site)).slice(1, -1)).toEqual([])
  })
})

function fail(): never {
  throw new Error('Nothing is appended here.')
}

/** Replaces, adds or takes away lines of a sound export. */
type Damage = (lines: Line[]) => Line[]

const at =
  (index: number, line: Line): Damage =>
  (lines) =>
    lines.with(index, line)
const row =
  (index: number, over: object): Damage =>
  (lines) => {
    const { table, row } = lines[index] as { table: string; row: object } // see `rows`
    return lines.with(index, { table, row: { ...row, ...over } })
  }
const end =
  (over: (end: { counts: Record<string, unknown>; numbers: Record<string, unknown> }) => void): Damage =>
  (lines) => {
    const last = structuredClone(lines.at(-1)) as { end: Parameters<typeof over>[0] } // see `endOf`
    over(last.end)
    return lines.with(-1, last)
  }
const without = (name: string, of: object): object =>
  Object.fromEntries(Object.entries(of).filter(([key]) => key !== name))

test.each<readonly [string, Damage, string]>([
  ['nothing at all', () => [], 'The file is empty.'],
  ['something else', () => ['hello'], 'Line 1 is not a JSON object'],
  ['a JSON object of somebody else', () => [{}], 'Line 1 is not the header of an export of Watchbell.'],
  ['no header', (lines) => lines.slice(1), 'Line 1 is not the header'],
  [
    'another format',
    at(0, { ...header, watchbell_export: 2 }),
    'in format 2 of Watchbell 0.1.0, and this one reads format 1',
  ],
  [
    'fewer steps',
    at(0, { ...header, migrations: header.migrations.slice(1) }),
    'whose tables are not those of this version',
  ],
  [
    'more steps',
    at(0, { ...header, migrations: [...header.migrations, 'x'] }),
    'Import it with that version',
  ],
  ['a second header', (lines) => lines.toSpliced(1, 0, header), 'Line 2 is no {"table": …, "row": {…}}'],
  ['an empty line', (lines) => lines.toSpliced(3, 0, ''), 'Line 4 is not a JSON object'],
  ['half a line', at(3, '{"table":"signals","row":{"seq'), 'Line 4 is not a JSON object'],
  ['an array', at(3, '[]'), 'Line 4 is not a JSON object'],
  ['no table', at(3, { row: {} }), 'Line 4 is no {"table"'],
  ['no row', at(3, { table: 'signals' }), 'Line 4 is no {"table"'],
  ['more than table and row', at(3, { table: 'signals', row: signal, also: 1 }), 'Line 4 is no {"table"'],
  ['a table that there is not', at(3, { table: 'nothing', row: {} }), "Line 4 is of the table 'nothing'"],
  ['a table that does not move', at(3, { table: 'leases', row: {} }), "Line 4 is of the table 'leases'"],
  [
    'a table of the database itself',
    at(3, { table: 'sqlite_sequence', row: {} }),
    "the table 'sqlite_sequence'",
  ],
  [
    'tables out of order',
    (lines) => lines.toSpliced(5, 0, { table: 'providers', row: provider }),
    'Line 6 is of providers, whose rows stand before those of signal_keys',
  ],
  [
    'a row twice',
    (lines) => lines.toSpliced(2, 0, { table: 'providers', row: provider }),
    'Line 3: its key (number) is not behind that of the line before',
  ],
  [
    'rows out of order',
    (lines) => lines.with(5, lines[6] ?? '').with(6, lines[5] ?? ''),
    'Line 7: its key (sequence) is not behind',
  ],
  ['no such column', row(3, { colour: 'red' }), 'Line 4: there is no column signals.colour'],
  [
    'a column that every object has',
    row(3, JSON.parse('{"__proto__":1}') as object),
    'Line 4: there is no column signals.__proto__',
  ],
  [
    'a missing column',
    at(3, { table: 'signals', row: without('jti', signal) }),
    'Line 4, column signals.jti is missing',
  ],
  [
    'a missing column that may be null',
    at(3, { table: 'signals', row: without('source', signal) }),
    'Line 4, column signals.source is missing',
  ],
  [
    'null where there must be something',
    row(3, { jti: null }),
    'Line 4, column signals.jti: it must be a text',
  ],
  ['a number for a text', row(3, { jti: 1 }), 'Line 4, column signals.jti: it must be a text'],
  [
    'a number for a text or null',
    row(3, { source: 1 }),
    'Line 4, column signals.source: it must be a text or null',
  ],
  ['an object for a text', row(3, { events: {} }), 'Line 4, column signals.events: it must be a text'],
  [
    'a text for a number',
    row(3, { sequence: '7' }),
    'Line 4, column signals.sequence: it must be a whole number',
  ],
  [
    'a number with a fraction',
    row(3, { received_at: 1.5 }),
    'Line 4, column signals.received_at: it must be a whole number',
  ],
  [
    'a number beyond 2⁵³',
    row(3, { received_at: 2 ** 53 }),
    'Line 4, column signals.received_at: it must be a whole number',
  ],
  [
    'a truth value',
    row(3, { received_at: true }),
    'Line 4, column signals.received_at: it must be a whole number',
  ],
  [
    'bytes that are no hex digits',
    row(3, { key: 'xyz' }),
    'Line 4, column signals.key: it must be bytes in lowercase hex digits',
  ],
  ['half a byte', row(3, { key: key.slice(1) }), 'Line 4, column signals.key: it must be bytes'],
  ['bytes in capitals', row(3, { key: key.toUpperCase() }), 'Line 4, column signals.key: it must be bytes'],
  [
    'no closing line',
    (lines) => lines.slice(0, -1),
    'The file ends with line 7 and has no closing line: it was cut off',
  ],
  ['only a header', (lines) => lines.slice(0, 1), 'The file ends with line 1 and has no closing line'],
  [
    'a row behind the closing line',
    (lines) => [...lines, lines[6] ?? ''],
    'Line 9 stands behind the closing line',
  ],
  ['two closing lines', (lines) => [...lines, lines.at(-1) ?? ''], 'Line 9 stands behind the closing line'],
  [
    'a lost row',
    (lines) => lines.toSpliced(4, 1),
    'Line 7 counts 1 rows of signal_keys, and there were 0: lines are missing',
  ],
  [
    'a row too many',
    (lines) => lines.toSpliced(7, 0, { table: 'log_events', row: logEvent(11) }),
    'Line 9 counts 2 rows of log_events, and there were 3',
  ],
  [
    'no counts',
    end((last) => Reflect.deleteProperty(last, 'counts')),
    'Line 8 counts undefined rows of providers',
  ],
  [
    'no count of a table',
    end(({ counts }) => Reflect.deleteProperty(counts, 'claims')),
    'Line 8 counts undefined rows of claims',
  ],
  ['a closing line that is none', at(7, { end: true }), 'Line 8 counts undefined rows of providers'],
  [
    'no number',
    end(({ numbers }) => Reflect.deleteProperty(numbers, 'identifiers')),
    'Line 8: numbers.identifiers must be a whole number of at least 0',
  ],
  [
    'a number that was given already',
    end(({ numbers }) => (numbers['log_events'] = 9)),
    'Line 8: numbers.log_events must be a whole number of at least 10',
  ],
  [
    'an arrival that was counted already',
    end(({ numbers }) => (numbers['arrivals'] = 6)),
    'Line 8: numbers.arrivals must be a whole number of at least 7',
  ],
  [
    'a number below zero',
    end(({ numbers }) => (numbers['identifiers'] = -1)),
    'numbers.identifiers must be a whole number',
  ],
])('%s is refused, and nothing is imported', async (_, damage, problem) => {
  await using site = await sqliteSite()
  const refusal = imported(site, texts(damage([...sound])))
  await expect(refusal).rejects.toThrow(problem)
  await expect(refusal).rejects.toThrow(TransferError)
  expect(await countOf(site, 'providers')).toBe(0)
})

test.each([
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22, 0x0a]), 'Line 1 is not a JSON object'],
  ['a byte order mark', Buffer.from('\uFEFF{}\n'), 'Line 1 is not a JSON object'],
  [
    'a compressed file',
    Buffer.from([0x1f, 0x8b, 0x08, 0x0a]),
    'Line 1 is compressed: gunzip -c FILE | watchbell import -',
  ],
])('%s are refused', async (_, bytes, problem) => {
  await using site = await sqliteSite()
  await using database = await site.target()
  const chunks = (async function* () {
    yield bytes
  })()
  await expect(load(database, chunks)).rejects.toThrow(problem)
})

async function countOf(site: TransferSite, table: string): Promise<unknown> {
  await using database = await site.target()
  const { rows } = await sql<{ count: number }>`SELECT count(*) AS count FROM ${sql.table(table)}`.execute(
    database.db,
  )
  return rows[0]?.count
}
