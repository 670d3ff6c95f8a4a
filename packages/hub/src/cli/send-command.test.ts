import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { startLocalServer } from '../../test/local-server.ts'
import { runInProcess, type CliRun, type CliSurroundings } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { breakageNames } from '../testing/breakages.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'
import type { ProviderBody } from '../wire/providers.ts'

function run(hub: TestHub, args: readonly string[], more: CliSurroundings = {}): Promise<CliRun> {
  return runInProcess(['send', ...args], {
    env: { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken },
    ...more,
  })
}

interface Line {
  readonly type?: string
  readonly broken?: string | null
  readonly status?: number
  readonly expected?: boolean
  readonly issuer?: string
}

function linesOf(stdout: string): readonly Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

async function signalsOf(
  hub: TestHub,
): Promise<readonly { events: { name: string; subject: object; claims: object }[] }[]> {
  const { signals } = (await (await hub.api('GET', '/v1/signals')).json()) as { signals: [] }
  return signals
}

async function providersOf(hub: TestHub): Promise<readonly ProviderBody[]> {
  return (await (await hub.api('GET', '/api/v1/security-events-providers')).json()) as ProviderBody[]
}

describe('sound events', () => {
  test('a bare send pushes a session-revoked, and says what to do when the hub does not know it', async () => {
    await using hub = await startTestHub()
    const unknown = await run(hub, ['--alg', 'EdDSA'])
    expect(unknown.exitCode).toBe(1)
    expect(unknown.stdout).toContain('400 refused    session-revoked ada@example.com')
    expect(unknown.stdout).toContain('The hub does not know this transmitter: add --register.')

    const known = await run(hub, ['--alg', 'EdDSA', '--register'])
    expect(known.exitCode).toBe(0)
    expect(known.stdout).toMatch(
      /^202 taken {6}session-revoked ada@example.com\n {6}handled\n {6}jti [\w-]{36}\n$/,
    )
    expect(known.stderr).toMatch(
      /^Transmitter http:\/\/127.*\nRegistered as provider sse\w{17} \(watchbell send http/,
    )
  })

  test('several, by short name, family and URI, about whom and with what is asked for, so many times', async () => {
    await using hub = await startTestHub()
    const uri = 'https://schemas.openid.net/secevent/caep/event-type/device-compliance-change'
    const args = [
      'session-revoked',
      'risc/account-disabled',
      uri,
      'urn:example:own',
      '--count',
      '2',
      '--rate',
      '100',
    ]
    const { exitCode, stdout } = await run(hub, [
      ...args,
      '--register',
      '--alg',
      'ES256',
      '--json',
      '--subject',
      'phone:+15551234',
    ])
    expect(exitCode).toBe(0)
    expect(linesOf(stdout)).toHaveLength(9)
    expect(
      linesOf(stdout)
        .slice(1)
        .every(({ status, expected }) => status === 202 && expected === true),
    ).toBe(true)

    const claims = '{"reason_admin":{"en":"Stolen"}}'
    const subject = '{"format":"iss_sub","iss":"https://idp.example","sub":"7"}'
    await run(hub, ['--register', '--alg', 'ES256', '--claims', claims, '--subject-json', subject])
    await hub.handleAll()
    const signals = await signalsOf(hub)
    expect(signals).toHaveLength(9)
    expect(signals[0]?.events[0]).toMatchObject({
      subject: JSON.parse(subject) as object,
      claims: JSON.parse(claims) as object,
    })
    expect(signals[1]?.events[0]?.subject).toEqual({ format: 'phone_number', phone_number: '+15551234' })
  })

  test('one key and issuer between runs is one provider, whose JWKS URL follows', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub()
    const file = join(folder.path, 'key.jwk')
    const args = ['--register', '--key', file, '--issuer', 'https://idp.example', '--alg', 'ES256']
    expect((await run(hub, args)).exitCode).toBe(0)
    const [first] = await providersOf(hub)
    const jwk = await readFile(file, 'utf8')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await run(hub, args)).exitCode).toBe(0)
    const [second, ...more] = await providersOf(hub)
    expect(more).toEqual([])
    expect(second?.id).toBe(first?.id)
    expect(second?.settings.jwks_url).not.toBe(first?.settings.jwks_url)
    expect(await readFile(file, 'utf8')).toBe(jwk)
    expect((await run(hub, [...args.slice(0, -1), 'EdDSA'])).stderr).toContain('is for ES256, not EdDSA')
  })

  test('--register uses its provider again, under the issuer of the last time, whatever the key and port', async () => {
    await using hub = await startTestHub()
    for (const alg of ['EdDSA', 'ES256', 'EdDSA']) {
      const { exitCode, stdout, stderr } = await run(hub, ['--register', '--alg', alg])
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 0,
        stderr: expect.stringContaining('egistered') as string,
      })
      expect(stdout).toContain('      handled\n')
    }
    expect(await providersOf(hub)).toHaveLength(1)
  })

  test('--register makes another provider while the transmitter of the first one still runs', async () => {
    await using hub = await startTestHub()
    const stop = new AbortController()
    const introduced = Promise.withResolvers<string>()
    const serving = run(hub, ['--register', '--serve', '--json', '--alg', 'EdDSA'], {
      stop: stop.signal,
      onStdout: introduced.resolve,
    })
    const { jwks_url } = JSON.parse(await introduced.promise) as { jwks_url: string }
    await vi.waitUntil(async () => (await providersOf(hub)).length === 1)
    expect((await run(hub, ['--register', '--alg', 'EdDSA'])).exitCode).toBe(0)
    const providers = await providersOf(hub)
    expect(providers).toHaveLength(2)
    expect(providers.map(({ settings }) => settings.jwks_url)).toContain(jwks_url)
    stop.abort()
    expect(await serving).toMatchObject({ exitCode: 0 })
  })

  test.each([
    ['an event about a stream', ['verification'], 'the event is about the stream itself'],
    [
      'a device event that names no device',
      ['device-compliance-change', '--subject', 'email:a@b.example'],
      'device',
    ],
    [
      'a subject in a format that nobody knows',
      ['session-revoked', '--subject-json', '{"format":"x-own","id":"1"}'],
      'format',
    ],
  ])('%s is handled, about nobody, and why', async (_, args, reason) => {
    await using hub = await startTestHub()
    const sent = await run(hub, [...args, '--register', '--alg', 'EdDSA'])
    expect(sent.exitCode).toBe(0)
    expect(sent.stdout).toMatch(/^202 taken/)
    expect(sent.stdout).toMatch(new RegExp(`\n {6}handled, about nobody: .*${reason}`))
    const json = await run(hub, [...args, '--register', '--alg', 'EdDSA', '--json'])
    expect(linesOf(json.stdout)[1]).toMatchObject({ outcome: 'handled', about_nobody: true })
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
    const listed = await runInProcess(['signals'], { env })
    expect(listed.stdout).toMatch(new RegExp(`handled, about nobody  .*\n    .*${reason}`))
    expect((await runInProcess(['signals', '--json'], { env })).stdout).toContain('"about_nobody": true')
  })

  test('a token for the hub is not sent to another receiver', async () => {
    const seen: (string | undefined)[] = []
    await using other = await startLocalServer((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(202).end()
    })
    const env = { WATCHBELL_TOKEN: 'secret-of-the-hub' }
    const { exitCode, stdout } = await runInProcess(['send', '--to', other.origin, '--alg', 'EdDSA'], { env })
    expect({ exitCode, seen }).toEqual({ exitCode: 0, seen: [undefined] })
    expect(stdout).not.toContain('handled')
  })

  test('a provider that is deactivated is said to be', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub()
    const args = ['--register', '--key', join(folder.path, 'k'), '--issuer', 'Issuer', '--alg', 'EdDSA']
    await run(hub, args)
    const [provider] = await providersOf(hub)
    await hub.api('POST', `/api/v1/security-events-providers/${provider?.id}/lifecycle/deactivate`)
    const { exitCode, stdout, stderr } = await run(hub, args)
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`is deactivated: \`watchbell provider activate ${provider?.id}\``)
    expect(stdout).toContain('authentication_failed')
  })

  test('a hub that may not fetch from here says which setting permits it', async () => {
    await using hub = await startTestHub({ settings: { outboundAllow: '' } })
    const { exitCode, stderr } = await run(hub, ['--register', '--alg', 'EdDSA'])
    expect(exitCode).toBe(1)
    expect(stderr).toContain('WATCHBELL_OUTBOUND_ALLOW')
  })

  test('with --serve it goes on serving until it is stopped, also without an event', async () => {
    await using hub = await startTestHub()
    const stop = new AbortController()
    const introduced = Promise.withResolvers<string>()
    const serving = run(hub, ['--serve', '--json', '--alg', 'EdDSA'], {
      stop: stop.signal,
      onStdout: introduced.resolve,
    })
    const { issuer, jwks_url } = JSON.parse(await introduced.promise) as { issuer: string; jwks_url: string }
    expect(await (await fetch(jwks_url)).json()).toMatchObject({ keys: [{ alg: 'EdDSA' }] })
    const known = await run(hub, ['--alg', 'EdDSA', '--listen', issuer.slice('http://'.length)])
    expect(known.exitCode).toBe(2)
    expect(known.stderr).toContain('cannot be listened on')
    stop.abort()
    expect(await serving).toMatchObject({ exitCode: 0 })
    await expect(fetch(jwks_url)).rejects.toThrow('fetch failed')
  })
})

