import type { FetchedBytes, JsonValue, Logger } from '@watchbell/receiver/base'
import type { SetErr } from '@watchbell/receiver/set'
import { HubError, isHubError, type HubErrorCode } from '../base/hub-error.ts'
import { createLease, type Lease, type LeaseStore } from '../base/lease.ts'
import { silentMeter, type Meter, type PollFailure } from '../base/meter.ts'
import { silentTracer, type Tracer } from '../base/tracer.ts'
import { readRetryAfter } from '../base/retry-after.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { OpenPoll } from '../streams/poll-gate.ts'
import type { ConnectedStream } from '../streams/stream.ts'
import type { TransmitterAccess } from '../streams/transmitter-auth.ts'
import { scopesText, transmitterMessage } from '../streams/transmitter-client.ts'
import type { Receipt } from './accept.ts'
import { readPollAnswer, type PollAnswer } from '@watchbell/receiver/poll'
import { defaultPaceLimits, pauseMs, type PaceLimits, type PollOutcome } from './poll-pace.ts'
import { setErrOf } from './set-err.ts'

/** A stream that is to be polled. */
export type PolledStream = ConnectedStream & { readonly remote: { readonly endpointUrl: string } }

/** What the poller needs to know of streams, and tells of them. */
export interface PolledStreams {
  /** Those to poll now: connected, by poll, of active providers. From memory; asked several times a second. */
  polled(): readonly PolledStream[]
  /** The way to a stream's transmitter, with our credentials. */
  accessTo(stream: PolledStream): TransmitterAccess
  /** Whether it may be polled now: not while other requests of ours are under way at its transmitter. */
  mayPoll?(stream: PolledStream): boolean
  /** Told of each poll that begins. */
  opened?(stream: PolledStream, poll: OpenPoll): void
  /** Told when a transmitter says that it has no such stream. */
  unknown?(stream: PolledStream): void
  /** Keeps when a stream was polled last, and what went wrong with it. */
  note(streamId: string, news: PollNews): Promise<void>
}

export interface PollNews {
  readonly lastPollAt?: Date
  /** Of the polls; undefined when all is well. */
  readonly lastError: string | undefined
}

export interface PollerDeps {
  readonly world: Pick<World, 'now' | 'monotonicMs' | 'newUuid' | 'random'>
  readonly logger: Logger
  readonly streams: PolledStreams
  /** One node at a time polls a stream. */
  readonly leases: LeaseStore
  /**
   * Takes one SET of a poll answer to a durable signal.
   * @param name - what the answer calls it; must be its `jti` (SSF-C7)
   */
  readonly accept: (stream: PolledStream, name: string, token: string) => Promise<Receipt>
  readonly meter?: Pick<Meter, 'polled' | 'pollTold'>
  readonly tracer?: Tracer
}

export interface PollLimits extends PaceLimits {
  /** SETs that one answer may hold; fewer after an answer that was too large. */
  readonly pollEventsMax: number
  readonly answerBytesMax: number
  /** JSON values that one answer may hold; one SET is one. */
  readonly answerValuesMax: number
  /** SETs of one answer that are looked at, however many it has; the others come again. */
  readonly answerSetsMax: number
  /** How long an answer may take, of a poll that may be held open and of one that may not. */
  readonly longPollTimeoutMs: number
  readonly shortPollTimeoutMs: number
  /** A long poll that was open for so long may be cut by something in between: that is no failure. */
  readonly longPollCutMs: number
  /** For how long a SET waits for a key that is not published yet, before it is refused. */
  readonly keyGraceMs: number
  /** How long a node may be silent before another one polls its streams. */
  readonly leaseMs: number
  /** How often a node asks whether it may poll a stream that another one polls. */
  readonly leaseTryMs: number
  /** How often it is looked at which streams are due. */
  readonly tickMs: number
  /** A stream's `lastPollAt` is kept this often. */
  readonly noteMs: number
  /** How long the end of the poller may take to tell transmitters what became of their last SETs. */
  readonly farewellMs: number
}

export const defaultPollLimits: PollLimits = {
  ...defaultPaceLimits,
  pollEventsMax: 250,
  answerBytesMax: 4 * 1_048_576, // 16 KiB for each SET; where they are larger, fewer are asked for
  answerValuesMax: 10_000, // a SET has 400 bytes at least, so that no honest answer of that size holds more
  answerSetsMax: 1_000,
  longPollTimeoutMs: 90_000,
  shortPollTimeoutMs: 15_000,
  longPollCutMs: 10_000,
  keyGraceMs: 15 * 60_000,
  leaseMs: 12_000,
  leaseTryMs: 3_000,
  tickMs: 250,
  noteMs: 10_000,
  farewellMs: 3_000,
}

