import { outboundError } from './outbound-error.ts'
import { ReceiverError } from './receiver-error.ts'

export interface FetchLimits {
  /** For all of it: resolve, connect, headers and body. */
  readonly timeoutMs: number
  /** Of the body, after decompression. */
  readonly bytesMax: number
  readonly signal?: AbortSignal | undefined
}

export interface FetchedBytes {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/**
 * Sends one request and reads the whole answer, whatever the status.
 * @param headProblem - checks the answer before its body is read; returns why it is of no use
 * @throws ReceiverError `outbound.refused`, `outbound.failed`
 */
export async function fetchBytes(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  { timeoutMs, bytesMax, signal }: FetchLimits,
  headProblem: (response: Response) => string | undefined = () => undefined,
): Promise<FetchedBytes> {
  const host = URL.parse(url)?.host ?? url.slice(0, 200)
  const fail = (reason: string): ReceiverError => fetchFailure(url, reason)
  const clock = new AbortController()
  const timer = setTimeout(
    () => clock.abort(fail(`did not answer in full within ${timeoutMs} ms`)),
    timeoutMs,
  )
  const stop = () => clock.abort(fail('was given up because the fetch is no longer needed'))
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const response = await fetch(url, { ...init, signal: clock.signal })
    const problem = headProblem(response)
    if (problem !== undefined) {
      await response.body?.cancel()
      throw fail(problem)
    }
    const body = await readBytes(response, bytesMax)
    if (body === undefined)
      throw fetchFailure(url, `answered with more than ${bytesMax} bytes`, { tooLarge: 'true' })
    return { status: response.status, headers: response.headers, body }
  } catch (error) {
    // The reason of `clock` is always the error above.
    throw outboundError(clock.signal.aborted ? clock.signal.reason : error, host)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

export function fetchFailure(
  url: string,
  reason: string,
  facts: Readonly<Record<string, string>> = {},
): ReceiverError {
  return new ReceiverError('outbound.failed', {
    detail: `${URL.parse(url)?.host ?? url.slice(0, 200)} ${reason}.`,
    facts,
  })
}

/** The body, or undefined once it exceeds `bytesMax`; the rest is not read. */
async function readBytes(response: Response, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) return undefined // leaving the loop cancels the stream
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
