// The emulated transmitter: a receiver makes a stream there, and events go out over it. The receiver here is a hub for tests; your own
// makes its stream from transmitter.wellKnownUrl in the same way.
import { startEmulatedTransmitter, startTestHub } from 'watchbell/testing'

await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
await using hub = await startTestHub()

const settings = { well_known_url: transmitter.wellKnownUrl }
const provider = { name: 'Emulated', type: 'test', settings }
const made = await hub.api('POST', '/api/v1/security-events-providers', provider)
const { id } = (await made.json()) as { id: string }
const auth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' }
const connected = await hub.api('PUT', `/v1/providers/${id}/stream`, { delivery: 'push', auth })
console.log(`the stream: ${connected.status}, ${transmitter.stream().status}`)

async function send(what: string): Promise<void> {
  const subject = { format: 'email', email: 'ada@example.com' }
  const jti = transmitter.send({ type: 'session-revoked', subject })
  await transmitter.pushAll()
  const answer = transmitter.stream().pushes.find((push) => push.jti === jti)
  console.log(`${what}: ${answer?.status} ${answer?.err ?? ''}`.trim())
}

await send('a sound event')
transmitter.misbehaving.add('sets-tampered') // docs/emulated-transmitter.md has the others
await send('one with a spoiled signature')
