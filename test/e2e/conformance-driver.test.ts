import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request as forward } from 'node:http'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { startEmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { startLocalServer } from '../local-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { freePort } from '../free-port.ts'

const driver = resolve(import.meta.dirname, '../../scripts/conformance-driver.ts')

test('the conformance driver plays each module of a plan against a suite', { timeout: 60_000 }, async () => {
  const suitePort = await freePort()
  const suiteUrl = `http://127.0.0.1:${suitePort}`
  // The suite's transmitter is at a path of the suite; here the emulated one plays it, behind the same address.
  await using transmitter = await startEmulatedTransmitter({
    issuer: `${suiteUrl}/test/a/watchbell`,
    origin: suiteUrl,
  })
  const modules = ['stream-create-delete', 'happypath', 'stream-status-update', 'removed-subject-event'].map(
    (name) => ({ testModule: `openid-ssf-receiver-${name}` }),
  )
  const started: string[] = []
  await using _suite = await startLocalServer(
    (request, response) => {
      const url = new URL(request.url ?? '/', suiteUrl)
      const answer = (body: object): void => void response.end(JSON.stringify(body))
      if (url.pathname === '/api/plan') return answer({ id: 'plan', modules })
      if (url.pathname === '/api/runner') {
        started.push(url.searchParams.get('test') ?? '')
        return answer({ id: `run${started.length}` })
      }
      if (url.pathname.startsWith('/api/info/')) {
        const deleted = transmitter.requests.filter(({ method }) => method === 'DELETE').length
        return answer(
          deleted >= started.length ? { status: 'FINISHED', result: 'PASSED' } : { status: 'WAITING' },
        )
      }
      const { method, headers } = request
      const on = forward(
        transmitter.listensAt,
        { path: url.pathname + url.search, ...(method !== undefined && { method }), headers },
        (from) => {
          response.writeHead(from.statusCode ?? 500, from.headers)
          from.pipe(response)
        },
      )
      on.on('error', () => response.destroy())
      response.on('close', () => on.destroy()) // a long poll that was given up
      request.pipe(on)
    },
    { port: suitePort },
  )
  await using hub = await startTestHub({ threads: true })
  await using folder = await temporaryFolder()
  const config = join(folder.path, 'plan.json')
  await writeFile(config, JSON.stringify({ alias: 'watchbell' }))
  const args = [
    '--suite',
    suiteUrl,
    '--hub',
    hub.origin,
    '--config',
    config,
    '--delivery',
    'poll',
    '--access-token',
    'static-token',
    '--idle-seconds',
    '1',
  ]
  const child = spawn(process.execPath, [driver, ...args], {
    env: { PATH: process.env['PATH'], WATCHBELL_TOKEN: hub.adminToken },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: string[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const [code] = (await once(child, 'exit')) as [number]

  expect(said.join('')).toMatch(/(PASSED +openid-ssf-receiver-[a-z-]+\n){4}$/)
  expect(code).toBe(0)
  expect(started).toEqual(modules.map(({ testModule }) => testModule))
  const sent = (endpoint: string, method: string): number =>
    transmitter.requests.filter((request) => request.endpoint === endpoint && request.method === method)
      .length
  expect(sent('configuration', 'POST')).toBe(4)
  expect(sent('configuration', 'DELETE')).toBe(4)
  expect(sent('configuration', 'PATCH')).toBeGreaterThanOrEqual(2) // happypath: updated and replaced
  expect(sent('status', 'POST')).toBe(2)
  expect(sent('subjects', 'POST')).toBe(1)
  expect(transmitter.streams).toEqual([])
  const providers = (await (await hub.api('GET', '/api/v1/security-events-providers')).json()) as object[]
  expect(providers).toEqual([])
})
