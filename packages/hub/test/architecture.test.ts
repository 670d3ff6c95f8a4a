import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = resolve(import.meta.dirname, '../src')

/** Rooms and files of the first floor, as in docs/ARCHITECTURE.md: each may import what stands before it. */
const order = [
  'base',
  'access',
  'providers',
  'streams',
  'signals',
  'subjects',
  'risk',
  'policy',
  'systemlog',
  'delivery',
  'stores.ts',
  'journal',
  'ingest',
  'handling',
  'upkeep',
  'hub.ts',
  'wire',
  'http',
  'storage',
  'metrics',
  'config',
  'run',
  'testing',
  'cli',
  'index.ts',
]

/** Which packages the domain must not know. */
const outside = [
  'fastify',
  'kysely',
  'better-sqlite3',
  'pg',
  'commander',
  'pino',
  'prom-client',
  '@opentelemetry',
]
const domain = order.slice(0, order.indexOf('hub.ts'))
/** http and storage stand side by side: neither knows the other, and storage knows only the ports and the nouns. */
const apart: Readonly<Record<string, readonly string[]>> = {
  storage: ['http', 'hub.ts', 'journal', 'ingest', 'handling', 'upkeep', 'access', 'config'],
  http: ['storage', 'config'],
  metrics: ['storage'],
}
/** Ports that live in a room which storage otherwise has no business in. */
const portsOf = /^access\/.*(-store|api-token|service-app|scopes)\.ts$/

interface Import {
  readonly from: string
  readonly to: string
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))

const specifiers = (file: string): string[] =>
  [...readFileSync(join(src, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, to]) => to ?? '',
  )

const imports: readonly Import[] = files.flatMap((from) =>
  specifiers(from)
    .filter((to) => to.startsWith('.'))
    .map((to) => ({ from, to: relative(src, resolve(src, dirname(from), to)).replaceAll('\\', '/') })),
)

const roomOf = (file: string): string => file.split('/')[0] ?? ''

test('every file is in a room that the order knows', () => {
  expect([...new Set(files.map(roomOf))].filter((room) => !order.includes(room))).toEqual([])
})

