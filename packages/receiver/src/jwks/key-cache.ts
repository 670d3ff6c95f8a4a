import type { KeySource } from '../set/verification-key.ts'
import {
  createProviderKeys,
  type KeySetPlace,
  type KeyStatus,
  type ProviderKeys,
  type ProviderKeysDeps,
} from './provider-keys.ts'

/** The keys of every provider. Disposing aborts the fetches under way. */
export interface KeyCache extends AsyncDisposable {
  /** The provider's keys, one entry per id; what was kept is dropped when its `jwksUrl` has changed. */
  keysOf(provider: KeySetPlace): KeySource
  /** Fetches the provider's keys now. @returns how they are doing then; `lastError` when that failed */
  refresh(provider: KeySetPlace): Promise<KeyStatus>
  forget(providerId: string): void
  /** Forgets the keys of all other providers. */
  keepOnly(providers: readonly Pick<KeySetPlace, 'id'>[]): void
  /** Undefined until the first request for a key of this provider. */
  status(providerId: string): KeyStatus | undefined
  /** The states of all providers whose keys were requested, by provider id. */
  statuses(): readonly (readonly [providerId: string, status: KeyStatus])[]
  /** Resolves when nothing is being fetched, in the background or for a SET. */
  settled(): Promise<void>
}

/**
 * Caches key sets per provider. A cached key is returned at once, without a promise. All callers that wait for a
 * provider's keys share one fetch. An unknown `kid` causes a fetch, up to a small allowance; so does a signature that
 * does not verify, because the transmitter may have replaced the key under the same `kid`. Once the allowance is
 * spent, the cached set decides for a moment that a `kid` is unknown; after that, `keys.unavailable` asks the sender to
 * try again later. Old keys stay in use while they are fetched again, even if the fetches fail, up to
 * `keysStaleMaxMs`; after that, as without any keys, nothing verifies. An unusable set does not replace a usable one;
 * a key that is missing in a usable new set is dropped.
 */
export function createKeyCache(deps: ProviderKeysDeps): KeyCache {
  const entries = new Map<string, ProviderKeys>()
  /** Forgotten ones whose fetch has not ended yet. */
  const leaving = new Set<ProviderKeys>()

  function forget(providerId: string): void {
    const entry = entries.get(providerId)
    if (entry === undefined) return
    entries.delete(providerId)
    entry.stop()
    const fetching = entry.fetching()
    if (fetching === undefined) return
    leaving.add(entry)
    void fetching.then(() => leaving.delete(entry))
  }

  async function settled(): Promise<void> {
    for (;;) {
      const fetching = [...entries.values(), ...leaving].flatMap((entry) => entry.fetching() ?? [])
      if (fetching.length === 0) return
      await Promise.all(fetching)
    }
  }

  function entryOf(provider: KeySetPlace): ProviderKeys {
    const known = entries.get(provider.id)
    if (known?.jwksUrl === provider.jwksUrl) return known
    forget(provider.id)
    const entry = createProviderKeys(deps, provider)
    entries.set(provider.id, entry)
    return entry
  }

  return {
    keysOf: (provider) => entryOf(provider).source,
    async refresh(provider) {
      const entry = entryOf(provider)
      await entry.refresh()
      return entry.status()
    },
    forget,
    keepOnly(providers) {
      const kept = new Set(providers.map(({ id }) => id))
      for (const id of entries.keys()) if (!kept.has(id)) forget(id)
    },
    status: (providerId) => entries.get(providerId)?.status(),
    statuses: () => [...entries].map(([providerId, entry]) => [providerId, entry.status()] as const),
    settled,
    async [Symbol.asyncDispose]() {
      for (const providerId of entries.keys()) forget(providerId)
      await settled()
    },
  }
}
