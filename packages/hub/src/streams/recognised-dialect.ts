import type { Dialect } from '@watchbell/receiver/set'
import type { TransmitterMetadata } from './discovery.ts'

/** The dialect of a transmitter whose metadata shows whose software it is; undefined for all others. */
export function recognisedDialect({
  issuer,
  document,
}: Pick<TransmitterMetadata, 'issuer' | 'document'>): Dialect | undefined {
  return document['configuration_endpoint'] === `${issuer}/ssf/transmitter/streams` ? 'keycloak' : undefined
}
