import { HubError } from '../base/hub-error.ts'
import type { StreamRegistry } from './stream-registry.ts'
import { isConnected, type ConnectedStream, type Stream } from './stream.ts'

/** @throws HubError `stream.not_found` */
export function streamOf(registry: Pick<StreamRegistry, 'find' | 'ofProvider'>, providerId: string): Stream {
  const stream = registry.ofProvider(providerId)
  if (stream !== undefined) return registry.find(stream.id) ?? stream
  throw new HubError('stream.not_found', {
    detail: `The provider ${providerId.slice(0, 50)} has no stream.`,
    facts: { id: providerId.slice(0, 50), type: 'Stream' },
  })
}

/** @throws HubError `stream.not_found`, `stream.not_connected` */
export function connectedStreamOf(
  registry: Pick<StreamRegistry, 'find' | 'ofProvider'>,
  providerId: string,
): ConnectedStream {
  const stream = streamOf(registry, providerId)
  if (isConnected(stream)) return stream
  throw notConnected(stream)
}

export function notConnected(stream: Stream | undefined): HubError {
  return new HubError('stream.not_connected', {
    detail:
      stream?.lastError === undefined
        ? 'The stream is not connected to its transmitter yet.'
        : `The stream is not connected to its transmitter. ${stream.lastError}`,
    ...(stream !== undefined && stream.issuer === undefined ? {} : { retryAfterS: 5 }),
  })
}