describe('broken tokens', () => {
  test('every way is refused by a hub, and that is a success', async () => {
    await using hub = await startTestHub()
    const { exitCode, stdout } = await run(hub, ['--register', '--break', 'all', '--json'])
    expect(exitCode).toBe(0)
    const [, ...lines] = linesOf(stdout)
    expect(lines.map(({ broken }) => broken)).toEqual(breakageNames)
    expect(lines.filter(({ expected }) => expected !== true)).toEqual([])
  })

  test('a receiver that takes one has failed, in words and by the exit code', async () => {
    await using careless = await startLocalServer((_request, response) => void response.writeHead(202).end())
    const args = [
      'send',
      '--to',
      `${careless.origin}/push`,
      '--alg',
      'EdDSA',
      '--break',
      'signature',
      '--break',
      'typ',
    ]
    const { exitCode, stdout, stderr } = await runInProcess(args)
    expect(exitCode).toBe(1)
    expect(stdout).toContain('202 taken      --break typ: typ is JWT, so it could be an ID token')
    expect(stdout).toContain('A receiver must not take this token.')
    expect(stderr).toContain('2 of 2 tokens did not come out as they should')
    expect(careless.requests).toEqual(['/push', '/push'])
  })

  test('a fault of the receiver is no refusal', async () => {
    await using faulty = await startLocalServer((_request, response) => {
      response.writeHead(503, { 'retry-after': '3' }).end()
    })
    const { exitCode, stdout } = await runInProcess([
      'send',
      '--to',
      faulty.origin,
      '--alg',
      'EdDSA',
      '--break',
      'aud',
    ])
    expect(exitCode).toBe(1)
    expect(stdout).toContain('503 not taken')
    expect(stdout).toContain('Try again after 3 s.')
  })
})

