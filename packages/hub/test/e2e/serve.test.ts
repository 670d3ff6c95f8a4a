import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { places } from './places.ts'
import { adminToken, register, serve } from './serve.ts'
import { freePort } from '../free-port.ts'
import { startLocalServer } from '../local-server.ts'
import { childEnvironment } from '../child-environment.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
const run = (environment: Record<string, string>, ...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], {
    env: { ...childEnvironment, ...environment },
    encoding: 'utf8',
    timeout: 20_000,
  })

test('a bad value stops the start, and every bad value is named at once', () => {
  const { status, stderr, stdout } = run(
    {
      WATCHBELL_LISTEN: 'nowhere',
      WATCHBELL_ORIGIN: 'https://hub.example/path',
      WATCHBELL_LOG_LEVEL: 'loud',
    },
    'serve',
    '--log-retention-days',
    '3651',
  )
  expect([status, stdout]).toEqual([2, ''])
  for (const name of [
    'WATCHBELL_LISTEN',
    'WATCHBELL_ORIGIN',
    'WATCHBELL_LOG_LEVEL',
    '--log-retention-days',
  ]) {
    expect(stderr).toContain(`  ${name}: `)
  }
  expect(stderr).not.toMatch(/\n\s+at /)
})

test('what OpenTelemetry has and Watchbell has not is warned of in the log, and stops nothing', async () => {
  await using folder = await temporaryFolder()
  const hub = await serve(await freePort(), {
    WATCHBELL_DATA: folder.path,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_TRACES_SAMPLER: 'jaeger_remote',
    OTEL_PROPAGATORS: 'b3',
  })
  expect(await hub.stop('SIGTERM')).toBe(0)
  const warnings = hub.output().match(/^\{"level":40,.*$/gm) ?? []
  expect(warnings).toEqual([expect.stringContaining("OTEL_TRACES_SAMPLER: 'jaeger_remote' is not one of")])
})

test.each(places)(
  'on %s: the first start makes an admin token and prints it once',
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment } = await open(folder.path)
    const port = await freePort()
    const first = await serve(port, { ...environment, WATCHBELL_ADMIN_TOKEN: '' })
    const token = /Admin token, shown this once: (\S+)/.exec(first.output())?.[1]
    const status = await fetch(`${first.origin}/v1/signals`, { headers: { authorization: `SSWS ${token}` } })
    expect(status.status).toBe(200)
    expect(await first.stop('SIGTERM')).toBe(0)
    const second = await serve(port, { ...environment, WATCHBELL_ADMIN_TOKEN: '' })
    expect(second.output()).not.toContain('Admin token')
    await second.stop('SIGTERM')
  },
)

test(
  'the first admin token goes to a new file for its owner alone, or nowhere',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    const port = await freePort()
    const file = join(folder.path, 'token')
    const settings = { WATCHBELL_DATA: join(folder.path, 'data'), WATCHBELL_ADMIN_TOKEN: '' }
    const none = await serve(port, { ...settings, WATCHBELL_FIRST_TOKEN: 'none' })
    await none.stop('SIGTERM')
    expect(none.output()).not.toMatch(/token/i)
    await writeFile(file, 'somebody’s')
    const taken = run(
      { ...settings, WATCHBELL_LISTEN: `127.0.0.1:${port}`, WATCHBELL_FIRST_TOKEN: `file:${file}` },
      'serve',
    )
    expect([taken.status, taken.stderr]).toEqual([
      1,
      expect.stringMatching(/token.*EEXIST.*none was made.*WATCHBELL_FIRST_TOKEN/s),
    ])
    expect(await readFile(file, 'utf8')).toBe('somebody’s')
    await rm(file)
    const first = await serve(port, { ...settings, WATCHBELL_FIRST_TOKEN: `file:${file}` })
    const token = (await readFile(file, 'utf8')).trim()
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(first.output()).toContain(`in the file ${file}`)
    expect(first.output()).not.toContain(token)
    const status = await fetch(`${first.origin}/v1/signals`, { headers: { authorization: `SSWS ${token}` } })
    expect(status.status).toBe(200)
    await first.stop('SIGTERM')
    const second = await serve(port, { ...settings, WATCHBELL_FIRST_TOKEN: `file:${file}` })
    await second.stop('SIGTERM')
  },
)

