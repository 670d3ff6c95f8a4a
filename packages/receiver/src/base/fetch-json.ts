import { fetchBytes, fetchFailure, type FetchLimits } from './fetch-bytes.ts'
import { parseIJson } from './i-json.ts'
import type { JsonValue } from './json.ts'

export interface FetchedJson {
  readonly value: JsonValue
  /** What Cache-Control allows, in seconds; undefined when it says nothing. */
  readonly maxAgeS: number | undefined
}

/**
 * GETs a JSON document: status 200, `application/json` or `…+json`, and I-JSON (RFC 7493),
 * except that numbers that do not fit a double become strings.
 *
 * @throws ReceiverError `outbound.refused`, `outbound.failed`
 */
export async function fetchJson(
  fetch: typeof globalThis.fetch,
  url: string,
  limits: FetchLimits & {
    /** Media types to ask for; `application/json` unless given. */
    readonly accept?: string
  },
): Promise<FetchedJson> {
  const request = { headers: { accept: limits.accept ?? 'application/json' } }
  const { headers, body } = await fetchBytes(fetch, url, request, limits, headProblem)
  const parsed = parseIJson(body, { wideNumbers: 'as_text' })
  if (!parsed.ok) throw fetchFailure(url, `answered with a body that is not JSON: ${parsed.reason}`)
  return { value: parsed.value, maxAgeS: maxAgeOf(headers.get('cache-control')) }
}

function headProblem(response: Response): string | undefined {
  if (response.status !== 200) return `answered with status ${response.status} where 200 is needed`
  const type = response.headers.get('content-type')
  if (type === null) return 'answered without a Content-Type; it must be application/json'
  const essence = (type.split(';')[0] ?? '').trim().toLowerCase()
  if (essence === 'application/json' || /^[a-z]+\/[^\s/]+\+json$/.test(essence)) return undefined
  return `answered with Content-Type ${essence.slice(0, 100)}; it must be application/json`
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
