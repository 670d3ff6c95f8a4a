// The emulated transmitter sends a signed event to a receiver by push; put the URL of your own in the place of the one below.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { startTransmitter } from 'watchbell/testing'

const receiver = createServer((request, response) => {
  const isSet = request.headers['content-type'] === 'application/secevent+jwt'
  request.resume().on('end', () => response.writeHead(isSet ? 202 : 400).end()) // a real one verifies it first
})
receiver.listen(0, '127.0.0.1')
await once(receiver, 'listening')
const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/events`

await using transmitter = await startTransmitter({ alg: 'ES256' })
const subject = { format: 'email', email: 'ada@example.com' }
const sound = await transmitter.push(
  url,
  transmitter.sign({ type: 'session-revoked', aud: 'https://receiver.example', subject }),
)
console.log(`a sound event: ${sound.status}`)
const broken = await transmitter.signBroken('signature', { type: 'session-revoked', aud: url, subject })
const answer = await transmitter.push(url, broken)
console.log(`a broken signature: ${answer.status}, and a receiver that verifies says 400`)
receiver.close()