test(
  'a first start that fails makes no admin token, and names its setting',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await using taken = await startLocalServer((_request, response) => response.end())
    const port = await freePort()
    const settings = { WATCHBELL_DATA: folder.path, WATCHBELL_LISTEN: `127.0.0.1:${port}` }
    const failures = [
      [{ WATCHBELL_LISTEN: `127.0.0.1:${taken.port}` }, 'WATCHBELL_LISTEN'],
      [{ WATCHBELL_LISTEN: 'nowhere.invalid:1' }, 'WATCHBELL_LISTEN'],
      [{ WATCHBELL_LISTEN: '192.0.2.1:0' }, 'WATCHBELL_LISTEN'],
      [{ WATCHBELL_METRICS_LISTEN: `127.0.0.1:${taken.port}` }, 'WATCHBELL_METRICS_LISTEN'],
      [{ WATCHBELL_TRUSTED_PROXIES: '0.0.0.0/0' }, 'WATCHBELL_TRUSTED_PROXIES'],
      [{ WATCHBELL_FIRST_TOKEN: `file:${folder.path}/no/folder` }, 'WATCHBELL_FIRST_TOKEN'],
    ] as const
    for (const [bad, name] of failures) {
      const { status, stderr } = run({ ...settings, ...bad }, 'serve')
      expect([bad, status, stderr]).toEqual([bad, expect.toBeOneOf([1, 2]), expect.stringContaining(name)])
    }
    const hub = await serve(port, {
      ...settings,
      WATCHBELL_ADMIN_TOKEN: '',
      WATCHBELL_TRUSTED_PROXIES: '[::1]',
    })
    expect(hub.output()).toContain('Admin token, shown this once')
    await hub.stop('SIGTERM')
    const otherKey = Buffer.alloc(32, 7).toString('base64')
    const { status, stderr } = run({ ...settings, WATCHBELL_SECRET_KEY: otherKey }, 'serve')
    expect([status, stderr]).toEqual([1, expect.stringContaining('WATCHBELL_SECRET_KEY')])
  },
)

test('serve --standby says that it is one, and so does health', async () => {
  await using folder = await temporaryFolder()
  const port = await freePort()
  const hub = await serve(port, { WATCHBELL_DATA: folder.path }, { flags: ['--standby'] })
  expect(hub.output()).toContain('It is a standby, because WATCHBELL_STANDBY is true')
  const health = run({ WATCHBELL_LISTEN: `127.0.0.1:${port}` }, 'health')
  expect([health.status, health.stdout]).toEqual([0, expect.stringContaining('It is a standby')])
  await hub.stop('SIGTERM')
})

test.runIf(existsSync('/proc/self/limits'))(
  'few file descriptors are said at the start, and when connections are hung up on',
  async () => {
    await using folder = await temporaryFolder()
    const port = await freePort()
    const hub = await serve(port, { WATCHBELL_DATA: folder.path }, { filesMax: 100 })
    expect(hub.output()).toMatch(/the process may open 100 files, which is room for \d+ connections/)
    const sockets = Array.from({ length: 120 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
    await expect.poll(() => hub.output(), { timeout: 20_000 }).toContain('connections were hung up on')
    for (const socket of sockets) socket.destroy()
    await expect
      .poll(
        () =>
          fetch(`${hub.origin}/readyz`).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 20_000 },
      )
      .toBe(200)
    expect(await hub.stop('SIGTERM')).toBe(0)
  },
)

test('the log tells of starts and stops, of refused changes with their causes, and of refusals for debugging', async () => {
  await using folder = await temporaryFolder()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  const hub = await serve(await freePort(), { WATCHBELL_DATA: folder.path, WATCHBELL_LOG_LEVEL: 'debug' })
  const refused = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'x',
    type: 't',
    settings: {},
  })
  const { errorId } = (await refused.json()) as { errorId: string }
  await fetch(`${hub.origin}/v1/signals?secret=1`)
  await register(hub, { issuer: transmitter.issuer, jwksUrl: `http://127.0.0.1:${await freePort()}/keys` })
  const draft = { type: 'session-revoked', aud: hub.origin, subject: { format: 'opaque', id: '1' } } as const
  expect((await hub.push(await transmitter.signBroken('iss', draft))).status).toBe(400)
  expect((await hub.push(transmitter.sign(draft))).status).toBe(503)
  await expect.poll(() => hub.output(), { timeout: 20_000 }).toContain('keys of a provider cannot be fetched')
  await hub.stop('SIGTERM')
  const told = hub
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: number; msg: string; path?: string })
  const said = (level: number, msg: string, facts: object = {}) =>
    expect(told).toContainEqual(
      expect.objectContaining({ level, msg: expect.stringContaining(msg), ...facts }),
    )
  said(30, 'the hub has started', { origin: hub.origin, database: 'sqlite' })
  said(30, 'a change was refused', {
    errorId,
    code: 'provider.invalid',
    status: 400,
    by: 'WATCHBELL_ADMIN_TOKEN',
    causes: expect.arrayContaining([expect.stringContaining('settings')]),
  })
  said(20, 'a request was refused', { code: 'access.no_credentials', path: '/v1/signals' })
  said(20, 'a SET was refused', { code: 'set.unknown_issuer' })
  said(30, 'the keys of a provider cannot be fetched', { name: 'idp' })
  said(30, 'the hub stops')
  said(30, 'the hub has stopped')
  expect(hub.output()).not.toContain('secret=1')
})

