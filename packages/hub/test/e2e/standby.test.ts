import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { ada, startStreamSite } from '../http/with-stream.ts'
import { runInProcess } from '../run-cli.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const patience = { timeout: 20_000 }

async function standbyOf(origin: string): Promise<string | undefined> {
  const answer = await fetch(`${origin}/readyz`)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { standby?: string }).standby
}

test(
  'a hub on a backup leaves to the hub that was copied what is meant for that',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    const [data, restored] = [join(folder.path, 'data'), join(folder.path, 'restored')]
    await mkdir(restored)
    await using site = await startStreamSite({ hub: { folder: data }, transmitter: { longPollMs: 500 } })
    const { transmitter, providerId, hub } = site
    await site.connect({ delivery: 'poll' })
    await expect.poll(async () => (await site.shown()).verified_at, patience).not.toBeNull()
    const file = join(restored, 'watchbell.db')
    expect(await runInProcess(['backup', file, '--data', data])).toMatchObject({ exitCode: 0 })
    await copyFile(join(data, 'secret.key'), join(restored, 'secret.key'))
    expect(await standbyOf(hub.origin)).toBeUndefined()
    await hub[Symbol.asyncDispose]()

    const jti = transmitter.send({ type: 'session-revoked', subject: ada })
    const asked = transmitter.requests.length
    {
      await using copy = await startTestHub({ folder: restored })
      expect(await standbyOf(copy.origin)).toMatch(/^its database is a backup, made at \d{4}-/)
      const path = `/v1/providers/${providerId}/stream`
      expect((await copy.api('GET', path)).status).toBe(200)
      const verify = await copy.api('POST', `${path}/verify`)
      const pushed = await copy.push(site.sign())
      const risky = await copy.api('POST', '/api/v1/risk/events/ip', [
        { timestamp: new Date().toISOString(), subjects: [{ ip: '192.0.2.1', riskLevel: 'HIGH' }] },
      ])
      for (const answer of [verify, pushed, risky]) {
        expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('is a standby')])
      }
      expect(pushed.headers.get('retry-after')).toBe('60')
    }
    expect(transmitter.requests).toHaveLength(asked)
    {
      await using taken = await startTestHub({ folder: restored, settings: { standby: 'false' } })
      expect(await standbyOf(taken.origin)).toBeUndefined()
      await expect.poll(() => transmitter.stream().acked, patience).toContain(jti)
    }
    await using again = await startTestHub({ folder: restored })
    expect(await standbyOf(again.origin)).toBeUndefined()
  },
)

test('a hub with another origin than the one before it on the database is a standby, until it is told otherwise', async () => {
  await using folder = await temporaryFolder()
  const [one, two] = ['https://one.example', 'https://two.example']
  const steps = [
    [{}, undefined],
    [{ origin: one }, undefined],
    [{ origin: one }, undefined],
    [{ origin: two }, /hub at https:\/\/one\.example, and this one is https:\/\/two/],
    [{}, /hub at https:\/\/one\.example/],
    [{ origin: one, standby: 'true' }, /WATCHBELL_STANDBY is true/],
    [{ origin: one }, undefined],
    [{ origin: two, standby: 'false' }, undefined],
    [{ origin: two }, undefined],
    [{ origin: one }, /hub at https:\/\/two\.example/],
    [{ standby: 'false' }, undefined],
    [{}, undefined],
  ] as const
  for (const [settings, why] of steps) {
    await using hub = await startTestHub({ folder: folder.path, settings })
    const { standby } = hub.hub
    if (why === undefined) expect([settings, standby]).toEqual([settings, undefined])
    else expect(standby).toMatch(why)
  }
})