/** What the poller remembers of a stream. All of it may be lost: the transmitter then delivers again. */
interface StreamState {
  /** In ms since 1970. */
  nextAt: number
  /** Of the stream, when it was polled last: one that was changed since has no failures to pay for. */
  updatedAt: number
  endpointUrl: string | undefined
  badInARow: number
  /** Whether the transmitter might be away: the next question is a short one. */
  inDoubt: boolean
  /** What the next request tells: durable SETs, and refused ones with the reason. */
  readonly acks: Set<string>
  readonly errs: Map<string, SetErr>
  /** The SETs of the answer before that were settled. */
  settledBefore: ReadonlySet<string>
  /** SETs that wait for something to pass, and since when by the monotonic clock: a wall clock that is set right refuses none. */
  waitingSince: ReadonlyMap<string, number>
  pollEventsMax: number
  readonly lease: Lease
  /** What was noted last, and when. */
  noted: { readonly error: string | undefined; readonly at: number } | undefined
  /** Stops the poll that is open now. */
  running: AbortController | undefined
}

/**
 * Fetches SETs from every poll stream (RFC 8936): one poll at a time for each stream, none waiting for another's
 * transmitter. A SET is acknowledged after it is durable and never before; what was not acknowledged, the transmitter
 * delivers again, and we know it by its `jti`.
 *
 * `runOnce` polls each stream that is due once, and resolves when all are done; the loop does not wait.
 */