test('a client that hangs up in the middle of a body is no fault of the hub', async () => {
  await using folder = await temporaryFolder()
  const hub = await serve(await freePort(), { WATCHBELL_DATA: folder.path, WATCHBELL_LOG_LEVEL: 'debug' })
  const { hostname, port } = new URL(hub.origin)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const head = 'content-type: application/secevent+jwt\r\ncontent-length: 1000'
  const begun = `POST /security/api/v1/security-events HTTP/1.1\r\nhost: hub\r\n${head}\r\n\r\nabc`
  socket.write(begun, () => socket.destroy())
  await expect.poll(() => hub.output(), { timeout: 20_000 }).toContain('closed the connection before')
  await hub.stop('SIGTERM')
  expect(hub.output()).not.toMatch(/"level":[45]0/)
})

test('the start line tells where it listens from what it is reached as', async () => {
  await using folder = await temporaryFolder()
  const port = await freePort()
  const hub = await serve(port, {
    WATCHBELL_DATA: folder.path,
    WATCHBELL_ORIGIN: 'https://hub.example',
    WATCHBELL_ADMIN_TOKEN: 'x'.repeat(16),
  })
  expect(hub.output()).toContain(
    `Watchbell listens on 127.0.0.1:${port}, and is reached as https://hub.example`,
  )
  await hub.stop('SIGTERM')
})

const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0

test.runIf(canMount)('a data folder on a read-only file system is told from one of somebody else', () => {
  const script = 'mount -t tmpfs -o ro none /mnt && exec "$@"'
  const { status, stderr } = spawnSync(
    'unshare',
    [
      '-rm',
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      main,
      'serve',
      '--data',
      '/mnt/hub',
      '--listen',
      '127.0.0.1:0',
    ],
    { env: childEnvironment, encoding: 'utf8', timeout: 20_000 },
  )
  expect([status, stderr]).toEqual([1, expect.stringMatching(/read-only .*WATCHBELL_DATA/s)])
  expect(stderr).not.toContain('give it to that user')
})

test.each(places)(
  'on %s: SIGTERM lets a request under way end, and loses nothing',
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment } = await open(folder.path)
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const port = await freePort()
    const hub = await serve(port, environment)
    await register(hub, transmitter)
    const set = transmitter.sign({
      type: 'session-revoked',
      aud: hub.origin,
      subject: { format: 'opaque', id: '1' },
    })
    // Half of the body before the signal, half after it.
    const answer = new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-type': 'application/secevent+jwt', 'content-length': set.length }
      const sending = request(
        { port, path: '/security/api/v1/security-events', method: 'POST', headers },
        (response) => {
          response.resume()
          resolve(response.statusCode)
        },
      )
      sending.on('error', reject)
      sending.write(set.slice(0, 100), () => {
        setTimeout(() => {
          hub.process.kill('SIGTERM')
          setTimeout(() => sending.end(set.slice(100)), 200)
        }, 200)
      })
    })
    expect(await answer).toBe(202)
    expect(await hub.ended()).toBe(0)
    const again = await serve(port, environment)
    expect(await (await again.api('GET', '/v1/signals/counts')).json()).toMatchObject({ accepted: 1 })
    await again.stop('SIGTERM')
  },
)

test.each(places)(
  'on %s: SIGTERM does not wait for a sender that never ends: the stop is a clean one, within its 10 seconds',
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment } = await open(folder.path)
    const port = await freePort()
    const hub = await serve(port, environment)
    const dripping = connect(port, '127.0.0.1').on('error', () => dripping.destroy())
    const hungUp = once(dripping, 'close')
    dripping.write(
      'POST /security/api/v1/security-events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/secevent+jwt\r\nContent-Length: 1000\r\n\r\n',
    )
    const drip = setInterval(() => dripping.write('a'), 100)
    try {
      await new Promise((resolve) => setTimeout(resolve, 200)) // the hub has the headers by now
      expect(await hub.stop('SIGTERM')).toBe(0)
      await hungUp
      expect(hub.output()).not.toContain('took longer')
    } finally {
      clearInterval(drip)
    }
  },
)

test.runIf(existsSync('/dev/full'))('a log that cannot be written does not end the hub', async () => {
  await using folder = await temporaryFolder()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  const hub = await serve(await freePort(), { WATCHBELL_DATA: folder.path }, { logTo: '/dev/full' })
  const unreachable = `http://127.0.0.1:${await freePort()}/keys`
  await register(hub, { issuer: transmitter.issuer, jwksUrl: unreachable }) // which the log has something to say about
  const subject = { format: 'opaque', id: '1' } as const
  const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject })
  expect((await hub.push(set)).status).toBe(503)
  expect((await fetch(`${hub.origin}/readyz`)).status).toBe(200)
  expect(await hub.stop('SIGTERM')).toBe(0)
})

