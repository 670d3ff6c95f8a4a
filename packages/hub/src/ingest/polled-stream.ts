import type { OpenPoll } from '../streams/poll-gate.ts'
import type { ConnectedStream } from '../streams/stream.ts'
import type { TransmitterAccess } from '../streams/transmitter-auth.ts'

/** A stream that is to be polled. */
export type PolledStream = ConnectedStream & { readonly remote: { readonly endpointUrl: string } }

/** What the poller needs to know of streams, and tells of them. */
export interface PolledStreams {
  /** Those to poll now: connected, by poll, of active providers. From memory; asked several times a second. */
  polled(): readonly PolledStream[]
  /** The way to a stream's transmitter, with our credentials. */
  accessTo(stream: PolledStream): TransmitterAccess
  /** Whether it may be polled now: not while other requests of ours are under way at its transmitter. */
  mayPoll?(stream: PolledStream): boolean
  /** Told of each poll that begins. */
  opened?(stream: PolledStream, poll: OpenPoll): void
  /** Told when a transmitter says that it has no such stream. */
  unknown?(stream: PolledStream): void
  /** Keeps when a stream was polled last, and what went wrong with it. */
  note(streamId: string, note: PollNote): Promise<void>
}

export interface PollNote {
  readonly lastPollAt?: Date
  /** Of the polls; undefined when all is well. */
  readonly lastError: string | undefined
}

/** A short poll is answered at once, and asked every `pollIntervalMs`. */
export function isLongPolled({ settings }: PolledStream): boolean {
  return settings.polling !== 'short'
}
