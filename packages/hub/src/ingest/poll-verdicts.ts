import type { JsonValue, Logger } from '@watchbell/receiver/base'
import { HubError, isHubError } from '../base/hub-error.ts'
import type { PollFailure } from '../base/meter.ts'
import type { World } from '../base/world.ts'
import type { Receipt } from './accept.ts'
import type { PollAnswer } from '@watchbell/receiver/poll'
import type { PollOutcome } from './poll-pace.ts'
import type { PollTelling } from './poll-request.ts'
import { isLongPolled, type PolledStream } from './polled-stream.ts'
import { setErrOf } from './set-err.ts'

export interface PollVerdictsDeps {
  readonly world: Pick<World, 'monotonicMs'>
  readonly logger: Logger
  /**
   * Takes one SET of a poll answer to a durable signal.
   * @param name - what the answer calls it; must be its `jti` (SSF-C7)
   */
  readonly accept: (stream: PolledStream, name: string, token: string) => Promise<Receipt>
}

export interface PollVerdictLimits {
  /** SETs of one answer that are looked at, however many it has; the others come again. */
  readonly answerSetsMax: number
  /** For how long a SET waits for a key that is not published yet, before it is refused. */
  readonly keyGraceMs: number
}

/** What is remembered of the SETs of a stream from one answer to the next. */
export interface PolledSets extends PollTelling {
  /** The SETs of the answer before that were settled. */
  settledBefore: ReadonlySet<string>
  /** SETs that wait for something to pass, and since when by the monotonic clock: a wall clock that is set right refuses none. */
  waitingSince: ReadonlyMap<string, number>
}

/** What came of one poll. */
export interface PollResult {
  readonly outcome: PollOutcome
  readonly settled: number
  /** SETs that the answer held. */
  readonly events: number
  readonly failure?: PollFailure
  /** In words; undefined when all is well. */
  readonly error: string | undefined
}

/** Settles what can be settled of an answer, all at once: they share commits. What became of each SET is told by the next request. */
export type PollVerdicts = (
  stream: PolledStream,
  known: PolledSets,
  answer: PollAnswer,
) => Promise<PollResult>

export function createPollVerdicts(deps: PollVerdictsDeps, limits: PollVerdictLimits): PollVerdicts {
  const { world, logger } = deps

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

  return settle
}
