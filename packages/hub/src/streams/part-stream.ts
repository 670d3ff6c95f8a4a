import type { Provider } from '../providers/provider.ts'
import type { StreamChanges, StreamStore } from './stream-store.ts'
import { unconnected, type Stream } from './stream.ts'

/**
 * Unconnects the stream of a provider whose issuer was changed: its credentials are then used only for its deletion at the
 * old transmitter. Runs in the transaction of the change.
 */
export async function partStream(
  streams: Pick<StreamStore, 'findByProvider' | 'update'>,
  provider: Pick<Provider, 'id' | 'issuer'>,
): Promise<void> {
  const stream = await streams.findByProvider(provider.id)
  if (stream?.issuer !== undefined) await streams.update(stream.id, partedFrom(stream, provider))
}

function partedFrom(stream: Stream, provider: Pick<Provider, 'issuer'>): StreamChanges {
  const { endpoints: _, remote: __, ...unknownAgain } = unconnected // kept: where the old stream can be deleted
  return { ...unknownAgain, issuer: undefined, lastError: partedMessage(stream.issuer, provider.issuer) }
}

/** Why the stream must be connected again. */
export function partedMessage(before: string | undefined, now: string): string {
  return (
    `The provider's issuer is now ${now}. The stream was connected ${before === undefined ? 'before that' : `to ${before}`}, ` +
    'and its credentials go to no other transmitter: connect it again (`watchbell stream connect`, or PUT) with ' +
    'credentials for this issuer.'
  )
}
