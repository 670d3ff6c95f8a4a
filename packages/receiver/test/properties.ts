import fc from 'fast-check'
import { isLongRun } from './long-run.ts'

/** How many cases of a property are tried. @param few - for each change; 20 times as many in `npm run test:all` */
export function propertyRuns(few: number): number {
  return isLongRun ? 20 * few : few
}

fc.configureGlobal({ numRuns: propertyRuns(50) })

/** fast-check, with so many cases where a property names no number. */
export { fc }
