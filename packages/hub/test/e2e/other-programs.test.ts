import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { freePort } from '../free-port.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { register, serve } from './serve.ts'

// A client of SQLite that is not ours, in a process of its own. It asks to have the file alone, and would then remove the
// write-ahead log: older versions of SQLite do so without being asked, when they close what nobody else seems to use.
const takeForItself = `
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(process.argv[1])
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; SELECT count(*) FROM signals')
    console.log('has it')
  } catch (error) {
    console.log(error.message)
  }
  database.close()`

test('a program that opens the database of a running hub takes nothing from it', async () => {
  await using folder = await temporaryFolder()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  const port = await freePort()
  const hub = await serve(port, { WATCHBELL_DATA: folder.path })
  await register(hub, transmitter)
  const push = async (jti: string): Promise<number> => {
    const subject = { format: 'email', email: 'ada@example.com' } as const
    const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject, jti })
    return (await hub.push(set)).status
  }
  expect(await push('before')).toBe(202)

  const file = `${folder.path}/watchbell.db`
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '-e', takeForItself, file])
  expect(stdout).toBe('database is locked\n')

  expect(await push('after')).toBe(202)
  await hub.stop('SIGKILL')
  const again = await serve(port, { WATCHBELL_DATA: folder.path })
  const page = (await (await again.api('GET', '/v1/signals')).json()) as { signals: { jti: string }[] }
  await again.stop('SIGTERM')
  expect(page.signals.map(({ jti }) => jti)).toEqual(['after', 'before'])
})
