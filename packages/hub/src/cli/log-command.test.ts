import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun, type CliSurroundings } from '../../test/run-cli.ts'
import { startLocalServer } from '../../test/local-server.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'

function run(hub: TestHub, args: readonly string[], more: CliSurroundings = {}): Promise<CliRun> {
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
  return runInProcess(['log', ...args], { env, ...more })
}

async function makeProviders(hub: TestHub, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const settings = { issuer: `https://${name}.example`, jwks_url: `https://${name}.example/k` }
    await hub.api('POST', '/api/v1/security-events-providers', { name, type: 'test', settings })
  }
}

const creations = 'eventType eq "security.events.provider.create"'

interface Entry {
  readonly target: readonly { readonly alternateId: string }[]
}

const targetOf = ({ target }: Entry): string | undefined => target[0]?.alternateId

describe('a list', () => {
  test('newest first, filtered, over pages, as text and as JSON', async () => {
    await using hub = await startTestHub()
    await makeProviders(hub, ['one', 'two', 'three'])
    await hub.api('GET', '/api/v1/logs?filter=nonsense')
    const { exitCode, stdout } = await run(hub, ['--filter', creations, '--limit', '2'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      /^\d{4}-[\d-]+T[\d:]+Z {2}SUCCESS {4}security\.events\.provider\.create: Create a security events provider\n {4}by .* to SecurityEventProvider https:\/\/three\.example \(three, sse\w+\)\n/,
    )
    expect(stdout).not.toContain('one.example')
    const all = JSON.parse((await run(hub, ['--filter', creations, '--json'])).stdout) as Entry[]
    expect(all.map(targetOf)).toEqual(['three', 'two', 'one'])
    const searched = JSON.parse((await run(hub, ['--search', 'two.example', '--json'])).stdout) as Entry[]
    expect(searched.map(targetOf)).toEqual(['two'])
    expect((await run(hub, ['--until', '2020-01-02T00:00:00Z', '--since', '1d'])).exitCode).toBe(0)
    expect((await run(hub, ['--filter', 'eventType eq "none.such"'])).stdout).toBe(
      'There are no such entries.\n',
    )
  })

  test('more than one page of the API', async () => {
    const entry = {
      published: '2026-01-01T00:00:00.000Z',
      severity: 'INFO',
      eventType: 'e',
      displayMessage: 'm',
    }
    const whole = { ...entry, outcome: { result: 'SUCCESS', reason: null }, actor: {}, target: null }
    await using hub = await startLocalServer((request, response) => {
      const after = Number(new URL(request.url ?? '', 'http://hub').searchParams.get('after') ?? 0)
      const link = `<https://public.example/api/v1/logs?after=${after + 1}>; rel="next"`
      response.writeHead(200, { 'content-type': 'application/json', link: ['<x>; rel="self"', link] })
      response.end(JSON.stringify([{ ...whole, uuid: `u${after}` }]))
    })
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: 't' }
    const { stdout } = await runInProcess(['log', '--limit', '3', '--json'], { env })
    expect((JSON.parse(stdout) as { uuid: string }[]).map(({ uuid }) => uuid)).toEqual(['u0', 'u1', 'u2'])
  })

  test('a filter that cannot be read is told where and why', async () => {
    await using hub = await startTestHub()
    const { exitCode, stdout, stderr } = await run(hub, ['--filter', 'eventType equals "x"'])
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain('says 400')
    expect(await run(hub, ['--follow', '--until', '1h'])).toMatchObject({ exitCode: 2, stdout: '' })
  })
})

describe('--follow', () => {
  test.each([
    ['those already there first', '10', ['one', 'two', 'three', 'four']],
    ['only new ones', '0', ['three', 'four']],
  ])('%s, each once, oldest first', async (_, limit, expected) => {
    await using hub = await startTestHub()
    await makeProviders(hub, ['one', 'two'])
    const stop = new AbortController()
    const came: string[] = []
    const asked = Promise.withResolvers<void>()
    const world = {
      async fetch(input: string | URL | Request, init?: RequestInit) {
        const response = await fetch(input, init)
        if (new URL(input instanceof Request ? input.url : input).searchParams.has('after')) asked.resolve()
        return response
      },
    }
    const following = run(hub, ['--follow', '--json', '--filter', creations, '--limit', limit], {
      stop: stop.signal,
      world,
      onStdout(stdout) {
        const entries = stdout.split('\n').filter((line) => line !== '')
        came.splice(0, came.length, ...entries.map((line) => targetOf(JSON.parse(line) as Entry) ?? ''))
        if (came.at(-1) === 'four') stop.abort()
      },
    })
    await asked.promise
    await makeProviders(hub, ['three', 'four'])
    expect(await following).toMatchObject({ exitCode: 0, stderr: '' })
    expect(came).toEqual(expected)
  })

  test('an outage of the hub is reported once', async () => {
    const stop = new AbortController()
    let asked = 0
    await using hub = await startLocalServer((request, response) => {
      asked += 1
      if (asked === 5) stop.abort()
      const link = '<http://hub.example/api/v1/logs?after=x>; rel="next"'
      const isEndless = request.url?.includes('sortOrder') !== true
      response.writeHead(asked > 2 && asked < 5 ? 503 : 200, isEndless ? { link } : {}).end('[]')
    })
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: 't' }
    const following = await runInProcess(['log', '--follow', '--limit', '0'], { env, stop: stop.signal })
    expect(following.exitCode).toBe(0)
    expect(following.stderr.match(/says 503/g)).toHaveLength(1)
    expect(following.stderr).toContain('The hub answers again.')
  })
})