test.each(places)(
  'on %s: no token and no secret is in the log, however much it says',
  async (_database, open) => {
    await using folder = await temporaryFolder()
    const { environment } = await open(folder.path)
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const port = await freePort()
    const hub = await serve(port, { ...environment, WATCHBELL_LOG_LEVEL: 'debug' })
    await register(hub, transmitter)
    const draft = {
      type: 'session-revoked',
      aud: hub.origin,
      subject: { format: 'opaque', id: '1' },
    } as const
    const sound = transmitter.sign(draft)
    const sent = [sound]
    for (const name of ['signature', 'kid', 'iss', 'aud', 'exp', 'crit'] as const) {
      sent.push(await transmitter.signBroken(name, draft))
    }
    for (const set of sent) await hub.push(set)
    transmitter.down = true
    sent.push(await transmitter.signBroken('kid', { ...draft, jti: 'while the keys cannot be fetched' }))
    await hub.push(sent.at(-1) ?? '')
    const credentials = [
      'SSWS someone-elses-secret',
      `Bearer ${sound}`,
      `DPoP ${sound}`,
      'Basic c2VjcmV0OnNlY3JldA==',
    ]
    for (const authorization of credentials) {
      await fetch(`${hub.origin}/v1/signals?after=${sound}`, { headers: { authorization, dpop: sound } })
    }
    await fetch(`${hub.origin}/oauth2/v1/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'x', client_assertion: sound }),
    })
    await hub.stop('SIGTERM')
    const log = hub.output()
    expect(log).toContain('could not be fetched')
    for (const secret of [adminToken, 'someone-elses-secret', 'c2VjcmV0OnNlY3JldA']) {
      expect(log).not.toContain(secret)
    }
    for (const set of sent) expect(log).not.toContain(set.split('.')[1])
  },
)

test(
  'a second hub on the same folder, and a port that is taken, are refused in words',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await using other = await temporaryFolder()
    const port = await freePort()
    const hub = await serve(port, { WATCHBELL_DATA: folder.path })
    const sameFolder = run({ WATCHBELL_DATA: folder.path, WATCHBELL_LISTEN: '127.0.0.1:0' }, 'serve')
    expect([sameFolder.status, sameFolder.stderr]).toEqual([
      1,
      expect.stringContaining('another Watchbell is running'),
    ])
    const samePort = run({ WATCHBELL_DATA: other.path, WATCHBELL_LISTEN: `127.0.0.1:${port}` }, 'serve')
    expect([samePort.status, samePort.stderr]).toEqual([
      1,
      expect.stringContaining('choose another address with --listen'),
    ])
    await hub.stop('SIGTERM')
  },
)

test('a data folder that cannot be used is named, and for whom', async () => {
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'watchbell.db'))
  const { status, stderr } = run({ WATCHBELL_DATA: folder.path, WATCHBELL_LISTEN: '127.0.0.1:0' }, 'serve')
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`the data folder ${folder.path} cannot be used by`),
  ])
})

test(
  'a disk that is full is 503, stops no thread, and what is stored can be read',
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder()
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    const hub = await serve(
      await freePort(),
      { WATCHBELL_DATA: folder.path },
      { fileBytesMax: 12 * 1_048_576 },
    )
    await register(hub, transmitter)
    const statuses: number[] = []
    for (let serial = 0; statuses.filter((status) => status === 503).length < 20; serial += 1) {
      const set = transmitter.sign({
        type: 'session-revoked',
        aud: hub.origin,
        subject: { format: 'opaque', id: `${serial}` },
        claims: { reason_admin: { en: 'x'.repeat(30_000) } },
      })
      statuses.push((await hub.push(set)).status)
      if (statuses.at(-1) === 503) await delay(50) // several rounds of whatever works in the background
      expect(statuses.length).toBeLessThan(5_000)
    }
    expect(new Set(statuses)).toEqual(new Set([202, 503]))
    const ready = await fetch(`${hub.origin}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([
      503,
      expect.stringContaining('does not accept writes'),
    ])
    expect((await fetch(`${hub.origin}/healthz`)).status).toBe(200)
    const page = await hub.api('GET', '/v1/signals?limit=1')
    expect([page.status, ((await page.json()) as { signals: object[] }).signals.length]).toEqual([200, 1])
    expect((await hub.api('GET', '/api/v1/logs?limit=1')).status).toBe(200)
    await hub.stop('SIGTERM')
    const again = await serve(await freePort(), { WATCHBELL_DATA: folder.path }) // where there is room again
    const accepted = statuses.filter((status) => status === 202).length
    expect(await (await again.api('GET', '/v1/signals/counts')).json()).toMatchObject({ accepted })
    expect(await again.stop('SIGTERM')).toBe(0)
  },
)
