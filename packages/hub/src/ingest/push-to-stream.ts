import { HubError } from '../base/hub-error.ts'
import type { Streams } from '../streams/streams.ts'
import { accept, refuseSet, type AcceptDeps, type Receipt } from './accept.ts'

/** The head of a push to the URL of a stream, not authenticated yet. */
export interface StreamPush {
  readonly streamId: string
  /** The Authorization header. */
  readonly authorization: string | undefined
  /** The address that sent it. */
  readonly source: string
}

export interface StreamPushDeps extends AcceptDeps {
  readonly management: Pick<Streams, 'forPush' | 'connected'>
}

/**
 * Opens the push URL of one stream (SSF 1.0 §6.1.1, RFC 8935 §3). Checks the credentials before the body is read.
 * @returns a function that takes the body; it throws what `accept` throws
 * @throws HubError `request.path_not_found` when there is no such stream, `set.push_unauthorized`,
 *   `stream.not_connected` while the transmitter's audience is unknown
 */
export async function pushToStream(
  deps: StreamPushDeps,
  { streamId, authorization, source }: StreamPush,
): Promise<(body: Uint8Array) => Promise<Receipt>> {
  const { stream, authorized } = (await deps.management.forPush(streamId, authorization)) ?? {}
  if (stream === undefined) throw new HubError('request.path_not_found')
  if (authorized !== true) {
    // A poll stream has no push URL, unless its transmitter was given one before or is being given one now.
    if (stream.settings.delivery !== 'push') throw new HubError('request.path_not_found')
    const error = new HubError('set.push_unauthorized', {
      detail: `The Authorization header is ${authorization === undefined ? 'missing' : 'not the one that the stream was created with'}.`,
    })
    await refuseSet(deps, error, {}, { via: 'push', source, stream }, () => false)
    throw error
  }
  const connected = await deps.management.connected(streamId)
  return (body) => accept(deps, body, { via: 'push', source, stream: connected })
}
