import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import { join, resolve } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { startEmulatedTransmitter, type EmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import type { EmulatedClient } from '../../src/testing/emulated-oauth.ts'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { freePort } from '../free-port.ts'
import { startLocalServer } from '../local-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { childEnvironment } from '../child-environment.ts'

const driver = resolve(import.meta.dirname, '../../../../scripts/conformance-driver.ts')

/** A request that reached the suite's transmitter. */
interface Seen {
  readonly method: string
  readonly target: string
  readonly body: string
}

/** A suite as release 5.2.4 of the real one behaves, with the emulated transmitter behind its address. */
interface Suite extends AsyncDisposable {
  readonly url: string
  readonly transmitter: EmulatedTransmitter
  /** The modules that were started, in their order. */
  readonly started: readonly string[]
  readonly variants: readonly object[]
  /** What reached the transmitter while the module with this name ran. */
  seen(module: string): readonly Seen[]
  readonly cancelled: readonly string[]
}

interface SuiteOptions {
  readonly modules: readonly string[]
  readonly clients?: readonly EmulatedClient[]
  /** Of the transmitter's issuer. Default: as the suite makes it of the alias. */
  readonly issuerPath?: string
  /** Modules that never end. */
  readonly endless?: readonly string[]
  /** Entries of a module's log. */
  readonly logs?: Readonly<Record<string, readonly object[]>>
}

/** What each module waits for before it ends: see its summary in the suite. */
const waitsFor: Readonly<Record<string, readonly RegExp[]>> = {
  happypath: [
    /^POST \/ssf\/streams/,
    /^GET \/ssf\/streams\?stream_id=/,
    /^PATCH \/ssf\/streams/,
    /^PUT \/ssf\/streams/,
    /^DELETE \/ssf\/streams/,
  ],
  'stream-create-delete': [/^POST \/ssf\/streams/, /^DELETE \/ssf\/streams/],
  'stream-status-update': [/^POST \/ssf\/streams/, /^POST \/ssf\/status/, /^DELETE \/ssf\/streams/],
  'stream-verification': [/^POST \/ssf\/streams/, /^POST \/ssf\/verify/, /^DELETE \/ssf\/streams/],
  'removed-subject-event': [/^POST \/ssf\/streams/, /^POST \/ssf\/subjects/, /^DELETE \/ssf\/streams/],
  'stream-caep-interop': [
    /^POST \/ssf\/streams/,
    /^GET \/ssf\/streams\?stream_id=/,
    /^GET \/ssf\/status\?stream_id=/,
    /^POST \/ssf\/verify/,
  ],
}

async function startSuite(options: SuiteOptions): Promise<Suite> {
  const { modules, clients, issuerPath = '/test/a/watchbell', endless = [], logs = {} } = options
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const opened = new AsyncDisposableStack()
  const transmitter = opened.use(
    await startEmulatedTransmitter({
      issuer: url + issuerPath,
      origin: url,
      ...(clients !== undefined && { clients }),
    }),
  )
  const started: string[] = []
  const variants: object[] = []
  const cancelled: string[] = []
  const seen: Seen[][] = []
  const broken = new Set<number>()

  const indexOf = (id: string): number => Number(id.replace('run', ''))
  const stateOf = (index: number): { status: string; result: string | null } => {
    const name = (started[index] ?? '').replace('openid-ssf-receiver-', '')
    if (broken.has(index) || cancelled.includes(`run${index}`))
      return { status: 'INTERRUPTED', result: 'FAILED' }
    const lines = (seen[index] ?? []).map(({ method, target }) => `${method} ${target}`)
    const done = (waitsFor[name] ?? []).every((pattern) => lines.some((line) => pattern.test(line)))
    return done && !endless.includes(name)
      ? { status: 'FINISHED', result: 'PASSED' }
      : { status: 'WAITING', result: null }
  }

  const api = (request: IncomingMessage, response: ServerResponse, { pathname, searchParams }: URL): void => {
    const answer = (body: unknown): void => void response.end(JSON.stringify(body))
    const [, , kind = '', id = ''] = pathname.split('/')
    if (kind === 'plan') {
      variants.push(JSON.parse(searchParams.get('variant') ?? '{}') as object)
      return answer({
        id: 'plan',
        modules: modules.map((name) => ({ testModule: `openid-ssf-receiver-${name}`, variant: {} })),
      })
    }
    if (kind === 'runner' && id === '') {
      started.push(searchParams.get('test') ?? '')
      seen.push([])
      return answer({ name: searchParams.get('test'), id: `run${started.length - 1}` })
    }
    if (kind === 'runner' && request.method === 'DELETE') cancelled.push(id)
    if (kind === 'runner') return answer({ id, exposed: { ssf_issuer: transmitter.issuer } })
    if (kind === 'info') return answer(stateOf(indexOf(id)))
    if (kind === 'log')
      return answer(logs[(started[indexOf(id)] ?? '').replace('openid-ssf-receiver-', '')] ?? [])
    response.writeHead(404).end()
  }

  opened.use(
    await startLocalServer(
      (request, response) => {
        const at = new URL(request.url ?? '/', url)
        if (at.pathname.startsWith('/api/')) return api(request, response, at)
        const current = started.length - 1
        // A finished module answers everything with nothing.
        if (stateOf(current).status === 'FINISHED') return void response.writeHead(204).end()
        // There is no RFC 9728 metadata, and who looks for it ends the module.
        if (at.pathname.startsWith('/.well-known/oauth-protected-resource')) broken.add(current)
        if (at.pathname === '/.well-known/oauth-authorization-server/test/a/watchbell') {
          const { issuer, tokenUrl } = transmitter
          return void response.end(JSON.stringify({ issuer, token_endpoint: tokenUrl }))
        }
        void pass(request, response, at)
      },
      { port },
    ),
  )

  async function pass(request: IncomingMessage, response: ServerResponse, at: URL): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const { method = 'GET', headers } = request
    const current = started.length - 1
    // A module does nothing else while a long poll waits.
    if (/\/poll/.test(at.pathname) && !body.includes('"returnImmediately":true')) broken.add(current)
    seen[current]?.push({ method, target: at.pathname + at.search, body })
    const on = forward(transmitter.listensAt, { path: at.pathname + at.search, method, headers }, (from) => {
      response.writeHead(from.statusCode ?? 500, from.headers)
      from.pipe(response)
    })
    on.on('error', () => response.destroy())
    response.on('close', () => on.destroy())
    on.end(body)
  }

  return {
    url,
    transmitter,
    started,
    variants,
    cancelled,
    seen: (module) => seen[started.indexOf(`openid-ssf-receiver-${module}`)] ?? [],
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

interface Drive {
  readonly suite: Suite
  readonly hub: TestHub
  readonly args: readonly string[]
  readonly config?: object
}

async function drive({ suite, hub, args, config = {} }: Drive): Promise<{ code: number; said: string }> {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'plan.json')
  await writeFile(file, JSON.stringify({ alias: 'watchbell', ...config }))
  const child = spawn(
    process.execPath,
    [
      driver,
      '--suite',
      suite.url,
      '--hub',
      hub.origin,
      '--config',
      file,
      '--idle-seconds',
      '1',
      '--end-seconds',
      '10',
      ...args,
    ],
    {
      env: { ...childEnvironment, WATCHBELL_TOKEN: hub.adminToken },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const said: string[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, said: said.join('') }
}

async function providersOf(hub: TestHub): Promise<readonly object[]> {
  return (await (await hub.api('GET', '/api/v1/security-events-providers')).json()) as object[] // of a 200
}

const bearer = ['--access-token', 'static-token']

describe('the conformance driver', { timeout: 120_000 }, () => {
  test.each(['push', 'poll'])('plays each module of a plan to its end: %s', async (delivery) => {
    const modules = Object.keys(waitsFor)
    await using suite = await startSuite({ modules })
    await using hub = await startTestHub({ threads: true })
    const { code, said } = await drive({ suite, hub, args: ['--delivery', delivery, ...bearer] })

    expect(said).toMatch(/^Plan .*\n(PASSED +openid-ssf-receiver-[a-z-]+\n){6}$/)
    expect(code).toBe(0)
    expect(suite.started).toEqual(modules.map((name) => `openid-ssf-receiver-${name}`))
    expect(suite.variants).toEqual([
      { ssf_delivery_mode: delivery, ssf_auth_mode: 'static', ssf_profile: 'default' },
    ])
    expect(suite.transmitter.streams.filter(({ status }) => status === 'enabled').length).toBeLessThanOrEqual(
      1,
    ) // that of caep-interop, which ended before
    expect(await providersOf(hub)).toEqual([])
  })

  test.each(['client_secret_basic', 'client_secret_post'])(
    'names the authorization server and the scope, so that nothing is looked for: %s',
    async (method) => {
      await using suite = await startSuite({
        modules: ['happypath'],
        clients: [{ id: 'watchbell', secret: 'a-secret' }],
      })
      await using hub = await startTestHub({ threads: true })
      const credentials = ['--client-id', 'watchbell', '--client-secret', 'a-secret', '--client-auth', method]
      const args = ['--delivery', 'poll', ...credentials, '--scope', 'ssf.manage ssf.read']
      expect(await drive({ suite, hub, args })).toMatchObject({ code: 0 })
      expect(suite.variants).toMatchObject([{ ssf_auth_mode: 'dynamic', client_auth_type: method }])
      const token = suite.seen('happypath').find(({ target }) => target.includes('token'))
      expect(new URLSearchParams(token?.body).get('scope')).toBe('ssf.manage ssf.read')
    },
  )

  test('authenticates with private_key_jwt, by the key in a file and the scope of the configuration', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    const named = async (key: typeof publicKey): Promise<JWK> => ({
      ...(await exportJWK(key)),
      kid: 'k',
      alg: 'ES256',
    })
    await using suite = await startSuite({
      modules: ['stream-verification'],
      issuerPath: '', // the emulated authorization server takes its own issuer alone as an audience
      clients: [{ id: 'watchbell', jwks: { keys: [await named(publicKey)] } }],
    })
    await using hub = await startTestHub({ threads: true })
    await using folder = await temporaryFolder()
    const key = join(folder.path, 'client.jwk')
    await writeFile(key, JSON.stringify(await named(privateKey)))
    const args = ['--delivery', 'poll', '--client-id', 'watchbell', '--client-key', key]
    const config = { client: { scope: 'ssf.read ssf.manage ssf.read' } }
    expect(await drive({ suite, hub, args, config })).toMatchObject({ code: 0 })
    expect(suite.variants).toMatchObject([{ client_auth_type: 'private_key_jwt' }])
    const token = suite.seen('stream-verification').find(({ target }) => target.includes('token'))
    expect(new URLSearchParams(token?.body).get('scope')).toBe('ssf.read ssf.manage ssf.read')
  })

  test('what goes wrong in one module, a provider of a killed run too, does not end the plan', async () => {
    await using suite = await startSuite({ modules: ['removed-subject-event', 'stream-create-delete'] })
    await using hub = await startTestHub({ threads: true })
    const left = {
      name: 'conformance run0',
      type: 'conformance',
      settings: { issuer: suite.transmitter.issuer, jwks_url: suite.transmitter.jwksUrl },
    }
    expect((await hub.api('POST', '/api/v1/security-events-providers', left)).status).toBe(200)
    suite.transmitter.fail('subjects', { status: 500 }, Infinity)
    const { code, said } = await drive({
      suite,
      hub,
      args: ['--delivery', 'push', '--end-seconds', '5', ...bearer],
    })
    expect(said).toMatch(/subjects\/remove was answered with 502/)
    expect(said).toMatch(/PASSED +openid-ssf-receiver-stream-create-delete\n/)
    expect(code).toBe(0) // the suite saw what it waits for
    expect(await providersOf(hub)).toEqual([])
  })

  test('leaves a provider alone that somebody else made for this issuer, and goes on', async () => {
    await using suite = await startSuite({ modules: ['stream-create-delete', 'happypath'] })
    await using hub = await startTestHub({ threads: true })
    const theirs = {
      name: 'Theirs',
      type: 'idp',
      settings: { issuer: suite.transmitter.issuer, jwks_url: suite.transmitter.jwksUrl },
    }
    expect((await hub.api('POST', '/api/v1/security-events-providers', theirs)).status).toBe(200)
    const { code, said } = await drive({
      suite,
      hub,
      args: ['--delivery', 'push', '--end-seconds', '1', ...bearer],
    })
    expect(said.match(/The provider Theirs \(\w+\) has the issuer \S+: delete it first/g)).toHaveLength(2)
    expect(code).toBe(1)
    expect(await providersOf(hub)).toHaveLength(1)
  })

  test('a module that never ends is cancelled, and what the suite found stands under its module', async () => {
    const found = {
      result: 'FAILURE',
      src: 'EnsureSomething',
      msg: 'It is not so',
      requirements: ['RFC8935-2.2'],
    }
    await using suite = await startSuite({
      modules: ['stream-create-delete', 'happypath'],
      endless: ['stream-create-delete'],
      logs: { 'stream-create-delete': [{ result: 'SUCCESS', src: 'Fine', msg: 'ok' }, found] },
    })
    await using hub = await startTestHub({ threads: true })
    const { code, said } = await drive({
      suite,
      hub,
      args: ['--delivery', 'push', '--end-seconds', '1', ...bearer],
    })
    expect(said).toMatch(
      /FAILED +openid-ssf-receiver-stream-create-delete\n {2}FAILURE EnsureSomething: It is not so \(RFC8935-2\.2\)\nPASSED +openid-ssf-receiver-happypath\n$/,
    )
    expect(suite.cancelled).toEqual(['run0'])
    expect(code).toBe(1)
  })

  test('docs/conformance.md has a configuration for each kind of authentication', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../../docs/conformance.md'), 'utf8')
    const samples = [...text.matchAll(/^```json\n(.*?)^```$/gms)].map(
      ([, json = '']) => JSON.parse(json) as object,
    )
    const common = { alias: 'watchbell', ssf: { stream: {}, subjects: { valid: {}, invalid: {} } } }
    expect(samples).toMatchObject([
      { ...common, ssf: { ...common.ssf, transmitter: { access_token: 'a-long-token' } } },
      { ...common, client: { client_id: 'watchbell', client_secret: 'a-long-secret' } },
      { ...common, client: { client_id: 'watchbell', jwks: { keys: [{ kty: 'EC' }] } } },
    ])
    for (const option of text.match(/(?<=^ {3}.*)--[a-z-]+/gm) ?? []) {
      if (option !== '--version') expect(readFileSync(driver, 'utf8')).toContain(option)
    }
  })

  test('the suite has longer than the 60 seconds that it may need, unless told otherwise', async () => {
    const child = spawn(process.execPath, [driver, '--help'], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(child, 'close')
    expect(Number(/--end-seconds N .*default (\d+)/.exec(said)?.[1])).toBeGreaterThan(60)
  })
})
