/**
 * The seconds of a Retry-After (RFC 9110 §10.2.3), or undefined when it is missing or unreadable.
 * @param now - for a Retry-After with a date
 */
export function readRetryAfter(header: string | null, now: Date | undefined): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) || now === undefined
    ? undefined
    : Math.max(0, Math.ceil((at - now.getTime()) / 1_000))
}
