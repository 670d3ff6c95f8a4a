import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun, type CliSurroundings } from '../../test/run-cli.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'
import { startTransmitter, type Transmitter } from '../testing/transmitter.ts'
import type { SignalBody } from '../wire/signals.ts'

const ada = { format: 'email', email: 'ada@example.com' }

function run(hub: TestHub, args: readonly string[], more: CliSurroundings = {}): Promise<CliRun> {
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken, NO_COLOR: '1' }
  return runInProcess(['signals', ...args], { env, ...more })
}

async function registered(hub: TestHub): Promise<Transmitter> {
  const transmitter = await startTransmitter({ alg: 'EdDSA' })
  const settings = { issuer: transmitter.issuer, jwks_url: transmitter.jwksUrl }
  await hub.api('POST', '/api/v1/security-events-providers', { name: 'IdP', type: 'test', settings })
  return transmitter
}

async function push(hub: TestHub, from: Transmitter, jti: string, type = 'session-revoked'): Promise<void> {
  const token = from.sign({ type, subject: ada, aud: hub.origin, jti })
  expect(await from.push(hub.origin, token)).toMatchObject({ status: 202 })
}

function jtisOf(stdout: string): readonly (string | null)[] {
  return (JSON.parse(stdout) as readonly SignalBody[]).map(({ jti }) => jti)
}

