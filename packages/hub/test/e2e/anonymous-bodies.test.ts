import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { anonymousBodyBytesMax } from '../../src/http/body-room.ts'
import { setBytesMax } from '@watchbell/receiver/set'
import { startTransmitter, type Transmitter } from '../../src/testing/transmitter.ts'
import { freePort } from '../free-port.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { register, serve, type ServeProcess } from './serve.ts'

const mebibyte = 1_048_576
/** What reading from 900 sockets takes whatever comes over them, and what the collector has not freed yet. */
const runtimeBytes = 192 * mebibyte

let hub: ServeProcess
let transmitter: Transmitter
const opened = new AsyncDisposableStack()
beforeAll(async () => {
  const folder = opened.use(await temporaryFolder())
  transmitter = opened.use(await startTransmitter({ alg: 'ES256' }))
  hub = await serve(await freePort(), { WATCHBELL_DATA: folder.path, WATCHBELL_REFUSALS_PER_MINUTE: '0' })
  opened.defer(async () => void (await hub.stop('SIGTERM')))
  await register(hub, transmitter)
  await hub.push(honestSet())
})
afterAll(() => opened.disposeAsync())

function honestSet(): string {
  return transmitter.sign({
    type: 'session-revoked',
    aud: hub.origin,
    subject: { format: 'email', email: 'ada@example.com' },
  })
}

/** The most memory that the hub had since the last call of `forgetPeak`, in bytes. */
function peakBytes(): number {
  const status = readFileSync(`/proc/${hub.process.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
}

function forgetPeak(): void {
  writeFileSync(`/proc/${hub.process.pid}/clear_refs`, '5')
}

/** A connection that sent all but the end of a request, and the status of the answer once there is one. */
interface Caller extends Disposable {
  readonly status: Promise<number>
  readonly socket: Socket
}

async function call(head: readonly string[], body: Buffer): Promise<Caller> {
  const { hostname, port } = new URL(hub.origin)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => socket.destroy())
  await once(socket, 'connect')
  socket.write([...head, `Host: ${hostname}:${port}`, '', ''].join('\r\n'))
  socket.write(body)
  const status = once(socket, 'data').then(([first]) => Number(String(first).split(' ')[1]))
  return { status, socket, [Symbol.dispose]: () => void socket.destroy() }
}

const doors: readonly (readonly [wanted: number, line: string, ...headers: string[]])[] = [
  [401, 'POST /api/v1/security-events-providers', 'Authorization: SSWS guessed'],
  [403, 'PUT /api/v1/users/ada/risk'],
  [401, 'POST /oauth2/v1/clients', 'Authorization: Bearer a.b.c'],
  [401, 'POST /access/v1/evaluation'],
  [401, 'POST /access/v1/evaluations', 'Authorization: SSWS guessed'],
  [404, 'POST /ssf/streams/strguessed/events', 'Authorization: Bearer guessed'],
  [413, 'POST /security/api/v1/security-events'],
  [413, 'POST /oauth2/v1/token'],
  [404, 'POST /api/v1/nothing'],
  [405, 'DELETE /oauth2/v1/token'],
]

test.skipIf(process.platform !== 'linux')(
  '900 anonymous connections with 1 MiB each are answered before their bodies are there, in little memory',
  { timeout: 120_000 },
  async () => {
    forgetPeak()
    const before = peakBytes()
    using callers = new DisposableStack()
    const body = Buffer.alloc(mebibyte - 1, 'x') // the last byte never comes
    const statuses: Promise<number>[] = []
    for (let count = 0; count < 900; count += 1) {
      const [, line, ...headers] = doors[count % doors.length] ?? [0, '']
      const type = line.endsWith('/token') ? 'application/x-www-form-urlencoded' : typeOf(line)
      const head = [`${line} HTTP/1.1`, ...headers, `Content-Type: ${type}`, `Content-Length: ${mebibyte}`]
      statuses.push(callers.use(await call(head, body)).status)
    }
    expect(await Promise.all(statuses)).toEqual(
      Array.from({ length: 900 }, (_, count) => doors[count % doors.length]?.[0]),
    )
    expect(peakBytes() - before).toBeLessThan(anonymousBodyBytesMax + runtimeBytes)
  },
)

function typeOf(line: string): string {
  return line.includes('security-events') && !line.includes('providers')
    ? 'application/secevent+jwt'
    : 'application/json'
}

test.skipIf(process.platform !== 'linux')(
  'SETs of anybody that never end share one bound: the oldest give way, and an honest one is taken',
  { timeout: 120_000 },
  async () => {
    forgetPeak()
    const before = peakBytes()
    using callers = new DisposableStack()
    const whole = Buffer.alloc(setBytesMax - 1, 'x')
    const one = Buffer.from('1\r\nx\r\n')
    const inPieces = Buffer.concat(Array.from({ length: setBytesMax - 1 }, () => one))
    const held = Math.floor(anonymousBodyBytesMax / setBytesMax)
    let refused = 0
    const enough = Promise.withResolvers<void>()
    for (let count = 0; count < 900; count += 1) {
      const pieces = count % 30 === 0
      const length = pieces ? 'Transfer-Encoding: chunked' : `Content-Length: ${setBytesMax}`
      const head = [
        'POST /security/api/v1/security-events HTTP/1.1',
        'Content-Type: application/secevent+jwt',
        length,
      ]
      const caller = callers.use(await call(head, pieces ? inPieces : whole))
      void caller.status.then((status) => {
        expect(status).toBe(503)
        refused += 1
        if (refused === 900 - held) enough.resolve()
      })
    }
    await enough.promise
    expect((await hub.push(honestSet())).status).toBe(202)
    expect(peakBytes() - before).toBeLessThan(anonymousBodyBytesMax + runtimeBytes)
  },
)
