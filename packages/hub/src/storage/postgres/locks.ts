import type { SharedTask } from '../../stores.ts'

/** Ours among the advisory locks of a database, which are told apart by two numbers; this is the first of ours. */
const ours = 0x57424c4c
const numbers = { turn: 1, log: 2, migrations: 3, weeks: 4, handling: 5 } as const

/**
 * Takes an advisory lock until the transaction ends, as an SQL expression. Whoever needs several takes them in this order:
 * - `turn`: transactions of several statements take turns, over all nodes, as they do on SQLite;
 * - `log`: sequences of the System Log become visible in their order;
 * - `weeks`: whoever is the first of a week raises what its sequences begin with.
 */
export function lockOf(name: Exclude<keyof typeof numbers, SharedTask>): string {
  return `pg_advisory_xact_lock(${ours}, ${numbers[name]})`
}

/** The same for what one node at a time is enough for: takes the lock if nobody has it, and says whether. */
export function tryLockOf(task: SharedTask): string {
  return `pg_try_advisory_xact_lock(${ours}, ${numbers[task]})`
}
