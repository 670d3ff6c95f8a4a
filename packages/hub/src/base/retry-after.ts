/**
 * Seconds that a Retry-After asks for (RFC 9110 §10.2.3), or undefined when there is none that can be read.
 * @param now - for one that names a time
 */
export function readRetryAfter(header: string | null, now: Date | undefined): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) || now === undefined
    ? undefined
    : Math.max(0, Math.ceil((at - now.getTime()) / 1_000))
}
