import { setTimeout as sleep } from 'node:timers/promises'
import {
  startEmulatedTransmitter,
  type EmulatedDraft,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from '../testing/emulated-transmitter.ts'
import { isMisbehaviourName, misbehaviourNames, type MisbehaviourName } from '../testing/misbehaviours.ts'
import type { EmulatedStream } from '../testing/emulated-streams.ts'
import { jsonText, printLine, wrongUsage, type CliIo } from './cli-io.ts'
import { table } from './table.ts'

export interface SsfPlan {
  /** Sent in this order to every stream that requests them, once a stream exists. */
  readonly drafts: readonly EmulatedDraft[]
  readonly count: number
  readonly perSecond: number
  readonly json: boolean
}

/** How often to check whether a receiver has made a stream. */
const lookMs = 100
const ssfClient = { id: 'receiver', secret: 'receiver' } as const
const ssfBearerToken = 'static-token'

/** @throws CliError when a name is unknown */
export function misbehaviourOf(name: string): MisbehaviourName {
  if (isMisbehaviourName(name)) return name
  throw wrongUsage(`--misbehave: there is no '${name}'; take ${misbehaviourNames.join(', ')}.`)
}

/** @throws the error of `listen`, such as EADDRINUSE */
export function startSsf(options: EmulatedTransmitterOptions): Promise<EmulatedTransmitter> {
  return startEmulatedTransmitter({ ...options, clients: [ssfClient], bearerTokens: [ssfBearerToken] })
}

/** `watchbell send --ssf`: a complete transmitter that serves and sends events until it is stopped. */
export async function serveSsf(io: CliIo, transmitter: EmulatedTransmitter, plan: SsfPlan): Promise<void> {
  const stopped = io.stopSignal()
  introduce(io, transmitter, plan)
  await sendAll(transmitter, plan, stopped)
  if (!stopped.aborted) {
    await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }))
  }
  conclude(io, transmitter.streams, plan)
}

function introduce(io: CliIo, transmitter: EmulatedTransmitter, { json }: SsfPlan): void {
  const { issuer, wellKnownUrl, jwksUrl, tokenUrl } = transmitter
  const { id, secret } = ssfClient
  if (json) {
    const urls = { issuer, well_known_url: wellKnownUrl, jwks_url: jwksUrl, token_url: tokenUrl }
    const line = { ...urls, client_id: id, client_secret: secret, bearer_token: ssfBearerToken }
    return printLine(io.stdout, jsonText(line))
  }
  printLine(io.stdout, `Transmitter ${issuer}, metadata at ${wellKnownUrl}`)
  printLine(io.stdout, `Client id ${id}, client secret ${secret}; or the bearer token ${ssfBearerToken}`)
  printLine(io.stderr, 'Serving; Ctrl-C ends it.')
}

async function sendAll(
  transmitter: EmulatedTransmitter,
  { drafts, count, perSecond }: SsfPlan,
  stopped: AbortSignal,
): Promise<void> {
  const pause = (ms: number): Promise<unknown> =>
    sleep(ms, undefined, { signal: stopped }).catch(() => undefined)
  while (drafts.length > 0 && transmitter.streams.length === 0 && !stopped.aborted) await pause(lookMs)
  for (let round = 0; round < count; round++) {
    for (const draft of drafts) {
      if (stopped.aborted) return
      transmitter.send(draft)
      await pause(1_000 / perSecond)
    }
  }
}

/** The results of the SETs of each stream. */
function conclude(io: CliIo, streams: readonly EmulatedStream[], { json }: SsfPlan): void {
  const counts = streams.map(({ id, receiver, status, acked, pushes, setErrs, waiting }) => ({
    stream_id: id,
    receiver: receiver.replace(/^bearer:.*/, 'bearer token'),
    status,
    taken: acked.length + pushes.filter((push) => push.status === 202).length,
    refused: setErrs.length + pushes.filter(({ err }) => err !== undefined).length,
    waiting: waiting.length,
  }))
  if (json) {
    for (const count of counts) printLine(io.stdout, jsonText(count))
  } else if (counts.length > 0) {
    const rows = counts.map((count) => Object.values(count).map(String))
    printLine(
      io.stdout,
      table(io, ['STREAM', 'RECEIVER', 'STATUS', 'TAKEN', 'REFUSED', 'WAITING'], rows, ['STREAM']),
    )
  }
}
