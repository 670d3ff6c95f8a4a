import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { register } from './serve.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const hourS = 3_600

// The hub was here an hour later than now: its clock was set back since.
test.each([
  ['the mark of its clock', "UPDATE counters SET value = ? WHERE name = 'clock'"],
  ['what it stored last', 'UPDATE signals SET received_at = ?'],
])('a clock behind %s costs no honest SET', async (_what, sql) => {
  await using folder = await temporaryFolder()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  const nowS = Math.floor(Date.now() / 1_000)
  const subject = { format: 'email', email: 'ada@example.com' } as const
  const signAt = (aud: string, iat: number) =>
    transmitter.sign({ type: 'session-revoked', aud, subject, token: { iat } })
  {
    await using hub = await startTestHub({ folder: folder.path })
    await register(hub, transmitter)
    expect((await hub.push(signAt(hub.origin, nowS))).status).toBe(202)
    expect((await hub.push(signAt(hub.origin, nowS + hourS / 2))).status).toBe(400) // nothing speaks against the clock
  }
  const database = new Database(join(folder.path, 'watchbell.db'))
  database.prepare(sql).run((nowS + hourS) * 1_000)
  database.close()
  await using hub = await startTestHub({ folder: folder.path })
  const doubted = await hub.push(signAt(hub.origin, nowS + hourS / 2))
  expect([doubted.status, await doubted.text()]).toEqual([503, expect.stringContaining('was set back')])
  expect(doubted.headers.get('retry-after')).toBe('60')
  expect((await hub.push(signAt(hub.origin, nowS + 2 * hourS))).status).toBe(400)
  expect((await hub.push(signAt(hub.origin, nowS))).status).toBe(202)
})
