import { weekBits, weekMs } from '../migrations/weeks.ts'

/** The numbers of one week: about 7,000 a second. */
const perMs = Math.floor(2 ** weekBits / weekMs)
/** Far below the largest exact number, whatever a clock says. */
const numberMax = 2 ** 52

/**
 * The lowest number for new entries of the System Log when a hub starts. A restored database knows only the numbers given
 * before its backup; giving later ones again would hide entries from readers who have already read past them. A backup is
 * older than the restart, so numbers that grow with time are above all numbers given before, unless a whole run gave more
 * than time allows for. Same layout as on PostgreSQL, see migrations/weeks.ts, so that rows can move there.
 * @param now - milliseconds since 1970
 */
export function numberAt(now: number): number {
  return Math.min(Math.floor(now / weekMs) * 2 ** weekBits + (now % weekMs) * perMs, numberMax)
}
