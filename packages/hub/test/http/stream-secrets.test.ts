import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createSecretBox } from '../../src/base/secret-box.ts'
import { startTestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { bearer, refusalOf, startStreamSite, type StreamSite } from './with-stream.ts'

// What the hub keeps of a stream in a sealed box: its credentials at the transmitter, and the value that pushes carry.

/** As after another secret key: what the stream sealed cannot be opened any more. */
async function spoilSecrets(site: StreamSite): Promise<void> {
  const { registry } = site.hub.hub.intake
  const sealedSecrets = await createSecretBox(randomBytes(32)).seal('{}')
  await registry.note((await site.shown()).id, { sealedSecrets })
}

const pushTo = (site: StreamSite, authorization: string | undefined): Promise<Response> =>
  fetch(site.transmitter.stream().endpointUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt', ...(authorization && { authorization }) },
    body: site.sign(),
  })

const told = expect.stringMatching(/sealed with another secret key.*WATCHBELL_SECRET_KEY.*stream connect/)

describe('a stream whose secrets cannot be decrypted', () => {
  test('says so with advice, in each answer, on the stream and in the doctor', async () => {
    await using site = await startStreamSite()
    await site.connect()
    await spoilSecrets(site)
    for (const [method, path, body] of [
      ['POST', '/verify', undefined],
      ['GET', '/status', undefined],
      ['PATCH', '', { description: 'x' }],
      ['POST', '/rotate-authorization', undefined],
      ['DELETE', '', undefined],
    ] as const) {
      const { status, message } = await refusalOf(await site.api(method, path, body))
      expect([path, status, message]).toEqual([path, 409, told])
    }
    expect((await site.shown()).last_error).toEqual(told)
    const health = (await (await site.api('GET', '/health')).json()) as {
      healthy: boolean
      checks: { name: string; result: string; detail: string }[]
    }
    expect(health.healthy).toBe(false)
    expect(health.checks).toContainEqual({ name: 'token', result: 'failed', detail: told })
    expect(health.checks).toContainEqual(expect.objectContaining({ name: 'keys', result: 'ok' }))
  })

  test('still accepts pushes, because values are compared by their hashes', async () => {
    await using site = await startStreamSite()
    await site.connect()
    await spoilSecrets(site)
    expect((await pushTo(site, site.transmitter.stream().authorization)).status).toBe(202)
  })

  test('works again once it is connected with its credentials, with a new push value', async () => {
    await using site = await startStreamSite()
    const before = await site.connect()
    const old = site.transmitter.stream().authorization
    await spoilSecrets(site)
    expect(await site.connect()).toMatchObject({ id: before.id, push_url: before.push_url, last_error: null })
    expect(site.transmitter.streams).toHaveLength(1)
    const fresh = site.transmitter.stream().authorization
    expect(fresh).not.toBe(old)
    expect((await pushTo(site, fresh)).status).toBe(202)
    expect((await pushTo(site, old)).status).toBe(401)
    expect((await site.api('POST', '/verify')).status).toBe(202)
  })

  test('is polled slowly, and at once when it is connected again', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 0 } })
    await site.connect({ delivery: 'poll' })
    await spoilSecrets(site)
    await expect.poll(async () => (await site.shown()).last_error, { timeout: 15_000 }).toEqual(told)
    const jti = site.transmitter.send({ type: 'session-revoked', subject: { format: 'opaque', id: '1' } })
    expect(await site.connect({ delivery: 'poll' })).toMatchObject({ last_error: null })
    await expect.poll(() => site.transmitter.stream().acked, { timeout: 15_000 }).toContain(jti)
  })

  test('is deleted at the hub with force', async () => {
    await using site = await startStreamSite()
    await site.connect()
    await spoilSecrets(site)
    expect((await site.api('DELETE', '?force=true')).status).toBe(204)
    expect((await site.api('GET')).status).toBe(404)
  })
})

test('a hub with another secret key does not start, and names the setting', async () => {
  await using folder = await temporaryFolder()
  const hub = (): TestHubOptions => ({
    folder: folder.path,
    settings: { secretKey: randomBytes(32).toString('base64') },
  })
  await using site = await startStreamSite({ hub: hub() })
  await site.api('PUT', '', bearer)
  await site.hub[Symbol.asyncDispose]()
  await expect(startTestHub(hub())).rejects.toMatchObject({
    cause: { code: 'hub.secret_unreadable' },
    message: expect.stringContaining('WATCHBELL_SECRET_KEY'),
  })
})
