import type { Actor } from '../base/actor.ts'
import type { Transact } from '../base/transaction.ts'
import type { ProviderStore } from '../providers/provider-store.ts'
import type { Provider } from '../providers/provider.ts'
import type { StreamStore } from './stream-store.ts'
import type { Stream } from './stream.ts'

/** One committed change of a stream, for the System Log. */
export interface StreamChange {
  /** `status`: enabled, paused or disabled, by either side; `repair`: a difference at the transmitter was repaired. */
  readonly kind: 'create' | 'update' | 'delete' | 'status' | 'verify' | 'repair' | 'rotate'
  readonly provider: Pick<Provider, 'id' | 'name' | 'issuer'>
  /** After the change; for `delete`, before it. */
  readonly stream: Stream
  /** Before the change; undefined for `create`. */
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

/** The actor of changes that the hub makes on its own. */
export const hubActor: Actor = {
  id: 'watchbell',
  type: 'SystemPrincipal',
  displayName: 'Watchbell',
  alternateId: 'watchbell',
}

/** The actor of changes that the transmitter makes. */
export function transmitterActor({ id, issuer }: Pick<Provider, 'id' | 'issuer'>): Actor {
  return { id, type: 'SecurityEventProvider', displayName: issuer, alternateId: issuer }
}
