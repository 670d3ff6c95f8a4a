import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

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
