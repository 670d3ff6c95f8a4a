import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../temporary-folder.ts'

const root = resolve(import.meta.dirname, '../../../..')
const script = join(root, 'scripts/first-hour.ts')

async function firstHour(...flags: readonly string[]) {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...flags], { cwd: root })
    return { exitCode: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string } // of execFile
    return { exitCode: code, stdout, stderr }
  }
}

test('every line of the README does what the README claims', async () => {
  const { exitCode, stdout, stderr } = await firstHour('--installed', '--free-ports')
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toMatch(/^\$ npm ci && npm run demo\n[^]*\nAll \d+ do what the README claims\.\n$/)
}, 600_000)

describe('the script fails on', () => {
  test.each([
    [
      'a command that it does not know',
      'npm run watchbell -- signals\n',
      'npm run watchbell -- signals --all\n',
      'signals --all',
    ],
    ['a command that is gone', 'npm pack --workspaces\n', '', 'npm pack --workspaces'],
    ['a command too many', 'npm pack --workspaces\n', 'npm pack --workspaces\nnpm publish\n', 'npm publish'],
  ])('%s', async (_, from, to, named) => {
    await using folder = await temporaryFolder()
    const readme = join(folder.path, 'README.md')
    await writeFile(readme, (await readFile(join(root, 'README.md'), 'utf8')).replace(from, to))
    const { exitCode, stdout, stderr } = await firstHour('--readme', readme)
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain(named)
  })

  test('a line that does not do what the README claims', async () => {
    await using folder = await temporaryFolder()
    const readme = join(folder.path, 'README.md')
    const page = await readFile(join(root, 'README.md'), 'utf8')
    await writeFile(readme, page.replace('npm ci && npm run build', 'npm ci && npm run built'))
    const { exitCode, stderr } = await firstHour('--readme', readme)
    expect({ exitCode }).toEqual({ exitCode: 1 })
    expect(stderr).toContain('npm run built')
  })
})
