import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pageCommands } from '../../../../scripts/page-commands.ts'
import { settingEntries } from '../../src/config/settings.ts'
import { freePort } from '../free-port.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { execForm, image, root, strangers, text, yaml } from './files.ts'

// No container engine runs here: what the README types into one is held to the Dockerfile and to compose.yaml, and the
// command of the image runs as the engine would run it, with its environment.

const readme = text('README.md')
const blocks = pageCommands(readme).filter(({ language }) => language === 'console')
/** What is typed, one command on each line, and what the README says it prints. */
const typed = blocks.flatMap(({ commands }) =>
  commands.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2)),
)
const printed = blocks.flatMap(({ text: block }) =>
  block
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('$ ')),
)
const find = (start: string): string => typed.find((line) => line.startsWith(start)) ?? ''
const flags = (line: string, name: string): readonly string[] =>
  [...line.matchAll(new RegExp(`--${name} (\\S+)`, 'g'))].map(([, value = '']) => value)

describe('docker run of the README', () => {
  const run = find('docker run ')

  test('runs the image that the line before it builds', () => {
    const [tag] = flags(find('docker build '), 'tag')
    expect(run.split(' ').at(-1)).toBe(tag)
    expect(find('docker build ').split(' ').at(-1)).toBe('.')
    expect(existsSync(join(root, 'Dockerfile'))).toBe(true)
  })

  test('publishes the port of the image on this machine alone, and keeps its data', () => {
    expect(flags(run, 'publish')).toEqual([`127.0.0.1:8080:${image.port}`])
    expect(flags(run, 'volume')).toEqual([`watchbell:${image.environment['WATCHBELL_DATA']}`])
    expect(strangers(readme)).toEqual([])
  })

  test('prints what the README shows', { timeout: 60_000 }, async () => {
    await using folder = await temporaryFolder()
    const port = String(await freePort())
    const given = Object.fromEntries(flags(run, 'env').map((pair) => pair.split('=') as [string, string]))
    const at = (value: string): string => value.replace('8080', port)
    const environment = { ...image.environment, ...given }
    const child = spawn(process.execPath, [join(root, 'packages/hub/src/cli/main.ts'), ...execForm('CMD')], {
      env: {
        ...Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, at(value)])),
        WATCHBELL_DATA: join(folder.path, 'data'),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    for await (const chunk of child.stdout) {
      said += String(chunk)
      if (said.includes('/v1/signals\n')) child.kill('SIGTERM')
    }
    const token = /shown this once: (\S+)/.exec(said)?.[1] ?? 'none'
    const shown = said.replaceAll(token, '…').replaceAll(port, '8080').split('\n')
    expect(shown).toEqual(expect.arrayContaining(printed))
    expect(printed).toHaveLength(3)
  })
})

describe('compose of the README', () => {
  test('types only scripts, files and services that there are', () => {
    expect(existsSync(join(root, find('sh ').split(' ')[1] ?? ''))).toBe(true)
    const { services } = yaml('compose.yaml') as { services: Readonly<Record<string, unknown>> } // ours
    expect(services).toHaveProperty(find('docker compose exec ').split(' ')[3] ?? '')
  })

  test('gives an origin that the hub takes', () => {
    const origin = find('sh ').split(' ').at(-1) ?? ''
    expect(settingEntries.origin.read(origin)).toBe(origin)
  })
})
