import { isDeepStrictEqual } from 'node:util'
import { isJsonObject } from '@watchbell/receiver/base'

/**
 * Whether a subject that was added to a stream covers the subject of an event: simple ones when they are identical,
 * complex ones when every member is missing on one side or identical (SSF 1.0 §8.1.3.1).
 */
export function subjectsMatch(one: object, other: object): boolean {
  const [a, b] = [{ ...one }, { ...other }] as [Record<string, unknown>, Record<string, unknown>] // their members
  if (a['format'] !== 'complex' || b['format'] !== 'complex') return isDeepStrictEqual(a, b)
  return Object.keys(a).every(
    (member) =>
      !isJsonObject(a[member]) || b[member] === undefined || isDeepStrictEqual(a[member], b[member]),
  )
}
