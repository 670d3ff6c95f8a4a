import type { Logger } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { Storage } from '../stores.ts'

export interface RetentionClockDeps {
  readonly storage: { readonly stores: Pick<Storage['stores'], 'clockMark'> } & Pick<Storage, 'clock'>
  readonly world: Pick<World, 'now' | 'monotonicMs'>
  readonly logger: Logger
}

/** A look at the clock that things are deleted by. */
export interface ClockReading {
  /** By this node's clock or the database server's, whichever is behind. */
  readonly now: Date
  /** Whether nothing speaks against it. */
  readonly isConfirmed: boolean
}

/** How far ahead of where it was last seen the clock may be at a start: a hub is away for moments, mostly. */
const aheadMaxMs = 86_400_000
/** By how much the clock may part from the time that has passed. Daylight saving moves no clock of a system. */
const apartMaxMs = 3_600_000
/** How long a clock that jumped has to run on before it is believed: others who set clocks have their time to correct it. */
const confirmedAfterMs = 3_600_000
const markEveryMs = 600_000

/**
 * A machine that starts or wakes up with a clock that is a year ahead must not delete everything for its age. So a clock that
 * jumped is believed only after an hour in which it ran as time did. What is stored says nothing: it may be weeks old where
 * nothing comes, and what has come since the jump is dated by the same clock.
 */
export function createRetentionClock({
  storage,
  world,
  logger,
}: RetentionClockDeps): () => Promise<ClockReading> {
  const { clockMark } = storage.stores
  /** Of the clock over the time that has passed, when it was last looked at. */
  let lastOffset: number | undefined
  /** Since when the clock runs on without a jump, and whether it need not prove that. */
  let since = 0
  let isTrusted = false
  let markedAt = -Infinity

  function distrust(jumpMs: number, uptime: number): void {
    isTrusted = false
    since = uptime
    logger.warn(
      { aheadHours: Math.round(jumpMs / 3_600_000) },
      'the clock is not where it should be by what was seen of it before: nothing is deleted by its age until it has run on for an hour; check it',
    )
  }

  return async () => {
    const [own, server] = [world.now(), await storage.clock?.()]
    const now = server !== undefined && server < own ? server : own
    const uptime = world.monotonicMs()
    const offset = now.getTime() - uptime
    if (lastOffset === undefined) {
      const mark = await clockMark.find()
      const ahead = mark === undefined ? 0 : now.getTime() - mark.getTime()
      isTrusted = ahead <= aheadMaxMs
      if (!isTrusted) distrust(ahead, uptime)
    } else if (Math.abs(offset - lastOffset) > apartMaxMs) {
      distrust(offset - lastOffset, uptime)
    }
    lastOffset = offset
    isTrusted ||= uptime - since >= confirmedAfterMs
    if (isTrusted && uptime - markedAt >= markEveryMs) {
      await clockMark.put(now)
      markedAt = uptime
    }
    return { now, isConfirmed: isTrusted }
  }
}
