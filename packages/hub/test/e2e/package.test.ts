import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { linkModules } from '../../../../scripts/link-modules.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { pageLinks } from '../page-links.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { serve } from './serve.ts'
import { freePort } from '../free-port.ts'

const root = resolve(import.meta.dirname, '../../../..')
const run = promisify(execFile)
const tsc = join(root, 'node_modules/typescript/bin/tsc')

/** A program that somebody writes who knows the package only by its doors. It runs as it stands: Node strips the types. */
const embedder = `
import {
  createHub, createSecretBox, HubError, hubErrors, hubServer, isHubError, openEmbedded, parseOutboundAllow, realWorld,
  silentLogger, urlProblem, type Hub, type HubErrorCode, type Storage,
} from 'watchbell'
import { hubServer as sameServer } from 'watchbell/http'
import { openClustered } from 'watchbell/postgres'
import { openEmbedded as sameStorage } from 'watchbell/sqlite'
import { startTestHub, startTransmitter } from 'watchbell/testing'
import { requestOf, type SignalPageBody } from 'watchbell/wire'

const subject = { format: 'email', email: 'ada@example.com' }

async function readyMade(): Promise<object> {
  await using hub = await startTestHub()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'idp', type: 'test', settings: { well_known_url: transmitter.wellKnownUrl },
  })
  const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject })
  const pushed = await hub.push(set)
  await hub.handleAll()
  const { method, path } = requestOf('GET /v1/signals', { query: { limit: 5 } })
  const { signals } = await (await hub.api(method, path)).json() as SignalPageBody
  return { created: created.status, pushed: pushed.status, outcomes: signals.map(({ outcome }) => outcome) }
}

async function ownComposition(folder: string): Promise<object> {
  const allow = parseOutboundAllow('')
  if (!allow.ok) throw new Error('an empty list is a list')
  await using storage = await openEmbedded({
    folder, origin: 'http://127.0.0.1:0', now: new Date(), logLevel: 'error', riskOverrides: [], unknownUsers: 'welcome', onDeath: (error) => { throw error },
  })
  const ports: Pick<Storage, 'stores' | 'transaction'> = storage
  const world = realWorld(globalThis.fetch)
  const origin = 'http://127.0.0.1:0'
  await using hub: Hub = await createHub({
    world, logger: silentLogger, storage: ports, secretBox: createSecretBox(new Uint8Array(32)),
    urlProblem: (url) => urlProblem(allow.value, url),
    settings: {
      origin, signalRetentionDays: 365, tokenRetentionDays: 90, logRetentionDays: 90, riskHistoryRetentionDays: 90, apiRequestsPerMinute: 0, refusalsPerMinute: 0, checkKeysOnCreate: false,
      riskProvidersMax: 3, riskEventRequestsPerMinute: 0, riskOutcomes: { NONE: 'allow', LOW: 'allow', MEDIUM: 'challenge', HIGH: 'deny' },
      logEvaluations: 'all',
    },
  })
  let code: HubErrorCode | undefined
  try {
    await hub.push(new TextEncoder().encode('no token'), '192.0.2.1')
  } catch (error) {
    if (isHubError(error) && error instanceof HubError && error.code in hubErrors) code = error.code
  }
  const server = hubServer({
    hub, world, logger: silentLogger, trustedProxies: [], deprecationHeaders: false,
    forwardAuth: {
      userHeader: 'X-Forwarded-User', addressHeader: 'X-Forwarded-For', token: undefined, sessionHeader: undefined,
      signedInHeader: undefined, untimed: { treatment: 'ignore', sessionDaysMax: 30 },
    },
  })
  const health = await server.inject('/healthz')
  await server.close()
  return { code, health: health.statusCode, one: sameServer === hubServer && sameStorage === openEmbedded }
}

async function onPostgres(url: string): Promise<object> {
  await using storage = await openClustered({
    url, origin: 'http://127.0.0.1:0', logLevel: 'error', riskOverrides: [], unknownUsers: 'welcome', logger: silentLogger, now: new Date(),
    onDeath: (error) => { throw error },
  })
  const { accepted } = await storage.stores.signals.counts()
  return { accepted, handled: await storage.handle() }
}

const [folder = '', url = ''] = process.argv.slice(2)
console.log(JSON.stringify([await readyMade(), await ownComposition(folder), await onPostgres(url)]))
`

