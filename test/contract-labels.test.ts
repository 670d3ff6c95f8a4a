import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const documents = { OKTA: 'docs/contract/okta.md', SSF: 'docs/contract/ssf.md' } as const
const citing = [
  'src/**/*.ts',
  'test/**/*.ts',
  'bench/**/*.ts',
  'scripts/**/*.ts',
  'examples/**/*',
  'docs/**/*.md',
  '*.md',
]

/** Everything that is written down: labels of rows, and numbers of sections as `§9.2`. */
function writtenIn(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8')
  const rows = [...text.matchAll(/^\| ((?:OKTA|SSF)-[A-Z]\d+) /gm)].map(([, label = '']) => label)
  const sections = [...text.matchAll(/^#+ (\d+(?:\.\d+)?)\.? /gm)].map(([, number = '']) => `OKTA §${number}`)
  return [...rows, ...sections]
}

const written = Object.values(documents).flatMap(writtenIn)

test('every label of the contract that is cited is a row or a section of it', () => {
  const known = new Set(written)
  const unknown = globSync(citing, { cwd: root, exclude: ['node_modules/**', '**/dist/**'] })
    .filter((file) => /\.(ts|md|yaml|conf|tf|json)$/.test(file))
    .flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/\b(?:(?:OKTA|SSF)-[A-Z]\d+|OKTA §\d+(?:\.\d+)?)/g)]
        .map(([label]) => label)
        .filter((label) => !known.has(label))
        .map((label) => `${file}: ${label}`),
    )
  expect(unknown).toEqual([])
})

test('a label names one row', () => {
  expect(written.filter((label, at) => written.indexOf(label) !== at)).toEqual([])
})
