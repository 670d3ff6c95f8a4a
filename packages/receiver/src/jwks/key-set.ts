import { fetchJson } from '../base/fetch-json.ts'
import { ReceiverError } from '../base/receiver-error.ts'
import { inSentence } from '../base/sentence.ts'
import type { ReceiverWorld } from '../base/receiver-world.ts'
import { keySetMediaTypes, readVerificationKeys, type KeySetEntry } from '../set/verification-key.ts'

export interface KeySetLimits {
  /** For the whole fetch, from resolving the name to the last byte. */
  readonly fetchTimeoutMs: number
  readonly fetchBytesMax: number
}

export interface FetchedKeySet {
  readonly keys: readonly KeySetEntry[]
  /** What Cache-Control allows, in seconds; undefined when it says nothing. */
  readonly maxAgeS: number | undefined
}

/**
 * Fetches a transmitter's JWK Set (SSF 1.0 §4.1.4). The content type is `application/json` or
 * `application/jwk-set+json` (OKTA-R25), and at least one key must be usable.
 *
 * @throws ReceiverError `outbound.refused`, `outbound.failed`, `keys.unavailable` (it is no JWK Set, or of no use)
 */
export async function fetchKeySet(
  { fetch }: Pick<ReceiverWorld, 'fetch'>,
  jwksUrl: string,
  limits: KeySetLimits,
  signal?: AbortSignal,
): Promise<FetchedKeySet> {
  const { value, maxAgeS } = await fetchJson(fetch, jwksUrl, {
    timeoutMs: limits.fetchTimeoutMs,
    bytesMax: limits.fetchBytesMax,
    accept: keySetMediaTypes,
    ...(signal === undefined ? {} : { signal }),
  })
  const keys = readVerificationKeys(value)
  if (keys.some((key) => 'algorithms' in key)) return { keys, maxAgeS }
  const why = keys
    .slice(0, 3)
    .map(
      (key) => `the key ${key.kid === undefined ? 'without kid' : inSentence(key.kid, 100)} ${whyNot(key)}`,
    )
  throw new ReceiverError('keys.unavailable', {
    detail: `The key set holds no key that could check a SET: ${why.length === 0 ? 'it is empty' : why.join(', ')}.`,
  })
}

function whyNot(key: KeySetEntry): string {
  return 'unusable' in key ? key.unusable : ''
}
