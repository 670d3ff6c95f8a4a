import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dialectNames } from '@watchbell/receiver/set'
import { isScope } from '../src/access/scopes.ts'
import { hubErrors } from '../src/base/hub-error.ts'
import { settingEntries } from '../src/config/settings.ts'
import { misbehaviourNames } from '../src/testing/misbehaviours.ts'
import { operations } from '../src/wire/operations.ts'
import { runInProcess } from './run-cli.ts'
import { strangers } from './deploy/files.ts'

// What pages and the forge's templates name is there: commands with their options, scripts, settings, files.

const root = resolve(import.meta.dirname, '../../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const files = globSync(
  ['*.md', 'docs/**/*.md', 'examples/**/*.md', '.github/**/*.md', '.github/ISSUE_TEMPLATE/*.yml'],
  { cwd: root },
).filter((file) => file !== 'CHANGELOG.md')
const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> } // ours

/** Lines of blocks of code, continued lines as one, and spans of code. */
function codeOf(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^ *```\w*\n([^]*?)^ *```$/gm)].flatMap(([, block = '']) =>
    block.replaceAll(/ *\\\n */g, ' ').split('\n'),
  )
  const spans = [...text.replaceAll(/^ *```\w*\n[^]*?^ *```$/gm, '').matchAll(/`([^`]+)`/g)].map(
    ([, span = '']) => span.replaceAll(/\s+/g, ' '),
  )
  return [...blocks, ...spans]
}

/** The words of a command of ours in a line of code, from the first on. */
function commandIn(line: string): string | undefined {
  const [, command] = /(?:^|[ (])watchbell ((?:[a-z][a-z-]*(?: |$)|--version).*)$/.exec(line.trim()) ?? []
  return command?.replace(/\s+[#|<>&].*$/, '').replace(/[.,)]$/, '')
}

const commands = [
  ...new Set(files.flatMap((file) => codeOf(read(file)).flatMap((line) => commandIn(line) ?? []))),
].toSorted()

describe('pages name only commands that there are', () => {
  test.each(commands)('watchbell %s', async (command) => {
    const words = command.split(/\s+/)
    const end = words.findIndex((word) => !/^[a-z][a-z-]*$/.test(word))
    const path = words.slice(0, end === -1 ? words.length : end)
    const { exitCode, stdout } = await runInProcess([...path, '--help'])
    expect(exitCode).toBe(0)
    for (const option of command.match(/(?<= )--[a-z-]+/g) ?? []) expect(stdout).toContain(option)
  })
})

describe.each(files)('%s', (file) => {
  const code = codeOf(read(file))

  test('names scripts of package.json that there are', () => {
    const named = code.flatMap((line) =>
      [...line.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name),
    )
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  test('names settings that there are', () => {
    // The tests' own variables are read in test/; those of the OpenTelemetry exporter that we pass on are its own.
    const ours = strangers(read(file)).filter((name) => /^WATCHBELL_(?!TEST_)\w*[A-Z]$/.test(name))
    expect(ours).toEqual([])
  })

  // The contract names files of other people's repositories.
  const isOurs = !file.startsWith('docs/contract/')
  test.runIf(isOurs)('names files that there are', () => {
    const roots = [
      'src',
      'test',
      'bench',
      'scripts',
      'docs',
      'deploy',
      'examples',
      'packages',
      '.github',
      '.ci',
    ]
    const named = code.flatMap((line) =>
      line
        .split(/[\s,;()]+/)
        .filter(
          (word) =>
            roots.includes(word.split('/')[0] ?? '') && word.includes('/') && !/\/\d+\.\d+\.\d+$/.test(word),
        ),
    )
    // `src/` and `test/` are those of a package.
    const isThere = (path: string): boolean =>
      globSync([path, `packages/*/${path}`], { cwd: root }).length > 0
    const missing = named.filter((path) => !isThere(path.replace(/[:.]$/, '').replaceAll('…', '*')))
    expect(missing).toEqual([])
  })

  test.runIf(isOurs)('names sources by a path that ends at one', () => {
    const sources = globSync(['scripts/*', 'packages/*/{src,test,bench}/**/*'], { cwd: root })
    const named = code.filter((line) => /^\w[\w./-]*\.ts$/.test(line))
    const missing = named.filter(
      (path) =>
        !existsSync(join(root, path)) &&
        !sources.some((source) => source.endsWith(`/${path}`) || basename(source) === path),
    )
    expect(missing).toEqual([])
  })
})

