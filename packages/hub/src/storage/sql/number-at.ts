import { weekBits, weekMs } from '../migrations/weeks.ts'

/** As many as fit into a week: about 7,000 a second. */
const perMs = Math.floor(2 ** weekBits / weekMs)
/** Far below where numbers are no longer exact, whatever a clock says. */
const numberMax = 2 ** 52

/**
 * Where the numbers of the System Log go on at least when a hub starts. A database that was restored knows only what was given
 * before its backup: to give the rest anew would hide entries from everybody who has read up to there. What is restored is
 * older than its restart, so numbers that run with time lie above all of them, unless more were given than
 * time allows for, over a whole run. Laid out as on PostgreSQL, see migrations/weeks.ts, so that rows can move there.
 * @param now - milliseconds since 1970
 */
export function numberAt(now: number): number {
  return Math.min(Math.floor(now / weekMs) * 2 ** weekBits + (now % weekMs) * perMs, numberMax)
}
