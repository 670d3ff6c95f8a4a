import { HubError } from '../base/hub-error.ts'
import type { StreamRegistry } from '../streams/stream-registry.ts'
import type { Streams } from '../streams/streams.ts'
import { accept, refuse, type AcceptDeps, type Receipt } from './accept.ts'

/** A push to the URL of a stream, before anything of it is believed. */
export interface StreamPush {
  readonly streamId: string
  /** The Authorization header. */
  readonly authorization: string | undefined
  readonly body: Uint8Array
  /** The address it came from. */
  readonly source: string
}

export interface StreamPushDeps extends AcceptDeps {
  readonly registry: Pick<StreamRegistry, 'find'>
  readonly management: Pick<Streams, 'mayPush' | 'connected'>
}

/**
 * Takes a SET at the URL that one stream has for itself (R11, R42).
 * @throws HubError `request.path_not_found` when there is no such stream, `set.push_unauthorized`,
 *   `stream.not_connected` while the transmitter has not told us its audience, and what `accept` throws
 */
export async function pushToStream(deps: StreamPushDeps, push: StreamPush): Promise<Receipt> {
  const { streamId, authorization, body, source } = push
  const stream = deps.registry.find(streamId)
  if (stream?.settings.delivery !== 'push') throw new HubError('request.path_not_found')
  if (!deps.management.mayPush(stream, authorization)) {
    const error = new HubError('set.push_unauthorized', {
      detail: `The Authorization header is ${authorization === undefined ? 'missing' : 'not the one that the stream was created with'}.`,
    })
    await refuse(deps, error, {}, { via: 'push', source, stream })
    throw error
  }
  const connected = await deps.management.connected(streamId)
  return accept(deps, body, { via: 'push', source, stream: connected })
}
