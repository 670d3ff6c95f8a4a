import type { KeySource } from '../set/verification-key.ts'
import {
  createProviderKeys,
  type KeySetPlace,
  type KeyStatus,
  type ProviderKeys,
  type ProviderKeysDeps,
} from './provider-keys.ts'

/** The keys of every provider. Disposing gives up what is being fetched. */
export interface KeyCache extends AsyncDisposable {
  /** The provider's keys, one entry per id; what was kept is dropped when its `jwksUrl` has changed. */
  keysOf(provider: KeySetPlace): KeySource
  /** Fetches the provider's keys now. @returns how they are doing then; `lastError` when that failed */
  refresh(provider: KeySetPlace): Promise<KeyStatus>
  forget(providerId: string): void
  /** Forgets the keys of everybody else. */
  keepOnly(providers: readonly Pick<KeySetPlace, 'id'>[]): void
  /** Undefined while nobody has asked for a key of this provider. */
  status(providerId: string): KeyStatus | undefined
  /** Of every provider that somebody asked a key of, by its id. */
  statuses(): readonly (readonly [providerId: string, status: KeyStatus])[]
  /** Resolves when nothing is being fetched, in the background or for a SET. */
  settled(): Promise<void>
}

/**
 * Caches key sets per provider. A key that is there is returned at once and without a promise. One fetch serves all
 * who wait for it. An unknown `kid` causes a fetch, with a small
 * allowance, and so does a signature that does not verify, as its key may have been replaced under the same `kid`; once that is
 * spent, the set proves for a moment that it holds nothing else, and then one that nobody looked for is to be asked for again later. Old keys serve while they are fetched again,
 * also while that fails, up to `keysStaleMaxMs`; from then on, and with no keys at all, the answer is no. A set that
 * cannot be used does not replace a good one; a key that is no longer in a good one is gone with it.
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
