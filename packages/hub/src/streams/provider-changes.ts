import type { Transaction } from '../base/transaction.ts'
import type { ProviderChange } from '../providers/providers.ts'
import { partStream } from './part-stream.ts'
import type { DialectStore } from './provider-dialects.ts'
import type { StreamStore } from './stream-store.ts'

/** What a change of a provider does to its stream and its dialects: both are deleted with it, and a new issuer unconnects its stream. */
export async function changeStreamsOfProvider(
  {
    stores: { streams, dialects },
  }: Transaction<{ readonly streams: StreamStore; readonly dialects: DialectStore }>,
  { kind, provider, before }: Pick<ProviderChange, 'kind' | 'provider' | 'before'>,
): Promise<void> {
  if (kind === 'delete') {
    await streams.deleteOfProvider(provider.id)
    await dialects.set(provider.id, undefined)
  }
  if (before !== undefined && before.issuer !== provider.issuer) await partStream(streams, provider)
}
