import type { SharedTask } from '../../stores.ts'

/** Ours among the advisory locks of a database, which are told apart by two numbers; this is the first of ours. */
const ours = 0x57424c4c
const numbers = { turn: 1, log: 2, migrations: 3, weeks: 4, handling: 5 } as const

/**
 * Takes an advisory lock until the transaction ends, as an SQL expression. Whoever needs several takes them in this order:
 * - `turn`: transactions of several statements take turns, over all nodes, as they do on SQLite;
 * - `log`: sequences of the System Log become visible in their order.
 */
export function lockOf(name: Exclude<keyof typeof numbers, SharedTask | 'weeks'>): string {
  return `pg_advisory_xact_lock(${ours}, ${numbers[name]})`
}

/** The same for what one node at a time is enough for: takes the lock if nobody has it, and says whether. */
export function tryLockOf(task: SharedTask): string {
  return `pg_try_advisory_xact_lock(${ours}, ${numbers[task]})`
}

/**
 * The first of a week raises what its sequences begin with. Appends of SETs take this lock, so no transaction keeps it: it is
 * released by who took it.
 */
export const weeksLock = {
  take: `pg_advisory_lock(${ours}, ${numbers.weeks})`,
  release: `pg_advisory_unlock(${ours}, ${numbers.weeks})`,
} as const