test('the catalogue is shown without a hub', async () => {
  const { exitCode, stdout } = await runInProcess(['send', '--list'], {
    terminalColumns: 80,
    env: { NO_COLOR: '1' },
  })
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^EVENT +WHAT HAPPENED\ncaep\/session-revoked +A session was revoked\n/)
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(JSON.parse((await runInProcess(['send', '--list', '--json'])).stdout)).toContainEqual(
    expect.objectContaining({ family: 'okta', name: 'ip-change' }),
  )
})

test('a missing hub is an error with its address', async () => {
  const { exitCode, stderr } = await runInProcess(['send', '--to', 'http://127.0.0.1:9', '--alg', 'EdDSA'])
  expect(exitCode).toBe(1)
  expect(stderr).toContain('No hub answers at http://127.0.0.1:9')
})

describe('wrong usage', () => {
  test.each([
    ['an event', ['session-revokd'], "There is no event type 'session-revokd'."],
    ['a breakage', ['--break', 'sig'], "there is no 'sig'; take signature, typ"],
    ['an algorithm', ['--alg', 'HS256'], 'Allowed choices are RS256'],
    ['a subject without a format', ['--subject', 'ada@example.com'], 'It must be FORMAT:VALUE'],
    ['a subject without a value', ['--subject', 'email:'], 'It must be FORMAT:VALUE'],
    ['a subject of JSON', ['--subject-json', '{'], 'It is not JSON'],
    ['claims', ['--claims', '[1]'], 'It must be a JSON object'],
    ['a count', ['--count', '0'], 'It must be a whole number from 1'],
    ['a place to listen', ['--listen', '9000'], 'It must be host:port'],
    ['a port', ['--listen', '127.0.0.1:70000'], 'It must be host:port'],
    ['a target', ['--to', 'hub'], "'hub' is not a URL"],
    ['an origin', ['--origin', 'here'], "'here' is not an http(s) URL"],
    ['a key file', ['--key', '/nowhere/key.jwk'], '/nowhere/key.jwk'],
    ['--register without a token', ['--register'], 'This needs an API token'],
  ])('%s', async (_, args, message) => {
    const { exitCode, stdout, stderr } = await runInProcess(['send', '--alg', 'EdDSA', ...args])
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toContain(message)
  })

  test.each([
    ['no JSON', 'x', 2, 'does not hold a private JWK'],
    ['a public key', '{"kty":"OKP","crv":"Ed25519","x":"AA"}', 1, 'has no private part'],
  ])('a key file with %s', async (_, text, code, message) => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'key')
    await writeFile(file, text)
    const { exitCode, stderr } = await runInProcess(['send', '--key', file])
    expect(exitCode).toBe(code)
    expect(stderr).toContain(message)
  })
})