export function createPoller(deps: PollerDeps, limits: PollLimits = defaultPollLimits): Worker {
  const { world, logger, streams, meter = silentMeter, tracer = silentTracer } = deps
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

  /** Polls each stream that is due and not being polled; never rejects. @returns how many SETs were settled */
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
        const isHeldOpen = isLong(stream) && !state.inDoubt
        streams.opened?.(stream, { done, stop: isHeldOpen ? () => stop.abort() : undefined })
      }
    }
    return (await Promise.all(launched)).reduce((sum, count) => sum + count, 0)
  }

  /** A clock that was set back does not stop it: no pause is that long. */
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

  /** Keeps the lease while a poll is open; another node that has it ends the poll. */
  async function renewLease(state: StreamState): Promise<void> {
    if (state.lease.isFresh()) return
    const isHeld = await state.lease.take().catch(() => true) // the storage is away: others cannot have it either
    if (!isHeld) state.running?.abort()
  }

  /** One poll and what follows from it; never rejects. @returns how many SETs were settled */
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

  /** Settles when the next poll is. @returns in how many ms */
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

  interface Polled {
    readonly outcome: PollOutcome
    readonly settled: number
    /** SETs that the answer held. */
    readonly events: number
    readonly failure?: PollFailure
    /** In words; undefined when all is well. */
    readonly error: string | undefined
  }

  async function poll(stream: PolledStream, state: StreamState, signal: AbortSignal): Promise<Polled> {
    // After something went wrong the first question is a short one: it shows soon whether the transmitter is back.
    const long = isLong(stream) && !state.inDoubt
    const startedAt = now()
    const asked = await ask(stream, state, { maxEvents: state.pollEventsMax, long, signal })
    if ('failure' in asked) {
      const cut = long && asked.mayBeCut && now() - startedAt >= limits.longPollCutMs
      if (cut) return { outcome: { kind: 'stalled' }, settled: 0, events: 0, error: undefined }
      return { outcome: asked.failure, settled: 0, events: 0, failure: asked.cause, error: asked.message }
    }
    const { sets } = asked.answer
    if (sets.length <= limits.answerSetsMax) return take(stream, state, asked.answer)
    return take(stream, state, { sets: sets.slice(0, limits.answerSetsMax), moreAvailable: true })
  }

  /** Some come again only after a pause, and are not in every answer: they are waited for no longer than the others. */
  function stillWaiting(
    known: ReadonlyMap<string, number>,
    waiting: ReadonlyMap<string, number>,
    settled: ReadonlySet<string>,
  ): Map<string, number> {
    const kept = [...known].filter(
      ([name, since]) => !settled.has(name) && world.monotonicMs() - since < 2 * limits.keyGraceMs,
    )
    return new Map([...kept, ...waiting].slice(-limits.answerSetsMax))
  }

  /** Settles what can be settled of an answer, all at once: they share commits. */
  async function take(
    stream: PolledStream,
    state: StreamState,
    { sets, moreAvailable }: PollAnswer,
  ): Promise<Polled> {
    if (sets.length === 0) {
      state.settledBefore = new Set()
      return { outcome: { kind: 'nothing' }, settled: 0, events: 0, error: undefined }
    }
    const events = sets.length
    const verdicts = await Promise.all(sets.map(([name, set]) => judge(stream, name, set)))
    const settled = new Set<string>()
    const waiting = new Map<string, number>()
    let deferred: HubError | undefined
    let progress = false
    verdicts.forEach((verdict, index) => {
      const [name = ''] = sets[index] ?? []
      const since = state.waitingSince.get(name) ?? world.monotonicMs()
      if (verdict === 'taken') {
        state.acks.add(name)
        progress ||= !state.settledBefore.has(name)
      } else {
        const err = setErrOf(verdict)
        const over = verdict.code !== 'set.unknown_key' || world.monotonicMs() - since >= limits.keyGraceMs
        if (err === undefined || verdict.code === 'set.provider_inactive' || !over) {
          waiting.set(name, since)
          deferred = verdict
          return
        }
        state.errs.set(name, err)
      }
      settled.add(name)
    })
    const news = [...settled].some((name) => !state.settledBefore.has(name))
    state.settledBefore = settled
    state.waitingSince = stillWaiting(state.waitingSince, waiting, settled)
    if (deferred !== undefined) {
      const message = `${waiting.size} SETs wait at the transmitter: ${deferred.detail}`
      const { retryAfterS } = deferred
      return { outcome: { kind: 'deferred', retryAfterS }, settled: settled.size, events, error: message }
    }
    const more = moreAvailable || isLong(stream)
    if (progress)
      return { outcome: { kind: 'progress', more }, settled: settled.size, events, error: undefined }
    if (news) return { outcome: { kind: 'refused' }, settled: settled.size, events, error: undefined }
    const error =
      'The transmitter delivers the same SETs again and again, although each was acknowledged or refused.'
    return { outcome: { kind: 'stalled' }, settled: settled.size, events, error }
  }

  /** @returns what became of it; an error that is not about the SET leaves it with the transmitter */
  async function judge(stream: PolledStream, name: string, set: JsonValue): Promise<'taken' | HubError> {
    try {
      await deps.accept(stream, name, typeof set === 'string' ? set : JSON.stringify(set))
      return 'taken'
    } catch (error) {
      if (isHubError(error)) return error
      logger.error({ err: error, stream: stream.id }, 'a polled SET could not be taken')
      return new HubError('hub.unavailable', { cause: error })
    }
  }

  /** Tells at once what became of SETs, where the next poll is not at once (RFC 8936 §2.4). A failure leaves it for that poll. */
  async function report(stream: PolledStream, state: StreamState, signal: AbortSignal): Promise<void> {
    if (state.acks.size === 0 && state.errs.size === 0) return
    await ask(stream, state, { maxEvents: 0, long: false, signal })
  }

  async function ask(
    stream: PolledStream,
    state: StreamState,
    { maxEvents, long, signal }: Asked,
  ): Promise<Answered | Failed> {
    const [acks, errs] = [[...state.acks], [...state.errs]]
    let response: FetchedBytes
    try {
      response = await streams.accessTo(stream).request({
        method: 'POST',
        url: stream.remote.endpointUrl,
        json: {
          maxEvents,
          returnImmediately: !long,
          ...(acks.length > 0 && { ack: acks }),
          ...(errs.length > 0 && { setErrs: Object.fromEntries(errs) }),
        },
        ...(errs.length > 0 && { headers: { 'content-language': 'en' } }),
        timeoutMs: long ? limits.longPollTimeoutMs : limits.shortPollTimeoutMs,
        bytesMax: limits.answerBytesMax,
        signal,
      })
    } catch (error) {
      if (!isHubError(error)) throw error
      if (error.facts['tooLarge'] === 'true' && state.pollEventsMax > 1) {
        state.pollEventsMax = Math.ceil(state.pollEventsMax / 2)
      }
      const pace = slowCodes.has(error.code) ? 'slow' : 'soon'
      return failed(pace, causeOf(error.code), error.detail, {
        retryAfterS: error.retryAfterS,
        mayBeCut: error.code === 'outbound.failed',
      })
    }
    const { status } = response
    const isEmpty = status === 204 || (maxEvents === 0 && status < 300)
    if (status !== 200 && !isEmpty) {
      // A request that the transmitter does not understand may be so for what it tells; that is told anew if need be.
      if (status === 400 || status === 422) forget(state, acks, errs)
      return refused(stream, response)
    }
    forget(state, acks, errs)
    meter.pollTold(stream.providerId, { acks: acks.length, setErrs: errs.length })
    const answer =
      isEmpty || maxEvents === 0
        ? { sets: [], moreAvailable: false }
        : readPollAnswer(response.body, limits.answerValuesMax)
    return typeof answer === 'string'
      ? failed('soon', 'unusable', `The transmitter's answer to a poll cannot be used: ${answer}.`)
      : { answer }
  }

  /** Tells what waits to be told, of every stream at once: a hub that stops would be sent those SETs again (RFC 8936 §2.4). */
  async function sayFarewell(): Promise<void> {
    const signal = AbortSignal.timeout(limits.farewellMs)
    const untold = streams.polled().flatMap((stream) => {
      const state = states.get(stream.id)
      return state === undefined || state.lease.until < now() ? [] : [report(stream, state, signal)]
    })
    await Promise.allSettled(untold)
  }

  function forget(
    state: StreamState,
    acks: readonly string[],
    errs: readonly (readonly [string, SetErr])[],
  ): void {
    for (const name of acks) state.acks.delete(name)
    for (const [name] of errs) state.errs.delete(name)
  }

  function refused(stream: PolledStream, answer: FetchedBytes): Failed {
    const { status, headers } = answer
    const { host } = new URL(stream.remote.endpointUrl)
    const theirs = transmitterMessage(answer)
    const said = theirs === '' ? '' : ` and said: ${theirs}`
    const scopes = status === 401 || status === 403 ? scopesText(streams.accessTo(stream)) : ''
    const message =
      `${host} answered a poll with status ${status}${said}. ${adviceOf(status)} ${scopes}`.trim()
    const soon = status < 300 || status >= 500 || status === 429 || status === 408
    return failed(soon ? 'soon' : 'slow', causeOfStatus(status), message, {
      retryAfterS: readRetryAfter(headers.get('retry-after'), world.now()),
      mayBeCut: status === 502 || status === 504,
    })
  }

  /** Keeps what changed, and `lastPollAt` now and then. */
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
      await sayFarewell()
      await Promise.all([...states.values()].map(({ lease }) => lease.end()))
    },
  }
}

