import { fetchBytes } from '../base/fetch-bytes.ts'
import { isReceiverError, ReceiverError } from '../base/receiver-error.ts'
import { isSafeUrl, type ReceivedSet, type Receiver } from '../receiver.ts'
import { receiverSetErrOf, type SetErr } from '../set/set-err.ts'
import { jtiCharsMax } from '../set/parse-token.ts'
import { readPollAnswer } from './poll-answer.ts'

export interface PollClientOptions {
  /** The transmitter's poll endpoint (RFC 8936 §2): an https or loopback URL, because requests carry credentials. */
  readonly url: string
  /** Returns the value of `Authorization`; called before every request. */
  readonly authorization: () => Promise<string> | string
  /** Keeps the token. It is acknowledged when this resolves, and delivered again when this rejects. */
  readonly accept: (set: ReceivedSet) => Promise<void>
  /**
   * Receives the error that `accept` rejects with, the error that kept a token from being checked, and in `run` the error
   * of a failed poll. The transmitter delivers the token again; `run` repeats the poll.
   */
  readonly onFault?: (error: unknown) => void
  readonly fetch?: typeof globalThis.fetch
  /** Maximum number of tokens in one answer. */
  readonly eventsMax?: number
  /** Maximum size of an answer, after decompression. */
  readonly bytesMax?: number
  readonly timeoutMs?: number
  /** Maximum number of JSON values in an answer: parsing millions of tiny values would block the process. */
  readonly valuesMax?: number
}

export interface PolledTokens {
  readonly received: number
  readonly settled: number
  readonly moreAvailable: boolean
}

export interface PollClient {
  /**
   * Polls once. The request acknowledges or refuses the tokens of earlier answers.
   * @returns how many tokens were received, how many of them are settled, and whether more are waiting
   * @throws ReceiverError `outbound.failed`, `outbound.refused` when the request fails or its answer is unusable
   */
  pollOnce(signal?: AbortSignal): Promise<PolledTokens>
  /**
   * Polls until the signal aborts, then sends the remaining acknowledgements. Waits `pauseMs` when no token waits, when
   * no token could be settled, and after a failed poll: longer with each further failure, up to 5 minutes.
   */
  run(signal: AbortSignal, pauseMs: number): Promise<void>
}

/** Of an answer with more tokens than were asked for; the others are left with the transmitter. */
const tokensTakenMax = 1_000
/** The longest pause after failed polls. */
const pauseMsMax = 5 * 60_000

/**
 * Fetches tokens (RFC 8936) and acknowledges only the tokens that were kept.
 * @throws TypeError when credentials would be sent unencrypted over the network
 */
export function createPollClient(receiver: Receiver, options: PollClientOptions): PollClient {
  const { url, authorization, accept, onFault = () => undefined, eventsMax = 100 } = options
  if (!isSafeUrl(url))
    throw new TypeError('The url must be an https URL: the Authorization header goes there.')
  const fetch: typeof globalThis.fetch =
    options.fetch ?? ((input, init) => globalThis.fetch(input, { ...init, redirect: 'error' }))
  const acks = new Set<string>()
  const setErrs = new Map<string, SetErr>()

  async function ask(maxEvents: number, signal: AbortSignal | undefined): Promise<PolledTokens> {
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
    if (answer.status === 204 || maxEvents === 0) return { received: 0, settled: 0, moreAvailable: false }
    const read = readPollAnswer(answer.body, options.valuesMax ?? 100_000)
    if (typeof read === 'string') throw unusable(url, `an answer that cannot be used: ${read}`)
    const taken = read.sets.slice(0, Math.max(tokensTakenMax, eventsMax))
    let settled = 0
    for (const [name, token] of taken) if (await settle(name, token)) settled++
    const moreAvailable = read.moreAvailable || taken.length < read.sets.length
    return { received: read.sets.length, settled, moreAvailable }
  }

  /** Processes one token. @returns false when the transmitter has to deliver it again */
  async function settle(name: string, token: unknown): Promise<boolean> {
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
      const isTold = name.length <= jtiCharsMax // nobody's jti is longer, and it would be sent back
      const setErr = isTold && isReceiverError(error) ? receiverSetErrOf(error) : undefined
      if (setErr !== undefined) setErrs.set(name, setErr)
      else onFault(error)
      return setErr !== undefined
    }
    try {
      await accept(set)
    } catch (error) {
      onFault(error)
      return false
    }
    acks.add(name)
    return true
  }

  /** Acknowledges the last tokens. Best effort: otherwise the transmitter delivers them again. */
  async function sayLast(): Promise<void> {
    if (acks.size + setErrs.size > 0) await ask(0, undefined).catch(onFault)
  }

  return {
    pollOnce: (signal) => ask(eventsMax, signal),
    async run(signal, pauseMs) {
      let failures = 0
      while (!signal.aborted) {
        const polled = await ask(eventsMax, signal).catch((error: unknown) => {
          if (!signal.aborted) onFault(error)
        })
        failures = polled === undefined ? failures + 1 : 0
        const isAtOnce = polled !== undefined && polled.moreAvailable && polled.settled > 0
        if (!isAtOnce) await pause(Math.min(pauseMs * 2 ** Math.max(0, failures - 1), pauseMsMax), signal)
      }
      await sayLast()
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
