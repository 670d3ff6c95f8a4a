import type { SharedTask } from '../../stores.ts'

/** The first of the two numbers of our advisory locks. */
const ours = 0x57424c4c
const numbers = { turn: 1, log: 2, migrations: 3, weeks: 4, handling: 5 } as const

/**
 * Takes an advisory lock until the transaction ends, as an SQL expression. Several locks are taken in this order:
 * - `turn`: transactions of several statements take turns, over all nodes, as they do on SQLite;
 * - `log`: sequences of the System Log become visible in their order.
 */
export function lockOf(name: Exclude<keyof typeof numbers, SharedTask | 'weeks'>): string {
  return `pg_advisory_xact_lock(${ours}, ${numbers[name]})`
}

/** For work that one node at a time does: takes the lock if it is free, and returns whether. */
export function tryLockOf(task: SharedTask): string {
  return `pg_try_advisory_xact_lock(${ours}, ${numbers[task]})`
}

/**
 * The first transaction of a week raises the start of its sequences. Appends of SETs take this lock, so no transaction
 * keeps it: the function that takes it also releases it.
 */
export const weeksLock = {
  take: `pg_advisory_lock(${ours}, ${numbers.weeks})`,
  release: `pg_advisory_unlock(${ours}, ${numbers.weeks})`,
} as const
