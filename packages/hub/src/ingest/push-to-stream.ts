import { HubError } from '../base/hub-error.ts'
import type { Streams } from '../streams/streams.ts'
import { accept, refuseSet, type AcceptDeps, type Receipt } from './accept.ts'

/** The head of a push to the URL of a stream, before anything of it is believed. */
export interface StreamPush {
  readonly streamId: string
  /** The Authorization header. */
  readonly authorization: string | undefined
  /** The address it came from. */
  readonly source: string
}

export interface StreamPushDeps extends AcceptDeps {
  readonly management: Pick<Streams, 'forPush' | 'connected'>
}

/**
 * Opens the URL that one stream has for itself (SSF 1.0 §6.1.1, RFC 8935 §3): the credentials are looked at before the body.
 * @returns takes the body of the push. @throws HubError what `accept` throws
 * @throws HubError `request.path_not_found` when there is no such stream, `set.push_unauthorized`,
 *   `stream.not_connected` while the transmitter has not told us its audience
 */
export async function pushToStream(
  deps: StreamPushDeps,
  { streamId, authorization, source }: StreamPush,
): Promise<(body: Uint8Array) => Promise<Receipt>> {
  const { stream, authorized } = (await deps.management.forPush(streamId, authorization)) ?? {}
  if (stream === undefined) throw new HubError('request.path_not_found')
  if (authorized !== true) {
    // One that is polled has no push URL, but for a transmitter that was told one before, or is told it right now.
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
