import type { JsonObject } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { EmulatedAnswer, EmulatedRequest } from './emulated-server.ts'
import { no, parseObject, pushMethod, type EmulatedStream, type WaitingSet } from './emulated-streams.ts'
import type { Switches } from './misbehaviours.ts'
import { pushSet } from './push-client.ts'

export interface DeliveryOptions {
  readonly world: Pick<World, 'fetch'>
  readonly switches: Switches
  /** How long a poll without news is held open. */
  readonly longPollMs: number
  /** SETs in one poll answer at most, whatever was asked for. */
  readonly pollEventsMax: number
  /** A push without an answer in this time counts as failed. */
  readonly pushTimeoutMs: number
  /** The first pause after a failed push; doubles up to `pushRetryMaxMs`. */
  readonly pushRetryMs: number
  readonly pushRetryMaxMs: number
}

/** Gives SETs to receivers: by push in order and one at a time (RFC 8935), by poll as they ask (RFC 8936). */
export interface EmulatedDelivery extends AsyncDisposable {
  /** Adds a SET to those that wait. */
  add(stream: EmulatedStream, set: Pick<WaitingSet, 'jti' | 'token' | 'announcement'>): void
  /** Something about the stream is different: tries what can be delivered now. */
  changed(stream: EmulatedStream): void
  /** Pushes everything that may be pushed, whatever pause a failure earned; ends at the first that fails again. */
  push(stream: EmulatedStream): Promise<void>
  /** Until what is being pushed just now was taken, was refused, or failed once. */
  settled(stream: EmulatedStream): Promise<void>
  poll(stream: EmulatedStream, request: EmulatedRequest): Promise<EmulatedAnswer>
}

interface PushState {
  pumping: Promise<void> | undefined
  failures: number
  timer: NodeJS.Timeout | undefined
}

const madeUpSets = 250
const crowdedValues = 1_000_000

/** A receiver that says so may take the same SET later (RFC 8935 §2: a suspected recoverable failure). */
const recoverable = (status: number | undefined): boolean =>
  status === undefined || status === 408 || status === 429 || status >= 500

