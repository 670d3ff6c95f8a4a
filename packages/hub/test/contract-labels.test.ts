import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../../..')
const documents = { OKTA: 'docs/contract/okta.md', SSF: 'docs/contract/ssf.md' } as const
const citing = [
  'packages/*/{src,test,bench}/**/*.ts',
  'scripts/**/*.ts',
  'examples/**/*',
  'docs/**/*.md',
  '*.md',
]

/** Every label that a document defines: those of its rows, and the numbers of its sections as `OKTA §9.2`. */
function writtenIn(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8')
  const rows = [...text.matchAll(/^\| ((?:OKTA|SSF)-[A-Z]\d+) /gm)].map(([, label = '']) => label)
  const sections = [...text.matchAll(/^#+ (\d+(?:\.\d+)?)\.? /gm)].map(([, number = '']) => `OKTA §${number}`)
  return [...rows, ...sections]
}

function citingFiles(): readonly string[] {
  return globSync(citing, { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] }).filter((file) =>
    /\.(ts|md|yaml|conf|tf|json)$/.test(file),
  )
}

const written = Object.values(documents).flatMap(writtenIn)

test('every label of the contract that is cited is a row or a section of it', () => {
  const known = new Set(written)
  const unknown = citingFiles().flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/\b(?:(?:OKTA|SSF)-[A-Z]\d+|OKTA §\d+(?:\.\d+)?)/g)]
      .map(([label]) => label)
      .filter((label) => !known.has(label))
      .map((label) => `${file}: ${label}`),
  )
  expect(unknown).toEqual([])
})

test('a specification that is cited by section has its short name in the list of docs/contract/ssf.md', () => {
  const names = [
    ...readFileSync(join(root, documents.SSF), 'utf8').matchAll(/^\| ([A-Za-z0-9. ]+?|RFC …) +\| /gm),
  ].map(([, name]) => name)
  const cited = /\b((?:SSF|CAEP|RISC|IOP|CAEP interop)(?: \d[\d.]*\d)?) §\d/g
  const unnamed = citingFiles().flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(cited)]
      .map(([, name]) => name)
      .filter((name) => !names.includes(name))
      .map((name) => `${file}: ${name}`),
  )
  expect(unnamed).toEqual([])
})

test('a label names one row', () => {
  expect(written.filter((label, at) => written.indexOf(label) !== at)).toEqual([])
})

test('each row of the contract of the open standards is cited by code or a test', () => {
  const cited = globSync('packages/*/{src,test}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules/**'],
  })
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .join('\n')
  const unused = writtenIn(documents.SSF).filter(
    (label) => label.startsWith('SSF-') && !new RegExp(`${label}\\b`).test(cited),
  )
  expect(unused).toEqual([])
})
