import { createLease, type Lease, type LeaseStore } from '../base/lease.ts'
import { silentMeter, type Meter } from '../base/meter.ts'
import { silentTracer, type Tracer } from '../base/tracer.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import { defaultPaceLimits, pauseMs, type PaceLimits, type PollOutcome } from './poll-pace.ts'
import { createPollRequest, type PollRequestLimits } from './poll-request.ts'
import {
  createPollVerdicts,
  type PolledSets,
  type PollResult,
  type PollVerdictLimits,
  type PollVerdictsDeps,
} from './poll-verdicts.ts'
import { isLongPolled, type PolledStream, type PolledStreams } from './polled-stream.ts'

export interface PollerDeps extends PollVerdictsDeps {
  readonly world: Pick<World, 'now' | 'monotonicMs' | 'newUuid' | 'random'>
  readonly streams: PolledStreams
  /** One node at a time polls a stream. */
  readonly leases: LeaseStore
  readonly meter?: Pick<Meter, 'polled' | 'pollReported'>
  readonly tracer?: Tracer
}

export interface PollLimits extends PaceLimits, PollRequestLimits, PollVerdictLimits {
  /** SETs asked for in one answer; fewer after an answer that was too large. */
  readonly pollEventsMax: number
  /** An intermediary may cut a long poll after this time; that is no failure. */
  readonly longPollCutMs: number
  /** How long a node may be silent before another node polls its streams. */
  readonly leaseMs: number
  /** How often a node asks for the lease of a stream that another node polls. */
  readonly leaseTryMs: number
  /** How often the poller looks for due streams. */
  readonly tickMs: number
  /** How often a stream's `lastPollAt` is stored. */
  readonly noteMs: number
  /** How long a stopping poller may take to report its last SETs. */
  readonly lastReportMs: number
}

export const defaultPollLimits: PollLimits = {
  ...defaultPaceLimits,
  pollEventsMax: 250,
  answerBytesMax: 4 * 1_048_576, // 16 KiB per SET; larger SETs are asked for in smaller numbers
  answerValuesMax: 10_000, // a SET has at least 400 bytes, so an honest answer of that size holds fewer
  answerSetsMax: 1_000,
  longPollTimeoutMs: 90_000,
  shortPollTimeoutMs: 15_000,
  longPollCutMs: 10_000,
  keyGraceMs: 15 * 60_000,
  leaseMs: 12_000,
  leaseTryMs: 3_000,
  tickMs: 250,
  noteMs: 10_000,
  lastReportMs: 3_000,
}

/** What the poller remembers of a stream. All of it may be lost: the transmitter then delivers again. */
interface StreamState extends PolledSets {
  /** In ms since 1970. */
  nextAt: number
  /** The stream's `updatedAt` at its last poll: a changed stream starts without failures. */
  updatedAt: number
  endpointUrl: string | undefined
  badInARow: number
  /** Whether the transmitter may be away: the next poll is then a short one. */
  inDoubt: boolean
  readonly lease: Lease
  /** The note that was stored last, and when. */
  noted: { readonly error: string | undefined; readonly at: number } | undefined
  /** Ends the open poll. */
  running: AbortController | undefined
}

/**
 * Fetches SETs from every poll stream (RFC 8936): one poll at a time per stream, and no stream waits for another's
 * transmitter. A SET is acknowledged only once it is durable; the transmitter delivers an unacknowledged SET again, and
 * the hub recognises it by its `jti`.
 *
 * `runOnce` polls each due stream once and resolves when all polls are done; the loop does not wait for them.
 */
