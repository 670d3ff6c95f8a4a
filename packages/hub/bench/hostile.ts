import { join } from 'node:path'
import { freePort } from '../test/free-port.ts'
import { generateSigningKey, publicJwk, signSet } from '@watchbell/receiver/set'
import { adminToken, apiOf, hubOrigin } from './processes.ts'
import { benchTransmitter, pushPath, serveJwks, startReceiver } from './sets.ts'

export interface HostilePlan {
  readonly folder: string
  readonly rounds: number
  /** SETs of the honest provider in each round and state. */
  readonly samples: number
  readonly say: (line: string) => void
}

/** What an honest provider and a sign-in see, while another provider is silent and while it is at its budget. */
export interface HostileRow {
  readonly what: 'push' | 'push until handled' | 'sign-in'
  readonly idle: Times
  readonly hostile: Times
  /** Of the medians. */
  readonly ratio: number
}

interface Times {
  readonly p50Ms: number
  readonly p99Ms: number
}

const hostileIssuer = 'https://hostile.example'
/** A second; with some 4 KB each that is the budget of bytes. */
const hostilePerSecond = 500
const tickMs = 20
/** Further names of the same person in each SET: as many as are read. */
const names = 49

const events: readonly (readonly [type: string, claims: object])[] = [
  [
    'https://schemas.openid.net/secevent/risc/event-type/credential-compromise',
    { credential_type: 'password' },
  ],
  [
    'https://schemas.openid.net/secevent/risc/event-type/identifier-changed',
    { 'new-value': 'new@example.com' },
  ],
  ['https://schemas.openid.net/secevent/risc/event-type/identifier-recycled', {}],
  ['https://schemas.openid.net/secevent/risc/event-type/account-disabled', { reason: 'hijacking' }],
  ['https://schemas.openid.net/secevent/risc/event-type/sessions-revoked', {}],
]

/** Valid SETs that cost most: many names of one person, other ones in each, in every slot that there is. */
async function hostileSets(
  count: number,
): Promise<{ readonly jwk: object; readonly sets: readonly string[] }> {
  const key = await generateSigningKey('ES256')
  const iat = Math.floor(Date.now() / 1_000)
  const sets = Array.from({ length: count }, (_, serial) => {
    const [type = '', claims = {}] = events[serial % events.length] ?? []
    const identifiers = [
      { format: 'iss_sub', iss: hostileIssuer, sub: `me${Math.floor(serial / 500)}` },
      ...Array.from({ length: names }, (_, at) => ({
        format: 'email',
        email: `${at === 0 ? 'user1' : `name-${(serial * 7 + at) % 400}`}@example.com`,
      })),
    ]
    return signSet({
      key,
      claims: {
        iss: hostileIssuer,
        aud: hubOrigin,
        iat,
        jti: `hostile-${serial}-9d0f0b8a52c64f13`,
        sub_id: { format: 'aliases', identifiers },
        events: { [type]: { event_timestamp: iat, ...claims } },
      },
    })
  })
  return { jwk: publicJwk(key), sets }
}

/** Alternates: in each round both states, on the same hub, so that a machine whose speed changes is nobody's luck. */
export async function measureHostile({ folder, rounds, samples, say }: HostilePlan): Promise<HostileRow[]> {
  const honest = await benchTransmitter('ES256')
  const hostile = await hostileSets(rounds * samples * 120)
  await using honestKeys = await serveJwks(honest.jwk)
  await using hostileKeys = await serveJwks(hostile.jwk)
  const port = await freePort()
  await using _hub = await startReceiver(port, honestKeys.url, {
    WATCHBELL_DATA: join(folder, 'hostile'),
    WATCHBELL_SETS_PER_MINUTE: '60000',
    WATCHBELL_SET_BYTES_PER_MINUTE: '134217728',
  })
  await apiOf(port)('/api/v1/security-events-providers', {
    name: 'hostile',
    type: 'bench',
    settings: { issuer: hostileIssuer, jwks_url: hostileKeys.url },
  })
  const push = async (set: string): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}${pushPath}`, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json' },
      body: set,
    })
    await answer.arrayBuffer()
    return answer.status
  }
  let sent = 0
  let taken = 0
  const attack = (): { stop(): Promise<void> } => {
    const underWay = new Set<Promise<void>>()
    const timer = setInterval(() => {
      for (let at = 0; at < (hostilePerSecond * tickMs) / 1_000; at += 1) {
        const set = hostile.sets[sent % hostile.sets.length] ?? ''
        sent += 1
        const one: Promise<void> = push(set)
          .then((status) => void (status === 202 && (taken += 1)))
          .catch(() => undefined)
          .finally(() => underWay.delete(one))
        underWay.add(one)
      }
    }, tickMs)
    return {
      async stop() {
        clearInterval(timer)
        await Promise.all(underWay)
      },
    }
  }
  let serial = 0
  const times = { push: [], handled: [], signIn: [] } as Record<'push' | 'handled' | 'signIn', number[]>
  const empty = (): typeof times => ({ push: [], handled: [], signIn: [] })
  const sample = async (into: typeof times): Promise<void> => {
    for (let at = 0; at < samples; at += 1) {
      const jti = `bench-${serial}-24c63fb56fa9fa24`
      const set = honest.sign(serial)
      serial += 1
      const began = performance.now()
      const status = await push(set)
      if (status !== 202) throw new Error(`An honest SET was answered ${status}.`)
      into.push.push(performance.now() - began)
      while (!(await isHandled(port, jti)));
      into.handled.push(performance.now() - began)
      const asked = performance.now()
      await apiOf(port)('/access/v1/evaluation', {
        subject: { type: 'user', id: 'user1@example.com' },
        action: { name: 'authenticate' },
        resource: { type: 'app', id: 'mail' },
      })
      into.signIn.push(performance.now() - asked)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await sample(empty()) // compiles the road
  const [idle, attacked] = [empty(), empty()]
  for (let round = 0; round < rounds; round += 1) {
    await sample(idle)
    const attacking = attack()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await sample(attacked)
    await attacking.stop()
    while (!(await isAllHandled(port)));
    say(`round ${round + 1} of ${rounds}: ${taken} of ${sent} hostile SETs were taken`)
  }
  const row = (what: HostileRow['what'], of: keyof typeof times): HostileRow => ({
    what,
    idle: timesOf(idle[of]),
    hostile: timesOf(attacked[of]),
    ratio: timesOf(attacked[of]).p50Ms / timesOf(idle[of]).p50Ms,
  })
  return [row('push', 'push'), row('push until handled', 'handled'), row('sign-in', 'signIn')]
}

async function get<Body>(port: number, path: string): Promise<Body> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `SSWS ${adminToken}` },
  })
  return (await answer.json()) as Body // each caller knows the shape that the path answers with
}

async function isHandled(port: number, jti: string): Promise<boolean> {
  const { signals } = await get<{ signals: { outcome: string }[] }>(port, `/v1/signals?limit=1&jti=${jti}`)
  return signals[0]?.outcome === 'handled'
}

async function isAllHandled(port: number): Promise<boolean> {
  return (await get<{ pending: number }>(port, '/v1/signals/counts')).pending === 0
}

function timesOf(values: readonly number[]): Times {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
