import { parseIJson } from '../base/i-json.ts'
import { isJsonObject, meant, type JsonValue } from '../base/json.ts'

export interface PollAnswer {
  /** What should be SETs, by what the transmitter calls them. */
  readonly sets: readonly (readonly [name: string, set: JsonValue])[]
  readonly moreAvailable: boolean
}

/**
 * Reads the answer to a poll (RFC 8936 §2.3).
 * @param valuesMax - JSON values that it may hold: millions of tiny ones would keep everybody else waiting
 * @returns why it cannot be used, in words
 */
export function readPollAnswer(body: Uint8Array, valuesMax: number): PollAnswer | string {
  const parsed = parseIJson(body, { valuesMax, wideNumbers: 'as_text' })
  if (!parsed.ok) return parsed.reason
  if (!isJsonObject(parsed.value)) return 'it is not a JSON object'
  const { sets } = parsed.value
  const moreAvailable = meant(parsed.value['moreAvailable']) ?? false
  if (!isJsonObject(sets)) return 'it has no object `sets`'
  if (typeof moreAvailable !== 'boolean') return 'it has a `moreAvailable` that is neither true nor false'
  return { sets: Object.entries(sets), moreAvailable }
}
