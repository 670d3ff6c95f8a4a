import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmulatedTransmitter, type EmulatedTransmitter } from '../src/testing/emulated-transmitter.ts'
import { adminToken, apiOf, startHub } from './processes.ts'
import { freePort } from '../test/free-port.ts'

export interface PollPlan {
  readonly alg: 'RS256' | 'ES256'
  readonly folder: string
  readonly rounds: number
  readonly sets: number
  readonly say: (line: string) => void
}

/** The median round. */
export interface PollRow {
  readonly alg: string
  /** SETs that were fetched, verified, stored and acknowledged. */
  readonly perSecond: number
}

/** Fetched first and not counted: compiles the hot path. */
const warmUp = 2_000
const revoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

/** How fast a hub of its own process empties a poll stream of the emulated transmitter, which runs in this one. */
export async function measurePoll(plan: PollPlan): Promise<PollRow> {
  const { alg, folder, rounds, sets, say } = plan
  const runs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    await using transmitter = await startEmulatedTransmitter({ alg })
    const port = await freePort()
    await using _hub = await startHub(port, {
      WATCHBELL_LISTEN: `127.0.0.1:${port}`,
      WATCHBELL_DATA: join(folder, `hub-poll-${alg}-${round}`),
      WATCHBELL_OUTBOUND_ALLOW: '127.0.0.1',
    })
    await connect(port, transmitter)
    await emptied(transmitter, warmUp)
    const perSecond = await emptied(transmitter, sets)
    say(`${alg} round ${round + 1} of ${rounds}: by poll: ${Math.round(perSecond)} SETs/s`)
    runs.push(perSecond)
  }
  const sorted = runs.toSorted((a, b) => a - b)
  return { alg, perSecond: sorted[Math.floor(sorted.length / 2)] ?? 0 }
}

/** Holds so many SETs back, lets them go, and waits until the last one is acknowledged. @returns SETs a second */
async function emptied(transmitter: EmulatedTransmitter, sets: number): Promise<number> {
  const stream = transmitter.stream()
  const before = stream.acked.length + stream.waiting.length
  stream.status = 'paused'
  for (let serial = 0; serial < sets; serial += 1) {
    const email = `user${serial % 5_000}@example.com`
    transmitter.send({ type: revoked, subject: { format: 'email', email } })
  }
  const startedAt = performance.now()
  transmitter.setStatus('enabled')
  while (stream.acked.length < before + sets) await sleep(2)
  return sets / ((performance.now() - startedAt) / 1_000)
}

async function connect(port: number, { issuer, wellKnownUrl }: EmulatedTransmitter): Promise<void> {
  const provider = { name: issuer, type: 'bench', settings: { well_known_url: wellKnownUrl } }
  const { id } = await apiOf(port)<{ id: string }>('/api/v1/security-events-providers', provider)
  const answer = await fetch(`http://127.0.0.1:${port}/v1/providers/${id}/stream`, {
    method: 'PUT',
    headers: { authorization: `SSWS ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ delivery: 'poll', auth: { method: 'bearer', token: 'static-token' } }),
  })
  if (!answer.ok) throw new Error(`The stream was not connected: ${answer.status} ${await answer.text()}`)
}
