import type { OpenPoll } from '../streams/poll-gate.ts'
import type { ConnectedStream } from '../streams/stream.ts'
import type { TransmitterAccess } from '../streams/transmitter-auth.ts'

/** A stream to poll. */
export type PolledStream = ConnectedStream & { readonly remote: { readonly endpointUrl: string } }

/** The poller's view of the streams. */
export interface PolledStreams {
  /** The streams to poll now: connected poll streams of active providers. From memory; called several times a second. */
  polled(): readonly PolledStream[]
  /** A client of the stream's transmitter, with our credentials. */
  accessTo(stream: PolledStream): TransmitterAccess
  /** Whether the stream may be polled now: not during another request of ours to its transmitter. */
  mayPoll?(stream: PolledStream): boolean
  /** Called when a poll starts. */
  opened?(stream: PolledStream, poll: OpenPoll): void
  /** Called when a transmitter answers that it has no such stream. */
  unknown?(stream: PolledStream): void
  /** Stores when a stream was last polled, and what failed. */
  note(streamId: string, note: PollNote): Promise<void>
}

export interface PollNote {
  readonly lastPollAt?: Date
  /** Of the polls; undefined when all is well. */
  readonly lastError: string | undefined
}

/** A short poll is answered at once and repeated every `pollIntervalMs`. */
export function isLongPolled({ settings }: PolledStream): boolean {
  return settings.polling !== 'short'
}