export function createPoller(deps: PollerDeps, limits: PollLimits = defaultPollLimits): Worker {
  const { world, logger, streams, meter = silentMeter, tracer = silentTracer } = deps
  const request = createPollRequest({ world, streams, meter }, limits)
  const settle = createPollVerdicts(deps, limits)
  const holder = world.newUuid()
  const states = new Map<string, StreamState>()
  const underWay = new Set<Promise<number>>()
  const stopped = new AbortController()
  const now = (): number => world.now().getTime()

  function stateOf(streamId: string): StreamState {
    const known = states.get(streamId)
    if (known !== undefined) return known
    const fresh: StreamState = {
      nextAt: 0,
      updatedAt: 0,
      endpointUrl: undefined,
      badInARow: 0,
      inDoubt: false,
      acks: new Set(),
      errs: new Map(),
      settledBefore: new Set(),
      waitingSince: new Map(),
      pollEventsMax: limits.pollEventsMax,
      lease: createLease({
        world,
        leases: deps.leases,
        name: `poll/${streamId}`,
        holder,
        leaseMs: limits.leaseMs,
      }),
      noted: undefined,
      running: undefined,
    }
    states.set(streamId, fresh)
    return fresh
  }

  /** Polls each stream that is due and has no open poll; never rejects. @returns how many SETs were settled */
  async function launch(): Promise<number> {
    const at = now()
    const polled = streams.polled()
    forgetOthers(polled)
    const launched: Promise<number>[] = []
    for (const stream of polled) {
      const state = stateOf(stream.id)
      const { endpointUrl } = stream.remote
      if (stream.updatedAt.getTime() !== state.updatedAt || endpointUrl !== state.endpointUrl) {
        const updatedAt = stream.updatedAt.getTime()
        Object.assign(state, { nextAt: 0, badInARow: 0, inDoubt: false, updatedAt, endpointUrl })
      }
      if (state.running !== undefined) void renewLease(state)
      else if (isDue(state, at) && !stopped.signal.aborted && streams.mayPoll?.(stream) !== false) {
        const stop = new AbortController()
        state.running = stop
        const done = turn(stream, state, AbortSignal.any([stop.signal, stopped.signal])).finally(() => {
          state.running = undefined
          underWay.delete(done)
          loop.wake()
        })
        underWay.add(done)
        launched.push(done)
        const isHeldOpen = isLongPolled(stream) && !state.inDoubt
        streams.opened?.(stream, { done, stop: isHeldOpen ? () => stop.abort() : undefined })
      }
    }
    return (await Promise.all(launched)).reduce((sum, count) => sum + count, 0)
  }

  /** A due time further away than the longest pause was set before the clock was set back: poll now. */
  function isDue({ nextAt }: StreamState, at: number): boolean {
    return nextAt <= at || nextAt > at + limits.retryAfterMaxMs
  }

  function forgetOthers(polled: readonly PolledStream[]): void {
    const ids = new Set(polled.map(({ id }) => id))
    for (const [id, { running, lease }] of states) {
      if (ids.has(id)) continue
      running?.abort()
      states.delete(id)
      void lease.end()
    }
  }

  /** Renews the lease while a poll is open, and ends the poll when another node has the lease. */
  async function renewLease(state: StreamState): Promise<void> {
    if (state.lease.isFresh()) return
    const isHeld = await state.lease.take().catch(() => true) // storage outage: no other node can take it either
    if (!isHeld) state.running?.abort()
  }

  /** One poll, its report and its note; never rejects. @returns how many SETs were settled */
  async function turn(stream: PolledStream, state: StreamState, signal: AbortSignal): Promise<number> {
    const startedAt = now()
    try {
      if (!(await state.lease.hold())) {
        state.nextAt = startedAt + limits.leaseTryMs
        return 0
      }
      const { outcome, settled, error } = await tracer.span('stream.poll', async (span) => {
        const polled = await poll(stream, state, signal)
        const { events, failure, outcome } = polled
        if (!signal.aborted) meter.polled(stream.providerId, { outcome: outcome.kind, events, failure })
        if (failure === 'unknown_stream') streams.unknown?.(stream)
        span.note({
          'watchbell.provider': stream.providerId,
          'watchbell.outcome': failure ?? outcome.kind,
          'watchbell.events': events,
        })
        return polled
      })
      if (signal.aborted) return settled
      const pause = pace(state, outcome, startedAt)
      if (pause > 0 && outcome.kind !== 'failed') await report(stream, state, signal)
      await note(stream, state, error)
      return settled
    } catch (error) {
      pace(state, { kind: 'failed', pace: 'soon', retryAfterS: undefined }, startedAt)
      if (signal.aborted) return 0
      meter.polled(stream.providerId, { outcome: 'failed', events: 0, failure: 'fault' })
      logger.error({ err: error, stream: stream.id }, 'polling a stream failed')
      await note(stream, state, 'An internal error; see the log.').catch(() => undefined)
      return 0
    }
  }

  /** Sets the time of the next poll. @returns the pause in ms */
  function pace(state: StreamState, outcome: PollOutcome, startedAt: number): number {
    const good = outcome.kind === 'progress' || outcome.kind === 'nothing'
    state.badInARow = good ? 0 : state.badInARow + 1
    state.inDoubt = !good && outcome.kind !== 'refused'
    const { badInARow } = state
    const taken = { elapsedMs: now() - startedAt, badInARow, random: world.random() }
    const pause = pauseMs(limits, outcome, taken)
    state.nextAt = now() + pause
    return pause
  }

  async function poll(stream: PolledStream, state: StreamState, signal: AbortSignal): Promise<PollResult> {
    // After a failure the poll is a short one, which shows soon whether the transmitter is back.
    const long = isLongPolled(stream) && !state.inDoubt
    const startedAt = now()
    const asked = await request(stream, state, { maxEvents: state.pollEventsMax, long, signal })
    if ('failure' in asked) {
      const cut = long && asked.mayBeCut && now() - startedAt >= limits.longPollCutMs
      if (cut) return { outcome: { kind: 'stalled' }, settled: 0, events: 0, error: undefined }
      return { outcome: asked.failure, settled: 0, events: 0, failure: asked.cause, error: asked.message }
    }
    return settle(stream, state, asked.answer)
  }

  /** Reports verdicts at once when the next poll is not due at once (RFC 8936 §2.4). After a failure the next poll reports them. */
  async function report(stream: PolledStream, state: StreamState, signal: AbortSignal): Promise<void> {
    if (state.acks.size === 0 && state.errs.size === 0) return
    await request(stream, state, { maxEvents: 0, long: false, signal })
  }

  /** Reports the remaining verdicts of all streams at once: without that, a stopped hub is sent those SETs again (RFC 8936 §2.4). */
  async function reportRest(): Promise<void> {
    const signal = AbortSignal.timeout(limits.lastReportMs)
    const reports = streams.polled().flatMap((stream) => {
      const state = states.get(stream.id)
      return state === undefined || state.lease.until < now() ? [] : [report(stream, state, signal)]
    })
    await Promise.allSettled(reports)
  }

  /** Stores a changed note at once, and `lastPollAt` every `noteMs`. */
  async function note(stream: PolledStream, state: StreamState, error: string | undefined): Promise<void> {
    const at = now()
    const { noted } = state
    const known = noted === undefined ? stream.pollError : noted.error
    if (known === error && noted !== undefined && at - noted.at < limits.noteMs) return
    if (known !== error && error !== undefined) {
      logger.warn(
        { stream: stream.id, provider: stream.providerId, reason: error },
        'a stream cannot be polled',
      )
    }
    await streams.note(stream.id, {
      lastError: error,
      ...(error === undefined && { lastPollAt: new Date(at) }),
    })
    state.noted = { error, at }
  }

  const loop = createWorker({
    name: 'poller',
    async runOnce() {
      void launch()
      return 0
    },
    idleMs: limits.tickMs,
    afterErrorMs: limits.tickMs,
    logger,
  })

  return {
    ...loop,
    runOnce: launch,
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await loop[Symbol.asyncDispose]()
      await Promise.all(underWay)
      await reportRest()
      await Promise.all([...states.values()].map(({ lease }) => lease.end()))
    },
  }
}
