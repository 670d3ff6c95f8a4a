import { fetchBytes } from '../base/fetch-bytes.ts'
import { isReceiverError, ReceiverError } from '../base/receiver-error.ts'
import type { ReceivedSet, Receiver } from '../receiver.ts'
import { receiverSetErrOf, type SetErr } from '../set/set-err.ts'
import { readPollAnswer } from './poll-answer.ts'

export interface PollClientOptions {
  /** The transmitter's poll endpoint (RFC 8936 §2). */
  readonly url: string
  /** The value of `Authorization`, asked for with every request. */
  readonly authorization: () => Promise<string> | string
  /** Keeps what was received. The token is acknowledged when it resolves, and delivered again when it rejects. */
  readonly accept: (set: ReceivedSet) => Promise<void>
  readonly fetch?: typeof globalThis.fetch
  /** Tokens in one answer. */
  readonly eventsMax?: number
  /** Of an answer, after decompression. */
  readonly bytesMax?: number
  readonly timeoutMs?: number
  /** JSON values in an answer: millions of tiny ones would keep everybody else waiting. */
  readonly valuesMax?: number
}

export interface PollClient {
  /**
   * Asks once, and tells with it what became of the tokens of earlier answers.
   * @returns how many tokens came, and whether more are waiting
   * @throws ReceiverError `outbound.failed`, `outbound.refused` when the transmitter could not be asked or its answer is of no use
   */
  pollOnce(signal?: AbortSignal): Promise<{ readonly received: number; readonly moreAvailable: boolean }>
  /**
   * Polls until the signal is given, waiting `pauseMs` when nothing more waits or an answer had no token that was kept or
   * refused; then tells what is untold.
   */
  run(signal: AbortSignal, pauseMs: number): Promise<void>
}

/** Fetches tokens (RFC 8936), and acknowledges those alone that were kept. */
export function createPollClient(receiver: Receiver, options: PollClientOptions): PollClient {
  const { url, authorization, accept, eventsMax = 100 } = options
  const fetch: typeof globalThis.fetch =
    options.fetch ?? ((input, init) => globalThis.fetch(input, { ...init, redirect: 'error' }))
  const acks = new Set<string>()
  const setErrs = new Map<string, SetErr>()

  async function ask(maxEvents: number, signal: AbortSignal | undefined): ReturnType<PollClient['pollOnce']> {
    const told = { acks: [...acks], setErrs: [...setErrs] }
    const answer = await fetchBytes(
      fetch,
      url,
      {
        method: 'POST',
        headers: {
          authorization: await authorization(),
          'content-type': 'application/json',
          accept: 'application/json',
          ...(told.setErrs.length > 0 && { 'content-language': 'en' }),
        },
        body: JSON.stringify({
          maxEvents,
          returnImmediately: true,
          ...(told.acks.length > 0 && { ack: told.acks }),
          ...(told.setErrs.length > 0 && { setErrs: Object.fromEntries(told.setErrs) }),
        }),
      },
      { timeoutMs: options.timeoutMs ?? 30_000, bytesMax: options.bytesMax ?? 4 * 1024 * 1024, signal },
    )
    if (answer.status !== 200 && answer.status !== 204) throw unusable(url, `status ${answer.status}`)
    for (const jti of told.acks) acks.delete(jti)
    for (const [jti] of told.setErrs) setErrs.delete(jti)
    if (answer.status === 204 || maxEvents === 0) return { received: 0, moreAvailable: false }
    const read = readPollAnswer(answer.body, options.valuesMax ?? 100_000)
    if (typeof read === 'string') throw unusable(url, `an answer that cannot be used: ${read}`)
    for (const [name, token] of read.sets) await take(name, token)
    return { received: read.sets.length, moreAvailable: read.moreAvailable }
  }

  async function take(name: string, token: unknown): Promise<void> {
    let set: ReceivedSet
    try {
      if (typeof token !== 'string')
        throw new ReceiverError('set.malformed', { detail: 'The token is not a string.' })
      set = await receiver.receive(token)
      if (set.jti !== name)
        throw new ReceiverError('set.claim_invalid', {
          detail: 'The answer calls the token something else than its jti (RFC 8936 §2.3).',
        })
    } catch (error) {
      const setErr = isReceiverError(error) ? receiverSetErrOf(error) : undefined
      if (setErr === undefined) {
        if (isReceiverError(error)) return // the fault is not the token's: it is delivered again
        throw error
      }
      setErrs.set(name, setErr)
      return
    }
    await accept(set)
    acks.add(name)
  }

  return {
    pollOnce: (signal) => ask(eventsMax, signal),
    async run(signal, pauseMs) {
      while (!signal.aborted) {
        const { moreAvailable } = await ask(eventsMax, signal).catch((error: unknown) => {
          if (signal.aborted) return { moreAvailable: false }
          throw error
        })
        // a transmitter that says "more" and sends nothing of use would be asked without end
        const cameToNothing = acks.size + setErrs.size === 0
        if (!moreAvailable || cameToNothing) await pause(pauseMs, signal)
      }
      if (acks.size + setErrs.size > 0) await ask(0, undefined)
    },
  }
}

function unusable(url: string, what: string): ReceiverError {
  return new ReceiverError('outbound.failed', {
    detail: `${URL.parse(url)?.host ?? 'The transmitter'} answered a poll with ${what}.`,
  })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