describe('the package as npm packs it', () => {
  let app = ''
  beforeAll(async () => {
    const folder = await temporaryFolder()
    app = folder.path
    // As npm packs it, in a copy of the checkout that has no build yet.
    const checkout = join(app, 'checkout')
    await cp(root, checkout, {
      recursive: true,
      filter: (from) => !['node_modules', 'dist', '.git', 'watchbell-data'].includes(basename(from)),
    })
    await linkModules(root, checkout)
    await run('npm', ['pack', '--workspaces', '--pack-destination', app], { cwd: checkout })
    const modules = join(app, 'node_modules')
    const needed = new Set(['@types/node'])
    for (const name of ['receiver', 'hub']) {
      const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as {
        readonly name: string
        readonly dependencies: Readonly<Record<string, string>>
      } // ours
      const folder = join(modules, manifest.name)
      await mkdir(folder, { recursive: true })
      const parcel = `${manifest.name.replace('@', '').replace('/', '-')}-0.1.0.tgz`
      await run('tar', ['-xzf', join(app, parcel), '-C', folder, '--strip-components=1'])
      for (const dependency of Object.keys(manifest.dependencies)) needed.add(dependency)
    }
    needed.delete('@watchbell/receiver')
    // What an install would bring, and nothing that only we develop with.
    for (const name of needed) {
      await mkdir(join(modules, name, '..'), { recursive: true })
      await symlink(join(root, 'node_modules', name), join(modules, name))
    }
    await writeFile(join(app, 'package.json'), '{"type":"module"}')
    await writeFile(join(app, 'embedder.ts'), embedder)
    const page = readFileSync(join(root, 'packages/receiver/README.md'), 'utf8')
    const [, program = ''] = /```ts\n([^]*?)```/.exec(page) ?? []
    const use = `const answer = await POST(new Request('http://app.example', { method: 'POST' }))`
    await writeFile(join(app, 'receive.ts'), `${program}\n${use}\nconsole.log(answer.status)\n`)
    return () => folder[Symbol.asyncDispose]()
  }, 180_000)

  test('has a door for each use, and a program that enters through them works', async () => {
    const given = ['embedder.ts', join(app, 'data'), await emptyDatabase()]
    const { stdout } = await run(process.execPath, given, { cwd: app })
    expect(JSON.parse(stdout)).toEqual([
      { created: 200, pushed: 202, outcomes: ['handled'] },
      { code: 'set.malformed', health: 200, one: true },
      { accepted: 0, handled: 0 },
    ])
  }, 60_000)

  test('has types behind every door', async () => {
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck']
    const { stdout } = await run(
      process.execPath,
      [tsc, ...options, '--lib', 'es2024,esnext.disposable', '--types', 'node', 'embedder.ts', 'receive.ts'],
      { cwd: app },
    ).catch((error: unknown) => error as { stdout: string }) // what execFile rejects with
    expect(stdout).toBe('')
  })

  test('starts with `npm start`, and a SIGTERM to npm stops the hub as well', async () => {
    const origin = `http://127.0.0.1:${await freePort()}`
    const npm = spawn('npm', ['start'], {
      cwd: join(app, 'checkout'),
      env: {
        PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
        WATCHBELL_LISTEN: new URL(origin).host,
        WATCHBELL_DATA: join(app, 'started'),
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const exited = once(npm, 'exit')
    const said = createInterface(npm.stdout)
    for await (const line of said) if (line.includes(`listens on ${origin}`)) break
    expect((await fetch(`${origin}/readyz`)).status).toBe(200)
    npm.kill('SIGTERM')
    await exited
    // Another hub can have port and folder: nobody is left behind.
    const again = await serve(Number(new URL(origin).port), { WATCHBELL_DATA: join(app, 'started') })
    expect(await again.stop('SIGTERM')).toBe(0)
  })

  describe('runs the examples', () => {
    const PATH = process.env['PATH']
    const copied = async (name: string): Promise<string> => {
      await cp(join(root, 'examples', name), join(app, name))
      return name
    }

    test('embedded-hub.ts', async () => {
      const env = {
        PATH,
        WATCHBELL_LISTEN: '127.0.0.1:0',
        WATCHBELL_DATA: join(app, 'example'),
        WATCHBELL_LOG_LEVEL: 'error',
      }
      const { stdout } = await run(process.execPath, [await copied('embedded-hub.ts')], { cwd: app, env })
      expect(stdout).toBe('ada@example.com may sign in\n')
    }, 60_000)

    test('send-over-a-stream.ts', async () => {
      const { stdout } = await run(process.execPath, [await copied('send-over-a-stream.ts')], {
        cwd: app,
        env: { PATH },
      })
      expect(stdout.trim().split('\n')).toEqual([
        'the stream: 200, enabled',
        'a sound event: 202',
        'one with a spoiled signature: 400 invalid_key',
      ])
    }, 60_000)

    test('express-receiver.ts takes what test-a-receiver.ts sends, and says why it refuses the rest', async () => {
      await symlink(join(root, 'node_modules/express'), join(app, 'node_modules/express'))
      const [transmitter, receiver] = [await freePort(), await freePort()]
      const issuer = `http://127.0.0.1:${transmitter}`
      const receiving = spawn(process.execPath, [await copied('express-receiver.ts')], {
        cwd: app,
        env: { PATH, ISSUER: issuer, JWKS_URL: `${issuer}/jwks.json`, PORT: String(receiver) },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(receiving, 'exit')
      const lines = createInterface(receiving.stdout)[Symbol.asyncIterator]()
      const url = `http://127.0.0.1:${receiver}/events`
      expect((await lines.next()).value).toBe(`takes events at ${url}`)
      const { stdout } = await run(process.execPath, [await copied('test-a-receiver.ts'), url], {
        cwd: app,
        env: { PATH, PORT: String(transmitter) },
      })
      expect(
        stdout
          .replaceAll(/kid=\S+/g, 'kid=…')
          .trim()
          .split('\n'),
      ).toEqual([
        'a sound event: 202',
        'the same again: 202',
        'a broken signature: 400 invalid_key Could not verify message signature, Verification failed for kid=…',
        "for another receiver: 400 invalid_audience The token's aud is https://other.example; it must be or contain https://receiver.example.",
      ])
      const noToken = await fetch(url, { method: 'POST', body: '{}' })
      expect([noToken.status, await noToken.json()]).toMatchObject([400, { err: 'invalid_request' }])
      receiving.kill('SIGTERM')
      await exited
      const printed: string[] = []
      for (let next = await lines.next(); next.done !== true; next = await lines.next())
        printed.push(next.value)
      expect(printed).toEqual(['session-revoked about {"format":"email","email":"ada@example.com"}'])
    }, 60_000)
  })

  test('runs what the README of the receiver shows', async () => {
    const { stdout } = await run(process.execPath, ['receive.ts'], { cwd: app })
    expect(stdout).toBe('401\n')
  })

  test('says so in one line when it is run by an old Node.js', async () => {
    // It says so before it imports anything: what is imported need not even parse there.
    const old = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.11.0'})`
    const main = join(app, 'node_modules/watchbell/dist/cli/main.js')
    await expect(run(process.execPath, ['--import', old, main, '--version'])).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^watchbell: This is Node\.js 20\.11\.0, and Watchbell needs 24 or newer[^\n]*\n$/,
      ),
    })
    expect(readFileSync(main, 'utf8')).not.toMatch(/^\s*(?:import|export)\b.*from/m)
  })

  test('`npm start` before anything was installed or built says what to do', async () => {
    const bare = join(app, 'bare')
    await mkdir(bare)
    await cp(join(root, 'package.json'), join(bare, 'package.json'))
    await expect(run('npm', ['start'], { cwd: bare })).rejects.toMatchObject({
      stderr: expect.stringContaining('run npm ci && npm run build'),
    })
  })

  test('packing leaves nothing behind', async () => {
    for (const name of await readdir(join(app, 'checkout/packages'))) {
      const path = join('packages', name)
      const left = (await readdir(join(app, 'checkout', path))).filter((each) => each !== 'dist')
      expect((await readdir(join(root, path))).filter((each) => each !== 'dist')).toEqual(left)
      const manifest = join(path, 'package.json')
      expect(readFileSync(join(app, 'checkout', manifest), 'utf8')).toBe(
        readFileSync(join(root, manifest), 'utf8'),
      )
    }
  })

  test('has every page, and all that its pages link to', () => {
    const pages = (folder: string): readonly string[] =>
      globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'examples/**/*.md'], { cwd: folder })
    const packed = join(app, 'node_modules/watchbell')
    expect(pages(packed).toSorted()).toEqual(pages(root).toSorted())
    const missing = pages(packed)
      .flatMap((page) => pageLinks(packed, page).map(({ file }) => ({ page, file })))
      .filter(({ file }) => !existsSync(join(packed, file)))
    expect(missing).toEqual([])
  })

  test('the root is no package, and says what is', async () => {
    await expect(run('npm', ['pack'], { cwd: join(app, 'checkout') })).rejects.toMatchObject({
      stderr: expect.stringContaining('npm pack --workspaces'),
    })
  })

  test('has the command, and nothing behind the doors that is not for others', async () => {
    const { stdout } = await run(process.execPath, [
      join(app, 'node_modules/watchbell/dist/cli/main.js'),
      '--version',
    ])
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    await expect(
      run(process.execPath, ['-e', "await import('watchbell/hub')"], { cwd: app }),
    ).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })
})
