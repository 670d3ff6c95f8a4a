/**
 * Path and query of a request target. Absolute-form targets lose scheme and host (RFC 9112 §3.2.2, row A7), and a path
 * that starts with several slashes starts with one (row A6).
 */
export function normaliseTarget(target: string): string {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)
  const rest = absolute === null ? target : target.slice(absolute[0].length)
  return rest.replace(/^\/*/, '/')
}
