import { randomUUID } from 'node:crypto'
import {
  breakages,
  startTransmitter,
  type BreakageName,
  type SetDraft,
} from '../packages/hub/src/testing/index.ts'

// The demo's transmitter, in a process of its own: it says where it is, waits for the address of the hub, and pushes.

/** One push, what must become of it, and what the hub answered. */
export interface DemoDelivery {
  readonly what: string
  /** `taken`, `taken again`, or the code of the refusal. */
  readonly expected: string
  readonly jti: string
  readonly status: number
  readonly description: string | undefined
}

export type FromTransmitter =
  | { readonly kind: 'ready'; readonly wellKnownUrl: string }
  | { readonly kind: 'pushed'; readonly deliveries: readonly DemoDelivery[] }

export type ToTransmitter = { readonly kind: 'push'; readonly hub: string }

type Story = Pick<SetDraft, 'subject'> & { readonly type: string; readonly claims?: object }

const ada = { format: 'email', email: 'ada@example.com' }
const grace = { format: 'iss_sub', iss: 'https://idp.example', sub: '00u-grace' }
const laptop = { format: 'opaque', id: 'laptop-4711' }

const sound: readonly Story[] = [
  { type: 'caep/session-revoked', subject: ada },
  { type: 'caep/credential-change', subject: grace },
  { type: 'caep/device-compliance-change', subject: { format: 'complex', user: ada, device: laptop } },
  { type: 'caep/risk-level-change', subject: ada },
  { type: 'risc/account-disabled', subject: grace },
  { type: 'risc/identifier-changed', subject: { format: 'phone_number', phone_number: '+15551234567' } },
  { type: 'okta/user-risk-change', subject: ada },
  { type: 'https://vendor.example/events/badge-lost', subject: ada, claims: { building: 'North' } },
]

const forged: readonly BreakageName[] = [
  'signature',
  'alg-none',
  'alg-hs256',
  'jwk-header',
  'kid',
  'typ',
  'aud',
  'iss',
  'future-iat',
  'duplicate-member',
  'wrong-level',
  'not-a-jwt',
]

const transmitter = await startTransmitter()

async function pushAll(hub: string): Promise<readonly DemoDelivery[]> {
  const deliveries: DemoDelivery[] = []
  async function deliver(what: string, expected: string, { jti, token }: Signed): Promise<void> {
    const { status, description } = await transmitter.push(hub, token)
    deliveries.push({ what, expected, jti, status, description })
  }
  const signed = sound.map((story) => {
    const jti = randomUUID()
    return { what: story.type, jti, token: transmitter.sign({ ...story, aud: hub, jti }) }
  })
  for (const each of signed) await deliver(each.what, 'taken', each)
  for (const each of signed.slice(0, 1)) await deliver(`${each.what}, a second time`, 'taken again', each)
  for (const name of forged) {
    const jti = randomUUID()
    const token = await transmitter.signBroken(name, { type: 'session-revoked', subject: ada, aud: hub, jti })
    await deliver(breakages[name].broken, breakages[name].code, { jti, token })
  }
  return deliveries
}

interface Signed {
  readonly jti: string
  readonly token: string
}

function tell(message: FromTransmitter): void {
  if (process.send === undefined) throw new Error('This runs as a child of demo.ts.')
  process.send(message)
}

process.on('message', ({ hub }: ToTransmitter) => {
  pushAll(hub).then(
    (deliveries) => tell({ kind: 'pushed', deliveries }),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0)) // the demo is gone, however it went
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0))
tell({ kind: 'ready', wellKnownUrl: transmitter.wellKnownUrl })
