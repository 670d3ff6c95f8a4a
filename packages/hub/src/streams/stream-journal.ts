import type { Actor } from '../base/actor.ts'
import type { Transact } from '../base/transaction.ts'
import type { ProviderStore } from '../providers/provider-store.ts'
import type { Provider } from '../providers/provider.ts'
import type { StreamStore } from './stream-store.ts'
import type { Stream } from './stream.ts'

/** One committed change of a stream, for the System Log. */
export interface StreamChange {
  /** `status`: enabled, paused or disabled, whoever did it; `repair`: what had drifted was set right. */
  readonly kind: 'create' | 'update' | 'delete' | 'status' | 'verify' | 'repair' | 'rotate'
  readonly provider: Pick<Provider, 'id' | 'name' | 'issuer'>
  /** As it is now; for `delete`, as it was last. */
  readonly stream: Stream
  /** As it was; undefined for `create`. */
  readonly before: Stream | undefined
  readonly by: Actor
}

export interface StreamJournal {
  streamChanged(change: StreamChange): Promise<void>
}

/** A change and its journal entry commit together or not at all. */
export type StreamTransaction = Transact<
  { readonly streams: StreamStore; readonly providers: Pick<ProviderStore, 'findById'> },
  StreamJournal
>

/** Who acts when the hub looks after a stream by itself. */
export const hubActor: Actor = {
  id: 'watchbell',
  type: 'SystemPrincipal',
  displayName: 'Watchbell',
  alternateId: 'watchbell',
}

/** Who acts when the transmitter changes a stream. */
export function transmitterActor({ id, issuer }: Pick<Provider, 'id' | 'issuer'>): Actor {
  return { id, type: 'SecurityEventProvider', displayName: issuer, alternateId: issuer }
}