export function createDelivery(options: DeliveryOptions): EmulatedDelivery {
  const { world, switches } = options
  const pushing = new WeakMap<EmulatedStream, PushState>()
  const polling = new WeakMap<EmulatedStream, number>()
  const listeners = new Map<EmulatedStream, Set<() => void>>()
  const timers = new Set<NodeJS.Timeout>()
  const stop = new AbortController()

  const stateOf = (stream: EmulatedStream): PushState => {
    const known = pushing.get(stream)
    if (known !== undefined) return known
    const fresh = { pumping: undefined, failures: 0, timer: undefined }
    pushing.set(stream, fresh)
    return fresh
  }

  /** Those that may go out now, oldest first: all, or only announcements while the stream is not enabled (SSF 1.0 §8.1.2.1, §8.1.5). */
  function deliverable({ waiting, status }: EmulatedStream): readonly WaitingSet[] {
    return status === 'enabled' ? waiting : waiting.filter(({ announcement }) => announcement)
  }

  function isPushable(stream: EmulatedStream): boolean {
    return stream.method === pushMethod && deliverable(stream).length > 0 && !stop.signal.aborted
  }

  function settle(stream: EmulatedStream, jtis: ReadonlySet<string>): void {
    if (jtis.size > 0) stream.waiting = stream.waiting.filter((set) => !jtis.has(set.jti))
  }

  async function pushOne(
    stream: EmulatedStream,
    set: WaitingSet,
  ): Promise<{ again: boolean; afterS: number }> {
    set.times++
    const clock = AbortSignal.any([AbortSignal.timeout(options.pushTimeoutMs), stop.signal])
    const fetch: typeof world.fetch = (url, init) => world.fetch(url, { ...init, signal: clock })
    const { endpointUrl, authorization } = stream
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    const answer = await pushSet(fetch, endpointUrl, set.token, headers).catch(() => undefined)
    const { status, err, description, retryAfterS = 0 } = answer ?? {}
    stream.pushes.push({ jti: set.jti, status, err, description })
    return { again: recoverable(status), afterS: retryAfterS }
  }

  async function pump(stream: EmulatedStream, state: PushState): Promise<void> {
    for (;;) {
      const [next] = deliverable(stream)
      if (next === undefined || !isPushable(stream)) return
      const { again, afterS } = await pushOne(stream, next)
      if (again) {
        state.failures++
        return retryLater(stream, state, afterS)
      }
      state.failures = 0
      if (!(switches.has('sets-again') && next.times < 2)) settle(stream, new Set([next.jti]))
    }
  }

  function retryLater(stream: EmulatedStream, state: PushState, afterS: number): void {
    const { pushRetryMs, pushRetryMaxMs } = options
    const pauseMs = Math.min(
      pushRetryMaxMs,
      Math.max(pushRetryMs * 2 ** (state.failures - 1), afterS * 1_000),
    )
    const timer = setTimeout(() => {
      timers.delete(timer)
      state.timer = undefined
      void pushNow(stream)
    }, pauseMs)
    timer.unref()
    state.timer = timer
    timers.add(timer)
  }

  function pushNow(stream: EmulatedStream): Promise<void> {
    const state = stateOf(stream)
    if (state.timer !== undefined) {
      clearTimeout(state.timer)
      timers.delete(state.timer)
      state.timer = undefined
    }
    state.pumping ??= pump(stream, state).finally(() => {
      state.pumping = undefined
      // something may have come after the pump looked for the last time
      if (state.timer === undefined && isPushable(stream)) void pushNow(stream)
    })
    return state.pumping
  }

  function changed(stream: EmulatedStream): void {
    for (const tell of listeners.get(stream) ?? []) tell()
    if (stream.method === pushMethod && stateOf(stream).timer === undefined) void pushNow(stream)
  }

  /** Until there is something for the receiver, it is gone, or it was held long enough. */
  function news(stream: EmulatedStream, gone: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        if (deliverable(stream).length === 0 && !over.aborted) return
        listeners.get(stream)?.delete(done)
        resolve()
      }
      const over = AbortSignal.any([gone, stop.signal, AbortSignal.timeout(options.longPollMs)])
      listeners.set(stream, (listeners.get(stream) ?? new Set()).add(done))
      over.addEventListener('abort', done, { once: true })
      done()
    })
  }

  function takeReports(stream: EmulatedStream, body: JsonObject, language: string | undefined): void {
    const { ack, setErrs } = body
    const settled = new Set<string>()
    for (const jti of Array.isArray(ack) ? ack.map(String) : []) {
      const again = switches.has('sets-again') && !stream.acked.includes(jti)
      stream.acked.push(jti)
      if (!again) settled.add(jti)
    }
    for (const [jti, error] of Object.entries(setErrs ?? {})) {
      const { err, description } = error as Partial<Record<string, string>> // shown as it came
      stream.setErrs.push({
        jti,
        err: String(err),
        description: String(description),
        contentLanguage: language,
      })
      settled.add(jti)
    }
    settle(stream, settled)
  }

  return {
    add(stream, set) {
      if (stream.status === 'disabled' && !set.announcement) return // SSF 1.0 §8.1.2.1
      stream.waiting.push({ ...set, times: 0 })
      changed(stream)
    },
    changed,
    async push(stream) {
      await stateOf(stream).pumping
      if (deliverable(stream).length > 0) await pushNow(stream)
    },
    settled: async (stream) => stateOf(stream).pumping,
    async poll(stream, { body: text, headers, gone }) {
      const body = parseObject(text)
      if (body === undefined) return no(400, 'The body is not a JSON object.')
      const { maxEvents, returnImmediately } = body
      if (maxEvents !== undefined && !(Number.isInteger(maxEvents) && Number(maxEvents) >= 0)) {
        return no(400, 'maxEvents is not a whole number.')
      }
      takeReports(stream, body, headers['content-language'])
      if (maxEvents === 0) return { status: 200, body: { sets: {} } } // only to acknowledge
      if (switches.has('poll-made-up')) return { status: 200, body: madeUp() }
      if (switches.has('poll-crowded')) return { status: 200, body: crowded() }
      const open = (polling.get(stream) ?? 0) + 1
      polling.set(stream, open)
      stream.pollsAtOnceMax = Math.max(stream.pollsAtOnceMax, open)
      try {
        if (returnImmediately !== true) await news(stream, gone)
        const all = deliverable(stream)
        const asked = switches.has('poll-ignores-max') ? Infinity : Number(maxEvents ?? Infinity)
        const given = all.slice(0, Math.min(options.pollEventsMax, asked))
        for (const set of given) set.times++
        const keyOf = ({ jti }: WaitingSet): string => (switches.has('poll-wrong-key') ? `not-${jti}` : jti)
        return {
          status: 200,
          body: {
            sets: Object.fromEntries(given.map((set) => [keyOf(set), set.token])),
            ...(given.length < all.length && { moreAvailable: true }),
          },
        }
      } finally {
        polling.set(stream, (polling.get(stream) ?? 1) - 1)
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function madeUp(): object {
  const names = Array.from({ length: madeUpSets }, () => crypto.randomUUID())
  return { sets: Object.fromEntries(names.map((name) => [name, 'no SET'])), moreAvailable: true }
}

function crowded(): string {
  return `{"sets":{},"moreAvailable":true,"extra":[${'1,'.repeat(crowdedValues - 1)}1]}`
}
