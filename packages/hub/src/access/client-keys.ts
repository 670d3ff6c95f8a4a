import { fetchJson } from '@watchbell/receiver/base'
import { HubError, isHubError } from '../base/hub-error.ts'
import type { World } from '../base/world.ts'
import {
  keySetMediaTypes,
  readVerificationKeys,
  type SetAlgorithm,
  type VerificationKey,
} from '@watchbell/receiver/set'
import type { ServiceApp } from './service-app.ts'

/** The public keys of service apps; keys given by reference are fetched. */
export interface ClientKeys {
  /**
   * The candidate keys for a signature: those with the `kid`, or without one every key that fits `alg`, at most
   * `keysTriedMax` (OKTA-O12).
   * @throws HubError `outbound.refused`, `outbound.failed`, `keys.unavailable` when the keys of its `jwks_uri` were never read
   */
  candidates(
    app: ServiceApp,
    signed: { readonly kid: string | undefined; readonly alg: SetAlgorithm },
  ): Promise<readonly VerificationKey[]>
  /**
   * Further candidates beside those that were tried: its `jwks_uri` is fetched once more, at most every 30 s, as a new
   * key may have been published under an old `kid`.
   * @throws as {@link candidates}
   */
  successors(
    app: ServiceApp,
    signed: { readonly kid: string | undefined; readonly alg: SetAlgorithm },
    tried: readonly VerificationKey[],
  ): Promise<readonly VerificationKey[]>
}

export const keysTriedMax = 20
const fetchTimeoutMs = 5_000
const fetchBytesMax = 256 * 1024
/** Keys of a `jwks_uri` are fetched again after this, or earlier when Cache-Control says so. */
const keysAgeMaxMs = 10 * 60_000
/** Minimum time between fetches, whatever unknown `kid`s arrive. */
const coolDownMs = 30_000
/** How long the last good keys are used while the `jwks_uri` fails. */
const keysStaleMaxMs = 24 * 3_600_000
const urisMax = 1_000

interface Entry {
  keys: readonly VerificationKey[] | undefined
  fetchedAt: number
  freshUntil: number
  lastTryAt: number
  lastError: HubError | undefined
  fetching: Promise<void> | undefined
}

export function createClientKeys(world: Pick<World, 'now' | 'fetch'>): ClientKeys {
  const entries = new Map<string, Entry>()

  async function refresh(uri: string, entry: Entry): Promise<void> {
    entry.lastTryAt = world.now().getTime()
    try {
      const { value, maxAgeS } = await fetchJson(world.fetch, uri, {
        timeoutMs: fetchTimeoutMs,
        bytesMax: fetchBytesMax,
        accept: keySetMediaTypes,
      })
      entry.keys = readVerificationKeys(value).filter((key) => 'key' in key)
      entry.fetchedAt = entry.lastTryAt
      entry.freshUntil =
        entry.fetchedAt + Math.max(coolDownMs, Math.min(keysAgeMaxMs, (maxAgeS ?? Infinity) * 1_000))
      entry.lastError = undefined
    } catch (error) {
      if (!isHubError(error)) throw error
      entry.lastError = error
    }
  }

  function entryOf(uri: string): Entry {
    let entry = entries.get(uri)
    if (entry === undefined) {
      if (entries.size >= urisMax) entries.delete(entries.keys().next().value ?? '')
      entry = {
        keys: undefined,
        fetchedAt: 0,
        freshUntil: 0,
        lastTryAt: -Infinity,
        lastError: undefined,
        fetching: undefined,
      }
      entries.set(uri, entry)
    }
    return entry
  }

  async function fetched(
    uri: string,
    suffices: (keys: readonly VerificationKey[]) => boolean,
  ): Promise<readonly VerificationKey[]> {
    const entry = entryOf(uri)
    const now = world.now().getTime()
    const wanted = entry.keys === undefined || now >= entry.freshUntil || !suffices(entry.keys)
    if (wanted && (entry.fetching !== undefined || now - entry.lastTryAt >= coolDownMs)) {
      entry.fetching ??= refresh(uri, entry).finally(() => (entry.fetching = undefined))
      await entry.fetching
    }
    if (entry.keys !== undefined && now - entry.fetchedAt <= keysStaleMaxMs) return entry.keys
    throw entry.lastError ?? new HubError('keys.unavailable')
  }

  return {
    async candidates({ keys }, { kid, alg }) {
      const mayHaveSigned = (key: VerificationKey): boolean =>
        key.algorithms.has(alg) && (kid === undefined || key.kid === kid)
      const all =
        'jwks' in keys
          ? readVerificationKeys({ keys: keys.jwks }).filter((key) => 'key' in key)
          : await fetched(keys.jwksUri, (keys) => keys.some(mayHaveSigned))
      return all.filter(mayHaveSigned).slice(0, keysTriedMax)
    },
    async successors({ keys }, { kid, alg }, tried) {
      if ('jwks' in keys) return []
      const isOther = (key: VerificationKey): boolean =>
        key.algorithms.has(alg) &&
        (kid === undefined || key.kid === kid) &&
        !tried.some((other) => other.key.equals(key.key))
      const all = await fetched(keys.jwksUri, (known) => known.some(isOther))
      return all.filter(isOther).slice(0, keysTriedMax)
    },
  }
}