test('pages name operations of the API that there are', () => {
  const known = Object.keys(operations)
  const named = files
    .filter((file) => !file.startsWith('docs/contract/'))
    .flatMap((file) =>
      codeOf(read(file)).flatMap((line) => {
        const [, method, path = ''] =
          /^(GET|POST|PUT|PATCH|DELETE) (\/(?:api|v1|access|oauth2|ssf|security)\/[^\s?…]*)$/.exec(line) ?? []
        return method === undefined ? [] : [`${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`]
      }),
    )
  const pattern = (name: string): string => name.replaceAll(/:\w+/g, ':')
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((name) => !known.some((each) => pattern(each) === pattern(name)))).toEqual([])
})

test('pages name scopes, errors and spans that there are', () => {
  const rooms = new Set(Object.keys(hubErrors).map((code) => code.split('.')[0]))
  const spans = new Set(
    globSync('packages/*/src/**/*.ts', { cwd: root }).flatMap((file) =>
      [...read(file).matchAll(/\bspan\(\s*'([a-z]+\.[a-z]+)'/g)].map(([, name = '']) => name),
    ),
  )
  const isWrong = (name: string): boolean => {
    if (/^(?:okta|watchbell)\.\w+\.(?:read|manage|evaluate)$/.test(name)) return !isScope(name)
    const [, room] = /^([a-z]+)\.[a-z_]+$/.exec(name) ?? []
    return (
      rooms.has(room) &&
      !Object.hasOwn(hubErrors, name) &&
      !spans.has(name) &&
      !/\.(?:key|md|json|ts)$/.test(name)
    )
  }
  const wrong = files
    .filter((file) => !file.startsWith('docs/contract/'))
    .flatMap((file) =>
      codeOf(read(file))
        .filter(isWrong)
        .map((name) => `${file}: ${name}`),
    )
  expect(spans.size).toBeGreaterThan(3)
  expect(wrong).toEqual([])
})

test('pages list every dialect, misbehaviour and setting', () => {
  const firstCells = (file: string): string =>
    [...read(file).matchAll(/^\| ([^|]+) \|/gm)].map(([, cell]) => cell).join('\n')
  const missing = (names: readonly string[], file: string): readonly string[] =>
    names.filter((name) => !firstCells(file).includes(`\`${name}\``))
  expect(missing(dialectNames, 'docs/dialects.md')).toEqual([])
  expect(missing(misbehaviourNames, 'docs/emulated-transmitter.md')).toEqual([])
  expect(
    missing(
      Object.values(settingEntries).map(({ variable }) => variable),
      'docs/configuration.md',
    ),
  ).toEqual([])
})

test('every form for issues says what must not be pasted', () => {
  for (const name of ['bug', 'question']) {
    expect(read(`.github/ISSUE_TEMPLATE/${name}.yml`)).toContain('**Never paste tokens**')
  }
  expect(read('.github/pull_request_template.md')).toContain('No tokens, secrets or private keys')
})

test('editors and nvm are told what npm and prettier hold to', () => {
  const { engines, devDependencies } = JSON.parse(read('package.json')) as {
    readonly engines: { readonly node: string }
    readonly devDependencies: { readonly node: string }
  } // ours
  const major = read('.nvmrc').trim()
  expect([engines.node, devDependencies.node.split('.')[0]]).toEqual([`>=${major}`, `^${major}`])
  const { printWidth } = JSON.parse(read('.prettierrc.json')) as { readonly printWidth: number } // ours
  expect(read('.editorconfig')).toContain(`max_line_length = ${printWidth}\n`)
})
