import { get } from 'node:http'
import { expect, test } from 'vitest'
import { ownVersion } from '../../src/base/version.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'

test('GET / describes the hub as JSON to programs and as text to browsers, without a version', async () => {
  await using hub = await startTestHub()
  const at = (accept: string) => fetch(`${hub.origin}/`, { headers: { accept } })
  for (const accept of ['*/*', 'application/json', 'application/json, text/plain']) {
    const answer = await at(accept)
    expect([accept, answer.status, answer.headers.get('content-type')]).toEqual([
      accept,
      200,
      'application/json; charset=utf-8',
    ])
    expect(await answer.json()).toMatchObject({
      name: 'Watchbell',
      links: { health: `${hub.origin}/healthz`, system_log: `${hub.origin}/api/v1/logs` },
    })
  }
  for (const accept of ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/plain']) {
    const answer = await at(accept)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8'])
    const text = await answer.text()
    expect(text).toMatch(/^Watchbell, a self-hosted Shared Signals hub/)
    expect(text).not.toContain(ownVersion())
  }
  const without = await new Promise<number | undefined>((resolve) => {
    get(`${hub.origin}/`, { headers: {} }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
  })
  expect(without).toBe(200)
})

test('the icon that browsers request is no error, and other methods are 405', async () => {
  await using hub = await startTestHub()
  const icon = await fetch(`${hub.origin}/favicon.ico`)
  expect([icon.status, await icon.text()]).toEqual([204, ''])
  expect((await fetch(`${hub.origin}/`, { method: 'HEAD' })).status).toBe(200)
  expect((await fetch(`${hub.origin}/`, { method: 'POST' })).status).toBe(405)
  expect((await fetch(`${hub.origin}/nothing`)).status).toBe(404)
})
