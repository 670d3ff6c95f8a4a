import { spawn } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { secretKey } from './secret-key.ts'
import { SettingsError } from './settings.ts'

const inBase64 = (key: Uint8Array): string => Buffer.from(key).toString('base64')

/** Asks for the key in a process of its own. @returns what it said, the key in base64 or the error */
async function askApart(folder: string, shell = 'exec "$@"'): Promise<string> {
  const module = pathToFileURL(join(import.meta.dirname, 'secret-key.ts')).href
  const script = `
    const { secretKey } = await import(${JSON.stringify(module)})
    try {
      console.log(Buffer.from(secretKey(undefined, process.argv[1])).toString('base64'))
    } catch (error) {
      console.log(error.code)
    }`
  const parameters = [process.execPath, '--input-type=module', '--eval', script, folder]
  const child = spawn('sh', ['-c', shell, 'sh', ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] })
  return (await text(child.stdout)).trim()
}

test('processes that start at once on a new folder all have one key, which is all that stays', async () => {
  await using folder = await temporaryFolder()
  const keys = await Promise.all([1, 2, 3, 4].map(() => askApart(folder.path)))
  const kept = (await readFile(join(folder.path, 'secret.key'), 'utf8')).trim()
  expect(Buffer.from(kept, 'base64')).toHaveLength(32)
  expect(keys).toEqual([kept, kept, kept, kept])
  expect(await readdir(folder.path)).toEqual(['secret.key'])
  expect((await stat(join(folder.path, 'secret.key'))).mode & 0o777).toBe(0o600)
  expect(inBase64(secretKey(undefined, folder.path))).toBe(kept)
})

test('a start without room for a key leaves nothing behind, and the next one makes it', async () => {
  await using folder = await temporaryFolder()
  expect(await askApart(folder.path, 'ulimit -f 0; exec "$@"')).toBe('EFBIG')
  expect(await readdir(folder.path)).toEqual([])
  expect(secretKey(undefined, folder.path)).toHaveLength(32)
})

test('a file that holds no key stops the start, and stays', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'secret.key'), 'AAAA')
  expect(() => secretKey(undefined, folder.path)).toThrow(SettingsError)
  expect(await readFile(join(folder.path, 'secret.key'), 'utf8')).toBe('AAAA')
})
