import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { runOn } from '../postgres-server.ts'
import {
  allHandled,
  patience,
  pushUntilTaken,
  register,
  revoked,
  startNodes,
  storedAndLogged,
} from './nodes.ts'

test('a node that stops between its append and the end of it holds up nobody who takes the same SET', async () => {
  await using nodes = await startNodes(0)
  await using road = await startRoad(nodes.databaseUrl)
  const first = await nodes.start({ WATCHBELL_DATABASE_URL: road.url })
  const second = await nodes.start()
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  await register(nodes, transmitter)

  const withheld = road.withholdEnd()
  const same = revoked(transmitter, 'ada@paused.example', 'same')
  const slow = first.push(same)
  await withheld
  first.process.kill('SIGSTOP')
  const standsStill = `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND backend_xid IS NOT NULL AND state = 'active' AND wait_event = 'ClientRead' AND query LIKE '%INSERT INTO signal_keys%'`
  await vi.waitUntil(async () => (await runOn(nodes.databaseUrl, standsStill)).length > 0, patience)

  const others = ['other-1', 'other-2'].map((jti) => revoked(transmitter, 'bob@paused.example', jti))
  const answers = await Promise.all([same, ...others].map((set) => second.push(set)))
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
  expect(await runOn(nodes.databaseUrl, standsStill)).toEqual([])

  road.goOn()
  first.process.kill('SIGCONT')
  expect((await slow).status).toBe(503) // its append was undone
  await pushUntilTaken({ ...nodes, at: () => first, alive: [first] }, same)
  await allHandled(nodes)
  const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
  expect(stored).toEqual(['other-1', 'other-2', 'same'])
  expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))
}, 120_000)

/** A way to PostgreSQL that can keep back the message by which an append ends, as a write that was cut there would. */
async function startRoad(databaseUrl: string) {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let withheld: PromiseWithResolvers<void> | undefined
  let held: (() => void) | undefined

  const server = createServer((client) => {
    const database = connect(Number(target.port), target.hostname)
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        database.destroy()
      })
    }
    database.pipe(client)
    let rest = Buffer.alloc(0)
    let isStarted = false
    let appends = false
    let isHeld = false
    const send = (): void => {
      while (!isHeld) {
        const typeLength = isStarted ? 1 : 0 // what a session begins with has no type
        if (rest.length < typeLength + 4) return
        const length = typeLength + rest.readUInt32BE(typeLength)
        if (rest.length < length) return
        const message = rest.subarray(0, length)
        const type = isStarted ? message.toString('latin1', 0, 1) : ''
        if (type === 'P' && message.includes('INSERT INTO signal_keys')) appends = true
        if (type === 'S' && appends && withheld !== undefined && held === undefined) {
          isHeld = true
          held = () => {
            isHeld = false
            send()
          }
          withheld.resolve()
          return
        }
        isStarted = true
        rest = rest.subarray(length)
        database.write(message)
      }
    }
    client.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes])
      send()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
  return {
    url: url.href,
    /** Keeps back the end of the next append. @returns when it is kept back */
    withholdEnd(): Promise<void> {
      withheld = Promise.withResolvers()
      return withheld.promise
    },
    goOn: () => held?.(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