test('imports point up the page, never down', () => {
  const down = imports.filter(({ from, to }) => order.indexOf(roomOf(to)) > order.indexOf(roomOf(from)))
  expect(down.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
})

test('http and storage do not know each other, and storage reads only ports and nouns', () => {
  const wrong = imports.filter(
    ({ from, to }) => (apart[roomOf(from)] ?? []).includes(roomOf(to)) && !portsOf.test(to),
  )
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
})

test('only the journal makes entries of the System Log', () => {
  const makers = files
    .filter((file) => !['journal', 'storage'].includes(roomOf(file)))
    .filter((file) => /\blogEvent\(|\bsystemLog\.append\(/.test(readFileSync(join(src, file), 'utf8')))
  // The shape of an entry, and the group commit that the journal of evaluations is made over.
  expect(makers.toSorted()).toEqual(['systemlog/log-event.ts', 'systemlog/log-recorder.ts'])
})

test('the domain knows no HTTP framework, no SQL and no driver', () => {
  const known = files
    .filter((file) => domain.includes(roomOf(file)))
    .flatMap((file) => specifiers(file).map((to) => ({ file, to })))
    .filter(({ to }) => outside.some((name) => to === name || to.startsWith(`${name}/`)))
  expect(known).toEqual([])
})

/** What runs when these files are loaded; imports of types alone are gone by then. */
function loadedBy(entries: readonly string[]): {
  readonly files: readonly string[]
  readonly outside: readonly string[]
} {
  const reached = new Set(entries)
  const outside: string[] = []
  for (const file of reached) {
    const text = readFileSync(join(src, file), 'utf8').replaceAll(/^(?:im|ex)port type [^']*'[^']+'/gm, '')
    for (const [, to = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      if (to.startsWith('.'))
        reached.add(relative(src, resolve(src, dirname(file), to)).replaceAll('\\', '/'))
      else outside.push(`${file} → ${to}`)
    }
  }
  return { files: [...reached], outside }
}

test('the wire is described by constants and types: a browser that imports it gets no Node.js and no package', () => {
  expect(loadedBy(files.filter((file) => roomOf(file) === 'wire')).outside).toEqual([])
  expect(loadedBy(['wire/index.ts']).files).toEqual(['wire/index.ts', 'wire/client.ts', 'wire/operation.ts'])
})

test('nobody reads clock, chance or network on the side', () => {
  // The World is made in base/world.ts; the composition and the command line are where the real one comes from.
  const free = ['base/world.ts', 'base/worker.ts']
  const outsideWorld = files
    .filter((file) => !free.includes(file) && !['cli', 'testing', 'config'].includes(roomOf(file)))
    .filter((file) =>
      /Date\.now\(\)|new Date\(\)|randomUUID\(|Math\.random\(|globalThis\.fetch\(/.test(
        readFileSync(join(src, file), 'utf8'),
      ),
    )
  expect(outsideWorld).toEqual([])
})

describe('the receiver', () => {
  const receiver = resolve(src, '../../receiver/src')
  const rooms = ['base', 'set', 'events', 'jwks', 'receiver.ts', 'http', 'poll', 'index.ts']
  const manifest = JSON.parse(readFileSync(join(receiver, '../package.json'), 'utf8')) as {
    readonly dependencies: object
    readonly exports: Readonly<Record<string, string>>
  } // ours
  const sources = readdirSync(receiver, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  const imported = sources.flatMap((from) =>
    [...readFileSync(join(receiver, from), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
      ([, to = '']) => ({ from, to }),
    ),
  )

  test('needs jose alone, and nothing of the hub', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['jose'])
    const strange = imported.filter(({ to }) => !/^(?:\.|node:|jose$)/.test(to))
    expect(strange).toEqual([])
    const outside = imported.filter(
      ({ from, to }) =>
        to.startsWith('.') && relative(receiver, resolve(receiver, dirname(from), to)).startsWith('..'),
    )
    expect(outside).toEqual([])
  })

  test('has rooms whose imports point up the page', () => {
    const down = imported
      .filter(({ to }) => to.startsWith('.'))
      .map(({ from, to }) => ({
        from,
        to: relative(receiver, resolve(receiver, dirname(from), to)).replaceAll('\\', '/'),
      }))
      .filter(({ from, to }) => rooms.indexOf(roomOf(to)) > rooms.indexOf(roomOf(from)))
    expect(sources.filter((file) => !rooms.includes(roomOf(file)))).toEqual([])
    expect(down).toEqual([])
  })

  test('is entered by its doors', () => {
    const doors = new Set(Object.keys(manifest.exports).map((door) => `@watchbell/receiver${door.slice(1)}`))
    const strange = files
      .flatMap((file) => specifiers(file).map((to) => ({ file, to })))
      .filter(({ to }) => (to.startsWith('@watchbell/') && !doors.has(to)) || /receiver\/src/.test(to))
    expect(strange).toEqual([])
  })
})

describe('exported names', () => {
  const root = resolve(import.meta.dirname, '../../..')
  const sources = globSync('packages/*/src/**/*.ts', { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !file.endsWith('.test.ts'))
    .toSorted()

  const declaration =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/
  const reexport = /^export (?:type )?[{*]/

  const exported = sources.flatMap((file) =>
    readFileSync(resolve(root, file), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('export '))
      .map((line) => ({ file, line, name: declaration.exec(line)?.[1] })),
  )

  test('an exported name is exported by one file, so that whoever searches for it finds one thing', () => {
    const names = Map.groupBy(
      exported.filter(({ name }) => name !== undefined),
      ({ name }) => name,
    )
    expect(names.size).toBeGreaterThan(1_000) // the packages were found
    const twice = [...names].flatMap(([name, found]) => {
      const files = [...new Set(found.map(({ file }) => file))] // a type and a value of one name are one thing
      return files.length > 1 ? [`${name}: ${files.join(', ')}`] : []
    })
    expect(twice).toEqual([])
  })

  test('every export is a declaration with a name, or hands on names of another file as they are', () => {
    const others = exported.filter(({ name, line }) => name === undefined && !reexport.test(line))
    expect(others.map(({ file, line }) => `${file}: ${line}`)).toEqual([])
    const renamed = sources.filter((file) =>
      /^export (?:type )?\{[^}]*\sas\s/m.test(readFileSync(resolve(root, file), 'utf8')),
    )
    expect(renamed).toEqual([])
  })
})
