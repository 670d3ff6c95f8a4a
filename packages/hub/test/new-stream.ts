import { unconnected, type Stream } from '../src/streams/stream.ts'

/** A push stream as it stands before anybody has spoken to the transmitter. */
export function newStream(id: string, over: Partial<Stream> = {}): Stream {
  return {
    ...unconnected,
    id,
    providerId: `provider of ${id}`,
    issuer: `https://${id}.example`,
    settings: {
      delivery: 'push',
      eventsRequested: undefined,
      description: undefined,
      auth: { method: 'bearer' },
      subjects: 'all',
      audience: undefined,
    },
    sealedSecrets: 'sealed',
    pushAuthorization: { currentHash: 'hash', previous: undefined },
    createdAt: new Date(0),
    updatedAt: new Date(0),
    ...over,
  }
}
