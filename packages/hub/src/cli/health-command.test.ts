import { describe, expect, test } from 'vitest'
import { startLocalServer } from '../../test/local-server.ts'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { openSqliteInThread } from '../storage/sqlite/in-thread.ts'
import { startTestHub } from '../testing/start-test-hub.ts'

function health(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<CliRun> {
  return runInProcess(['health', ...args], { env })
}

describe('a hub that is well', () => {
  test.each([
    ['ready', []],
    ['alive', ['--live']],
  ])('is %s', async (state, args) => {
    await using hub = await startTestHub()
    expect(await health({ WATCHBELL_URL: hub.origin }, ...args)).toEqual({
      exitCode: 0,
      stdout: `The hub at ${hub.origin} is ${state}.\n`,
      stderr: '',
    })
  })

  test('reports unfinished erasures', async () => {
    await using folder = await temporaryFolder()
    const { storage } = await openSqliteInThread(folder.path, new Date())
    const requestedAt = new Date('2026-01-31T12:00:00Z')
    for (const id of ['era1', 'era2']) {
      await storage.transaction(({ erasures }) =>
        erasures.begin(0, {
          id,
          subject: { id: `00u-${id}`, kind: 'user' },
          requestedAt,
          requestedBy: { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined },
          names: { pseudonym: 'erased', identifiers: [], displayName: undefined },
        }),
      )
    }
    await storage[Symbol.asyncDispose]()
    // A standby, where nothing is erased.
    await using hub = await startTestHub({
      folder: folder.path,
      settings: { standby: 'true', databaseUrl: '' },
    })
    const { stdout } = await health({ WATCHBELL_URL: hub.origin })
    expect(stdout).toContain(
      `The hub at ${hub.origin} is ready.\n2 erasures are not done, the oldest asked for at 2026-01-31T12:00:00.000Z.\n`,
    )
    const ready = (await (await fetch(`${hub.origin}/readyz`)).json()) as object
    expect(ready).toMatchObject({
      status: 'ready',
      erasures: { waiting: 2, since: requestedAt.toISOString() },
    })
  })

  test('is found by --url, by WATCHBELL_URL, and where WATCHBELL_LISTEN says, in this order', async () => {
    await using hub = await startTestHub()
    const { port } = new URL(hub.origin)
    const nowhere = 'http://127.0.0.1:1'
    const ways: readonly (readonly [Record<string, string>, ...string[]])[] = [
      [{ WATCHBELL_URL: nowhere, WATCHBELL_LISTEN: '127.0.0.1:1' }, '--url', hub.origin],
      [{ WATCHBELL_URL: hub.origin, WATCHBELL_LISTEN: '127.0.0.1:1' }],
      [{ WATCHBELL_LISTEN: `127.0.0.1:${port}` }],
      [{ WATCHBELL_LISTEN: `0.0.0.0:${port}` }],
    ]
    for (const [env, ...args] of ways) expect(await health(env, ...args)).toMatchObject({ exitCode: 0 })
  })

  test('is asked at its local address, not at its public origin, and without a token', async () => {
    await using hub = await startTestHub()
    await using balancer = await startLocalServer((_request, response) => response.end())
    const env = {
      WATCHBELL_ORIGIN: balancer.origin,
      WATCHBELL_LISTEN: new URL(hub.origin).host,
      WATCHBELL_TOKEN: 'secret',
    }
    expect(await health(env)).toMatchObject({ exitCode: 0, stdout: `The hub at ${hub.origin} is ready.\n` })
    expect(balancer.requests).toEqual([])
  })
})

describe('a hub that is not well makes the exit code 1', () => {
  test('when nothing listens', async () => {
    await using gone = await startLocalServer(() => undefined)
    const { origin } = gone
    await gone[Symbol.asyncDispose]()
    const { exitCode, stdout, stderr } = await health({ WATCHBELL_URL: origin })
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain(`No hub answers at ${origin}`)
  })

  test('when the connection breaks before there is an answer', async () => {
    await using broken = await startLocalServer(({ socket }) => socket.destroy())
    expect(await health({ WATCHBELL_URL: broken.origin })).toMatchObject({ exitCode: 1, stdout: '' })
  })

  test.each([
    ['with the reason of the hub', 503, '{"status":"unavailable","reason":"The storage does not answer."}'],
    ['with the status of another server', 503, 'no backend'],
    ['for a redirect, which is no answer of a hub', 302, ''],
    ['for another server at the address', 404, '<html>'],
  ])('%s', async (_name, status, body) => {
    await using other = await startLocalServer((_request, response) => {
      response.writeHead(status, { location: '/' }).end(body)
    })
    const { exitCode, stdout, stderr } = await health({ WATCHBELL_URL: other.origin })
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toBe(
      `watchbell: The hub at ${other.origin} says ${status}${body.startsWith('{') ? ': The storage does not answer.' : '.'}\n`,
    )
    expect(other.requests).toEqual(['/readyz'])
  })
})

test.each([
  ['a URL that is none', {}, ['--url', 'hub']],
  ['a WATCHBELL_LISTEN that is none', { WATCHBELL_LISTEN: '8080' }, []],
  ['an option that is none', {}, ['--token', 'x']],
])('%s is wrong usage', async (_name, env, args) => {
  const { exitCode, stdout, stderr } = await health(env, ...args)
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
  expect(stderr).toMatch(/^watchbell: /)
})
