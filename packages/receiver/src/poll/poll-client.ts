import { fetchBytes } from '../base/fetch-bytes.ts'
import { isReceiverError, ReceiverError } from '../base/receiver-error.ts'
import { isSafeUrl, type ReceivedSet, type Receiver } from '../receiver.ts'
import { receiverSetErrOf, type SetErr } from '../set/set-err.ts'
import { jtiCharsMax } from '../set/parse-token.ts'
import { readPollAnswer } from './poll-answer.ts'

export interface PollClientOptions {
  /** The transmitter's poll endpoint (RFC 8936 §2): an https URL, or one of this machine, as credentials go there. */
  readonly url: string
  /** The value of `Authorization`, asked for with every request. */
  readonly authorization: () => Promise<string> | string
  /** Keeps what was received. The token is acknowledged when it resolves, and delivered again when it rejects. */
  readonly accept: (set: ReceivedSet) => Promise<void>
  /**
   * Given what `accept` rejects with, why a token could not be checked for now, and in `run` why a poll failed. The token is
   * delivered again, and the poll repeated.
   */
  readonly onFault?: (error: unknown) => void
  readonly fetch?: typeof globalThis.fetch
  /** Tokens in one answer. */
  readonly eventsMax?: number
  /** Of an answer, after decompression. */
  readonly bytesMax?: number
  readonly timeoutMs?: number
  /** JSON values in an answer: millions of tiny ones would keep everybody else waiting. */
  readonly valuesMax?: number
}

export interface PolledTokens {
  readonly received: number
  readonly settled: number
  readonly moreAvailable: boolean
}

export interface PollClient {
  /**
   * Asks once, and tells with it what became of the tokens of earlier answers.
   * @returns how many tokens came, of how many it is settled what becomes of them, and whether more are waiting
   * @throws ReceiverError `outbound.failed`, `outbound.refused` when the transmitter could not be asked or its answer is of no use
   */
  pollOnce(signal?: AbortSignal): Promise<PolledTokens>
  /**
   * Polls until the signal is given, and tells then what is untold. Waits `pauseMs` when nothing more waits, when nothing could
   * be settled, and after a poll that failed: then longer with each further failure, up to 5 minutes.
   */
  run(signal: AbortSignal, pauseMs: number): Promise<void>
}

/** Of an answer with more tokens than were asked for; the others are left with the transmitter. */
const tokensTakenMax = 1_000
/** The longest pause after polls that failed. */
const pauseMsMax = 5 * 60_000

/**
 * Fetches tokens (RFC 8936), and acknowledges those alone that were kept.
 * @throws TypeError when credentials would go over the network in the clear
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

  /** Takes one token. @returns false when it is left with the transmitter */
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

  /** Tells what became of the last tokens. Best effort: the transmitter delivers them again otherwise. */
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