interface Asked {
  readonly maxEvents: number
  readonly long: boolean
  readonly signal: AbortSignal
}

interface Answered {
  readonly answer: PollAnswer
}

interface Failed {
  readonly failure: PollOutcome & { readonly kind: 'failed' }
  readonly cause: PollFailure
  readonly message: string
  /** Whether it could be something in between that does not let a request be open for long. */
  readonly mayBeCut: boolean
}

function failed(
  pace: 'soon' | 'slow',
  cause: PollFailure,
  message: string,
  { retryAfterS, mayBeCut = false }: { retryAfterS?: number | undefined; mayBeCut?: boolean } = {},
): Failed {
  return { failure: { kind: 'failed', pace, retryAfterS }, cause, message, mayBeCut }
}

/** Failures that last until somebody changes something. */
const slowCodes: ReadonlySet<HubErrorCode> = new Set([
  'stream.token_refused',
  'stream.secrets_unreadable',
  'outbound.refused',
])

function causeOf(code: HubErrorCode): PollFailure {
  if (code.startsWith('stream.')) return 'token' // asking for it is the only step before the poll itself
  return code === 'outbound.refused' ? 'refused' : 'unreachable'
}

function causeOfStatus(status: number): PollFailure {
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 404 || status === 410) return 'unknown_stream'
  if (status === 429) return 'rate_limited'
  return status >= 500 || status === 408 ? 'server_error' : 'rejected'
}

function adviceOf(status: number): string {
  if (status === 401)
    return 'It does not take our credentials, not even new ones: check the client and its scopes.'
  if (status === 403)
    return 'Our credentials are good and do not permit this: ask its operator for the scopes.'
  if (status === 404 || status === 410) return 'It does not know the stream any more: connect it again.'
  if (status === 429) return 'It was asked too often; it will be asked again later.'
  return status >= 500
    ? 'It will be asked again.'
    : 'It does not understand us, or is no poll endpoint (RFC 8936).'
}

/** A short poll is answered at once, and asked every `pollIntervalMs`. */
function isLong({ settings }: PolledStream): boolean {
  return settings.polling !== 'short'
}
