import type { Deleted } from '../base/deleted.ts'
import type { Logger } from '@watchbell/receiver/base'
import { createLease } from '../base/lease.ts'
import { silentMeter, type Meter, type Perishable } from '../base/meter.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { Storage } from '../stores.ts'
import { createRetentionClock } from './retention-clock.ts'

/** How many days things are kept; 0 is for ever. */
export interface RetentionDays {
  readonly signals: number
  /** Of signals that are still there. */
  readonly tokens: number
  readonly log: number
  readonly riskHistory: number
}

export interface RetentionDeps {
  readonly storage: Pick<Storage, 'stores' | 'makeRoom' | 'clock'>
  readonly world: Pick<World, 'now' | 'monotonicMs' | 'newUuid'>
  readonly logger: Logger
  readonly days: RetentionDays
  readonly meter?: Pick<Meter, 'deleted'>
}

/** Browsers keep no cookie longer, so no session of theirs outlives its revocation. Who has none is kept no longer, either. */
const revocationsKeptDays = 400
/** Identifiers that a step looks at, most of which stay, and how often it does while rounds follow each other closely. */
const subjectsLookedAt = 10_000
const subjectsEveryMs = 60_000
/** Rows of a kind in one step: whoever wants to write waits for one step at most. */
export const deletedPerStepMax = 500
/** A round begins no sooner after the one before: half of the time and more is for others. */
const roundMs = 50
const idleMs = 600_000
export const leaseMs = 20_000
/** How often a node that does not have the lease asks for it: whoever has it may have died. */
export const leaseTryMs = 5_000
const dayMs = 86_400_000

/**
 * Deletes what is past its retention, a small step of each kind a round, and makes room for what comes. Of several nodes
 * one does it; a step that two did would be done once all the same.
 */
export function createRetention(deps: RetentionDeps): Worker {
  const { storage, world, logger, days, meter = silentMeter } = deps
  const { signals, subjects, systemLog, risk, erasures, leases, signInMarks } = storage.stores
  const lease = createLease({ world, leases, name: 'retention', holder: world.newUuid(), leaseMs })
  const lookAtClock = createRetentionClock(deps)
  let roomUntil = 0
  let walked = 0
  let walkOnAt = 0

  /** A step of the walk over identifiers: their old revocations, and themselves. @returns how many rows went */
  async function walkOn(now: Date): Promise<number> {
    if (now.getTime() < walkOnAt) return 0
    const { revocations, forgotten, next } = await subjects.forget({
      before: new Date(now.getTime() - revocationsKeptDays * dayMs),
      after: walked,
      lookedAt: subjectsLookedAt,
      deletedMax: deletedPerStepMax,
    })
    meter.deleted('revocations', { rows: revocations, parts: 0 })
    meter.deleted('subjects', { rows: forgotten, parts: 0 })
    const isAtEnd = next === undefined && walked > 0 // there was nothing to look at: the next round may begin anew
    const isCut = Math.max(revocations, forgotten) >= deletedPerStepMax
    if (!isAtEnd && !isCut) walkOnAt = now.getTime() + subjectsEveryMs
    walked = next ?? 0
    return revocations + forgotten
  }

  const kinds: readonly (readonly [
    Perishable,
    number,
    (before: Date, max: number, now: Date) => Promise<Deleted>,
  ])[] = [
    ['signals', days.signals, (...step) => signals.deleteBefore(...step)],
    ['tokens', days.tokens, (...step) => signals.deleteTokensBefore(...step)],
    ['log_entries', days.log, (...step) => systemLog.deleteBefore(...step)],
    // How an erasure went is told by the log as well, and for as long.
    [
      'erasures',
      days.log,
      async (...[before, max]) => ({ rows: await erasures.deleteBefore(before, max), parts: 0 }),
    ],
    ['risk_history', days.riskHistory, (...step) => risk.deleteHistoryBefore(...step)],
  ]

  async function makeRoom(now: Date): Promise<void> {
    if (storage.makeRoom === undefined || now.getTime() < roomUntil) return
    await storage.makeRoom(now)
    roomUntil = now.getTime() + dayMs / 2
  }

  async function runOnce(stop: AbortSignal): Promise<number> {
    const { now, isConfirmed } = await lookAtClock()
    await makeRoom(now)
    if (!isConfirmed || !(await lease.hold())) return 0
    let sum = 0
    for (const [what, keptDays, deleteBefore] of kinds) {
      if (keptDays === 0 || stop.aborted) continue
      const deleted = await deleteBefore(new Date(now.getTime() - keptDays * dayMs), deletedPerStepMax, now)
      meter.deleted(what, deleted)
      sum += deleted.rows + deleted.parts
    }
    if (stop.aborted) return sum
    sum += await signInMarks.prune(new Date(now.getTime() - revocationsKeptDays * dayMs), deletedPerStepMax)
    return sum + (await walkOn(now))
  }

  const worker = createWorker({
    name: 'retention',
    runOnce,
    idleMs: () => (lease.until === 0 ? leaseTryMs : idleMs),
    gatherMs: roundMs,
    afterErrorMs: 60_000,
    logger,
  })
  return {
    ...worker,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]()
      await lease.end()
    },
  }
}
