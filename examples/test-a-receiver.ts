// The emulated transmitter sends a receiver a sound event, the same again, and broken ones. Give it the URL of your own receiver; that of
// express-receiver.ts is the default.
//   npx node examples/test-a-receiver.ts http://127.0.0.1:3000/events
import { startTransmitter } from 'watchbell/testing'

const [url = 'http://127.0.0.1:3000/events'] = process.argv.slice(2)
const { AUDIENCE: aud = 'https://receiver.example', PORT = '8090' } = process.env

// Your receiver trusts this issuer, whose keys are at /jwks.json and whose metadata is where SSF 1.0 §7.2 has it.
await using transmitter = await startTransmitter({ alg: 'ES256', port: Number(PORT) })
const draft = { type: 'session-revoked', aud, subject: { format: 'email', email: 'ada@example.com' } }

async function send(what: string, token: string): Promise<void> {
  const { status, err, description } = await transmitter.push(url, token)
  console.log([`${what}: ${status}`, err, description].filter((word) => word !== undefined).join(' '))
}

const sound = transmitter.sign(draft)
await send('a sound event', sound)
await send('the same again', sound)
await send('a broken signature', await transmitter.signBroken('signature', draft))
await send('for another receiver', transmitter.sign({ ...draft, aud: 'https://other.example' }))
