import type { JsonValue, Logger } from '@watchbell/receiver/base'
import { HubError, isHubError } from '../base/hub-error.ts'
import type { PollFailure } from '../base/meter.ts'
import type { World } from '../base/world.ts'
import type { Receipt } from './accept.ts'
import type { PollAnswer } from '@watchbell/receiver/poll'
import type { PollOutcome } from './poll-pace.ts'
import type { PollReport } from './poll-request.ts'
import { isLongPolled, type PolledStream } from './polled-stream.ts'
import { setErrOf } from './set-err.ts'

export interface PollVerdictsDeps {
  readonly world: Pick<World, 'monotonicMs'>
  readonly logger: Logger
  /**
   * Accepts one SET of a poll answer.
   * @param name - its key in the answer; must be its `jti` (SSF-C7)
   */
  readonly accept: (stream: PolledStream, name: string, token: string) => Promise<Receipt>
}

export interface PollVerdictLimits {
  /** How many SETs of one answer are processed; the others come again. */
  readonly answerSetsMax: number
  /** How long a SET waits for a key that is not published yet, before it is refused. */
  readonly keyGraceMs: number
}

/** What the poller remembers of a stream's SETs from one answer to the next. */
export interface PolledSets extends PollReport {
  /** Settled SETs of the answer before. */
  settledBefore: ReadonlySet<string>
  /** Waiting SETs, and since when by the monotonic clock: correcting the wall clock must not refuse any. */
  waitingSince: ReadonlyMap<string, number>
}

/** The result of one poll. */
export interface PollResult {
  readonly outcome: PollOutcome
  readonly settled: number
  /** How many SETs the answer held. */
  readonly events: number
  readonly failure?: PollFailure
  /** For the operator; undefined when all is well. */
  readonly error: string | undefined
}

/** Settles the SETs of an answer concurrently, so that they share commits. The next request reports the verdicts. */
export type PollVerdicts = (
  stream: PolledStream,
  known: PolledSets,
  answer: PollAnswer,
) => Promise<PollResult>

export function createPollVerdicts(deps: PollVerdictsDeps, limits: PollVerdictLimits): PollVerdicts {
  const { world, logger } = deps

  /** Waiting SETs need not be in every answer; their waiting time counts from their first delivery. */
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

  async function settle(
    stream: PolledStream,
    known: PolledSets,
    { sets, moreAvailable }: PollAnswer,
  ): Promise<PollResult> {
    if (sets.length > limits.answerSetsMax) {
      return settle(stream, known, { sets: sets.slice(0, limits.answerSetsMax), moreAvailable: true })
    }
    if (sets.length === 0) {
      known.settledBefore = new Set()
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
      const since = known.waitingSince.get(name) ?? world.monotonicMs()
      if (verdict === 'taken') {
        known.acks.add(name)
        progress ||= !known.settledBefore.has(name)
      } else {
        const err = setErrOf(verdict)
        const over = verdict.code !== 'set.unknown_key' || world.monotonicMs() - since >= limits.keyGraceMs
        if (err === undefined || verdict.code === 'set.provider_inactive' || !over) {
          waiting.set(name, since)
          deferred = verdict
          return
        }
        known.errs.set(name, err)
      }
      settled.add(name)
    })
    const news = [...settled].some((name) => !known.settledBefore.has(name))
    known.settledBefore = settled
    known.waitingSince = stillWaiting(known.waitingSince, waiting, settled)
    if (deferred !== undefined) {
      const message = `${waiting.size} SETs wait at the transmitter: ${deferred.detail}`
      const { retryAfterS } = deferred
      return { outcome: { kind: 'deferred', retryAfterS }, settled: settled.size, events, error: message }
    }
    const more = moreAvailable || isLongPolled(stream)
    if (progress)
      return { outcome: { kind: 'progress', more }, settled: settled.size, events, error: undefined }
    if (news) return { outcome: { kind: 'refused' }, settled: settled.size, events, error: undefined }
    const error =
      'The transmitter delivers the same SETs again and again, although each was acknowledged or refused.'
    return { outcome: { kind: 'stalled' }, settled: settled.size, events, error }
  }

  /** @returns the verdict; an error that is not about the SET leaves it with the transmitter */
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

  return settle
}
