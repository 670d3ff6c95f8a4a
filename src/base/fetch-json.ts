import { outboundError } from './guarded-fetch.ts'
import { HubError } from './hub-error.ts'
import { parseIJson } from './i-json.ts'
import type { JsonValue } from './json.ts'

export interface FetchJsonLimits {
  /** For everything together: resolve, connect, headers and body. */
  readonly timeoutMs: number
  /** Of the body, after decompression. */
  readonly bytesMax: number
  readonly signal?: AbortSignal
}

export interface FetchedJson {
  readonly value: JsonValue
  /** What Cache-Control allows, in seconds; undefined when it says nothing. */
  readonly maxAgeS: number | undefined
}

/**
 * GETs a JSON document: status 200, `application/json` or `…+json`, and JSON that everyone reads alike (RFC 7493).
 *
 * @throws HubError `outbound.refused`, `outbound.failed`
 */
export async function fetchJson(
  fetch: typeof globalThis.fetch,
  url: string,
  { timeoutMs, bytesMax, signal }: FetchJsonLimits,
): Promise<FetchedJson> {
  const host = URL.parse(url)?.host ?? url.slice(0, 200)
  const fail = (reason: string): HubError => new HubError('outbound.failed', { detail: `${host} ${reason}.` })
  const clock = new AbortController()
  const timer = setTimeout(
    () => clock.abort(fail(`did not answer in full within ${timeoutMs} ms`)),
    timeoutMs,
  )
  const stop = () => clock.abort(fail('was given up because the fetch is no longer needed'))
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const response = await fetch(url, { headers: { accept: 'application/json' }, signal: clock.signal })
    const problem = headProblem(response)
    if (problem !== undefined) {
      await response.body?.cancel()
      throw fail(problem)
    }
    const bytes = await readBytes(response, bytesMax)
    if (bytes === undefined) throw fail(`answered with more than ${bytesMax} bytes`)
    const parsed = parseIJson(bytes)
    if (!parsed.ok) throw fail(`answered with a body that is not JSON: ${parsed.reason}`)
    return { value: parsed.value, maxAgeS: maxAgeOf(response.headers.get('cache-control')) }
  } catch (error) {
    // The reason of `clock` is always one of ours, above.
    throw outboundError(clock.signal.aborted ? clock.signal.reason : error, host)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

function headProblem(response: Response): string | undefined {
  if (response.status !== 200) return `answered with status ${response.status} where 200 is needed`
  const type = response.headers.get('content-type')
  if (type === null) return 'answered without a Content-Type; it must be application/json'
  const essence = (type.split(';')[0] ?? '').trim().toLowerCase()
  if (essence === 'application/json' || /^[a-z]+\/[^\s/]+\+json$/.test(essence)) return undefined
  return `answered with Content-Type ${essence.slice(0, 100)}; it must be application/json`
}

/** The body, or undefined as soon as it grows beyond `bytesMax`; the rest is then not read. */
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

function maxAgeOf(cacheControl: string | null): number | undefined {
  if (cacheControl === null) return undefined
  const directives = cacheControl
    .toLowerCase()
    .split(',')
    .map((directive) => directive.trim())
  if (directives.includes('no-store') || directives.includes('no-cache')) return 0
  const text = directives.find((directive) => directive.startsWith('max-age='))?.slice('max-age='.length)
  return text !== undefined && /^"?[0-9]{1,10}"?$/.test(text) ? Number(text.replaceAll('"', '')) : undefined
}