describe('signals that are there', () => {
  test('are listed newest first, with verdict, reason and repeats', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    const token = idp.sign({ type: 'session-revoked', subject: ada, aud: hub.origin, jti: 'good' })
    await idp.push(hub.origin, token)
    await idp.push(hub.origin, token)
    await idp.push(
      hub.origin,
      await idp.signBroken('signature', { type: 'session-revoked', subject: ada, aud: hub.origin }),
    )
    await hub.handleAll()

    const { exitCode, stdout } = await run(hub, [], { terminalColumns: 80 })
    expect(exitCode).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
    expect(stdout).toMatch(
      new RegExp(
        '^\\S+Z  refused  set.bad_signature\n    Could not verify message signature[^]*\n    rfs\\w{17} from [^\n]+\n' +
          '\\S+Z  handled  session-revoked ada@example.com\n    sig[0-9a-f]{32} from [^\n]+$',
        'm',
      ),
    )
    expect((await run(hub, ['--outcome', 'handled'])).stdout).toContain(', came again 1 time')
  })

  test('are filtered as the API filters, with names where the API wants ids and URIs', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    await push(hub, idp, 'one')
    await push(hub, idp, 'two', 'account-disabled')
    await idp.push(
      hub.origin,
      await idp.signBroken('iss', { type: 'session-revoked', aud: hub.origin, jti: 'three' }),
    )
    await hub.handleAll()
    const find = async (...args: readonly string[]): Promise<unknown> =>
      jtisOf((await run(hub, [...args, '--json'])).stdout)
    expect(await find()).toEqual(['three', 'two', 'one'])
    expect(await find('--type', 'risc/account-disabled')).toEqual(['two'])
    expect(await find('--provider', 'IdP')).toEqual(['two', 'one'])
    expect(await find('--outcome', 'refused')).toEqual(['three'])
    expect(await find('--jti', 'one')).toEqual(['one'])
    expect(await find('--iss', idp.issuer)).toEqual(['two', 'one'])
    expect(await find('--subject', 'ada@example.com', '--limit', '1')).toEqual(['two'])
    expect(await find('--since', '1h')).toHaveLength(3)
    expect(await find('--until', '1h')).toEqual([])
    expect((await run(hub, ['--jti', 'none'])).stdout).toBe('There are no such signals.\n')
  })

  test('come from as many pages as it takes', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    const jtis = Array.from({ length: 205 }, (_, at) => `jti-${at}`)
    for (const jti of jtis) await push(hub, idp, jti)
    expect(jtisOf((await run(hub, ['--limit', '203', '--json'])).stdout)).toEqual(
      jtis.toReversed().slice(0, 203),
    )
  })

  test('one is shown whole, its token when it is asked for', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    const token = idp.sign({ type: 'session-revoked', subject: ada, aud: hub.origin })
    await idp.push(hub.origin, token)
    const [signal] = JSON.parse((await run(hub, ['--json'])).stdout) as [SignalBody]
    const shown = await run(hub, ['show', signal.id])
    expect(shown.stdout).toContain('"email": "ada@example.com"')
    expect(shown.stdout).not.toContain(token)
    expect((await run(hub, ['show', signal.id, '--include-token'])).stdout).toContain(token)
    expect((await run(hub, ['show', 'sig404'])).exitCode).toBe(1)
  })

  test.each([
    ['an outcome', ['--outcome', 'good'], 'Allowed choices are pending, handled, failed, refused'],
    ['a time', ['--since', 'yesterday'], 'It must be a time such as 2026-01-31T12:00:00Z, or how long ago'],
    ['a count', ['--limit', '-1'], 'It must be a whole number from 0 to 100000'],
    ['an event type', ['--type', 'session-revok'], 'Did you mean session-revoked'],
    ['a word too many', ['shwo', 'x'], 'too many arguments'],
  ])('%s that is none is wrong usage', async (_, args, message) => {
    const env = { WATCHBELL_URL: 'http://127.0.0.1:9', WATCHBELL_TOKEN: 't' }
    const { exitCode, stderr } = await runInProcess(['signals', ...args], { env })
    expect(exitCode).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe('signals that come', () => {
  interface Following {
    readonly finished: Promise<CliRun>
    /** Resolves when so many signals were printed. @returns their jtis in the order of printing */
    printed(count: number): Promise<readonly (string | null)[]>
    readonly stop: AbortController
  }

  function follow(hub: TestHub, args: readonly string[], fetch = globalThis.fetch): Following {
    const stop = new AbortController()
    let jtis: readonly (string | null)[] = []
    let told: () => void = () => undefined
    const finished = run(hub, ['--follow', '--json', ...args], {
      stop: stop.signal,
      world: { fetch },
      onStdout: (stdout) => {
        const lines = stdout.split('\n').slice(0, -1)
        jtis = lines.map((line) => (JSON.parse(line) as SignalBody).jti)
        told()
      },
    })
    return {
      finished,
      stop,
      async printed(count) {
        while (jtis.length < count) await new Promise<void>((resolve) => (told = resolve))
        return jtis
      },
    }
  }

  test('are printed oldest first, none missed and none twice, after the last of those there', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    for (const jti of ['a', 'b', 'c', 'd']) await push(hub, idp, jti)
    const following = follow(hub, ['--limit', '2'])
    expect(await following.printed(2)).toEqual(['c', 'd'])
    const jtis = Array.from({ length: 30 }, (_, at) => `n${at}`)
    for (const jti of jtis.slice(0, 15)) await push(hub, idp, jti)
    await following.printed(10)
    for (const jti of jtis.slice(15)) await push(hub, idp, jti)
    await idp.push(
      hub.origin,
      await idp.signBroken('aud', { type: 'session-revoked', aud: 'x', jti: 'refused' }),
    )
    expect(await following.printed(33)).toEqual(['c', 'd', ...jtis, 'refused'])
    following.stop.abort()
    const { exitCode, stdout } = await following.finished
    expect(exitCode).toBe(0)
    expect(stdout).not.toContain('"outcome":"pending"')
  })

  test('more than a page of them between two rounds', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    await push(hub, idp, 'before')
    let gate = Promise.resolve()
    const following = follow(hub, ['--limit', '1'], (...args) => gate.then(() => fetch(...args)))
    await following.printed(1)
    const opened = Promise.withResolvers<void>()
    gate = opened.promise
    const jtis = Array.from({ length: 250 }, (_, at) => `n${at}`)
    for (const jti of jtis) await push(hub, idp, jti)
    opened.resolve()
    expect(await following.printed(251)).toEqual(['before', ...jtis])
    following.stop.abort()
    await following.finished
  })

  test('and only those that fit the filters', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    const following = follow(hub, ['--type', 'account-disabled'])
    await push(hub, idp, 'other')
    await push(hub, idp, 'meant', 'account-disabled')
    expect(await following.printed(1)).toEqual(['meant'])
    following.stop.abort()
    await following.finished
  })

  test('a hub that is away for a while is waited for; a token that is revoked ends it', async () => {
    await using hub = await startTestHub()
    await using idp = await registered(hub)
    const { secret } = await hub.hub.apiTokens.create({ name: 'follower', role: 'read_only' })
    const unplugged = Promise.withResolvers<void>()
    let failures = 2
    let away = false
    const fetch: typeof globalThis.fetch = async (...args) => {
      if (!away) return globalThis.fetch(...args)
      unplugged.resolve()
      away = --failures > 0
      throw new Error('unplugged')
    }
    const following = runInProcess(
      ['signals', '--follow', '--json', '--url', hub.origin, '--token', secret],
      {
        world: { fetch },
        onStdout(stdout) {
          if (stdout.includes('"second"')) void hub.hub.apiTokens.revoke('follower')
          else away = true
        },
      },
    )
    await push(hub, idp, 'first')
    await unplugged.promise
    await push(hub, idp, 'second')
    const { exitCode, stdout, stderr } = await following
    expect(exitCode).toBe(1)
    expect(
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as SignalBody).jti),
    ).toEqual(['first', 'second'])
    expect(stderr).toMatch(
      /^No hub answers at .*unplugged.* Trying again …\nThe hub answers again\.\nwatchbell: .*401/,
    )
  })
})
