import type { FetchedBytes } from '@watchbell/receiver/base'
import { isHubError, type HubErrorCode } from '../base/hub-error.ts'
import type { Meter, PollFailure } from '../base/meter.ts'
import { readRetryAfter } from '../base/retry-after.ts'
import type { World } from '../base/world.ts'
import { scopesText, transmitterMessage } from '../streams/transmitter-client.ts'
import { readPollAnswer, type PollAnswer } from '@watchbell/receiver/poll'
import type { PollOutcome } from './poll-pace.ts'
import type { PolledStream, PolledStreams } from './polled-stream.ts'
import type { SetErr } from '@watchbell/receiver/set'

export interface PollRequestDeps {
  readonly world: Pick<World, 'now'>
  readonly streams: Pick<PolledStreams, 'accessTo'>
  readonly meter: Pick<Meter, 'pollReported'>
}

export interface PollRequestLimits {
  readonly answerBytesMax: number
  /** JSON values that one answer may hold; each SET is one value. */
  readonly answerValuesMax: number
  /** How long an answer may take: of a long poll, and of a short poll. */
  readonly longPollTimeoutMs: number
  readonly shortPollTimeoutMs: number
}

/** What the next request reports, and how many SETs it asks for. All of it may be lost: the transmitter then delivers again. */
export interface PollReport {
  /** `jti`s of durable SETs, and refused ones with the reason. */
  readonly acks: Set<string>
  readonly errs: Map<string, SetErr>
  pollEventsMax: number
}

export interface PollAsked {
  readonly maxEvents: number
  readonly long: boolean
  readonly signal: AbortSignal
}

export interface PollAnswered {
  readonly answer: PollAnswer
}

export interface PollFailed {
  readonly failure: PollOutcome & { readonly kind: 'failed' }
  readonly cause: PollFailure
  readonly message: string
  /** Whether an intermediary may have cut a long poll. */
  readonly mayBeCut: boolean
}

/** One request to a poll endpoint (RFC 8936 §2.4). Reported SETs are forgotten once the transmitter has the report. */
export type PollRequest = (
  stream: PolledStream,
  report: PollReport,
  asked: PollAsked,
) => Promise<PollAnswered | PollFailed>

export function createPollRequest(deps: PollRequestDeps, limits: PollRequestLimits): PollRequest {
  const { world, streams, meter } = deps

  async function ask(
    stream: PolledStream,
    report: PollReport,
    { maxEvents, long, signal }: PollAsked,
  ): Promise<PollAnswered | PollFailed> {
    const [acks, errs] = [[...report.acks], [...report.errs]]
    let response: FetchedBytes
    try {
      response = await streams.accessTo(stream).request({
        method: 'POST',
        url: stream.remote.endpointUrl,
        json: {
          maxEvents,
          returnImmediately: !long,
          ...(acks.length > 0 && { ack: acks }),
          ...(errs.length > 0 && { setErrs: Object.fromEntries(errs) }),
        },
        ...(errs.length > 0 && { headers: { 'content-language': 'en' } }),
        timeoutMs: long ? limits.longPollTimeoutMs : limits.shortPollTimeoutMs,
        bytesMax: limits.answerBytesMax,
        signal,
      })
    } catch (error) {
      if (!isHubError(error)) throw error
      if (error.facts['tooLarge'] === 'true' && report.pollEventsMax > 1) {
        report.pollEventsMax = Math.ceil(report.pollEventsMax / 2)
      }
      const pace = slowCodes.has(error.code) ? 'slow' : 'soon'
      return failed(pace, causeOf(error.code), error.detail, {
        retryAfterS: error.retryAfterS,
        mayBeCut: error.code === 'outbound.failed',
      })
    }
    const { status } = response
    const isEmpty = status === 204 || (maxEvents === 0 && status < 300)
    if (status !== 200 && !isEmpty) {
      // The report itself may be what the transmitter rejects; SETs that come again are reported again.
      if (status === 400 || status === 422) forget(report, acks, errs)
      return refused(stream, response)
    }
    forget(report, acks, errs)
    meter.pollReported(stream.providerId, { acks: acks.length, setErrs: errs.length })
    const answer =
      isEmpty || maxEvents === 0
        ? { sets: [], moreAvailable: false }
        : readPollAnswer(response.body, limits.answerValuesMax)
    return typeof answer === 'string'
      ? failed('soon', 'unusable', `The transmitter's answer to a poll cannot be used: ${answer}.`)
      : { answer }
  }

  function refused(stream: PolledStream, answer: FetchedBytes): PollFailed {
    const { status, headers } = answer
    const { host } = new URL(stream.remote.endpointUrl)
    const theirs = transmitterMessage(answer)
    const said = theirs === '' ? '' : ` and said: ${theirs}`
    const scopes = status === 401 || status === 403 ? scopesText(streams.accessTo(stream)) : ''
    const message =
      `${host} answered a poll with status ${status}${said}. ${adviceOf(status)} ${scopes}`.trim()
    const soon = status < 300 || status >= 500 || status === 429 || status === 408
    return failed(soon ? 'soon' : 'slow', causeOfStatus(status), message, {
      retryAfterS: readRetryAfter(headers.get('retry-after'), world.now()),
      mayBeCut: status === 502 || status === 504,
    })
  }

  return ask
}

function forget(
  report: PollReport,
  acks: readonly string[],
  errs: readonly (readonly [string, SetErr])[],
): void {
  for (const name of acks) report.acks.delete(name)
  for (const [name] of errs) report.errs.delete(name)
}

function failed(
  pace: 'soon' | 'slow',
  cause: PollFailure,
  message: string,
  { retryAfterS, mayBeCut = false }: { retryAfterS?: number | undefined; mayBeCut?: boolean } = {},
): PollFailed {
  return { failure: { kind: 'failed', pace, retryAfterS }, cause, message, mayBeCut }
}

/** Failures that last until an operator acts. */
const slowCodes: ReadonlySet<HubErrorCode> = new Set([
  'stream.token_refused',
  'stream.secrets_unreadable',
  'outbound.refused',
])

function causeOf(code: HubErrorCode): PollFailure {
  if (code.startsWith('stream.')) return 'token' // the token request is the only step before the poll
  return code === 'outbound.refused' ? 'refused' : 'unreachable'
}

function causeOfStatus(status: number): PollFailure {
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 404 || status === 410) return 'unknown_stream'
  if (status === 429) return 'rate_limited'
  return status >= 500 || status === 408 ? 'server_error' : 'rejected'
}

function adviceOf(status: number): string {
  if (status === 401)
    return 'It does not accept our credentials, not even new ones: check the client and its scopes.'
  if (status === 403)
    return 'Our credentials are valid but do not permit this: ask its operator for the scopes.'
  if (status === 404 || status === 410) return 'It does not know the stream any more: connect it again.'
  if (status === 429) return 'It was asked too often; it will be asked again later.'
  return status >= 500
    ? 'It will be asked again.'
    : 'It does not understand us, or is no poll endpoint (RFC 8936).'
}
