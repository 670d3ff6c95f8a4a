/**
 * Path and query of a request target. Absolute-form targets lose scheme and host (RFC 9112 §3.2.2, OKTA-A7), a path that
 * starts with several slashes starts with one (OKTA-A6), and one that ends with slashes ends without: Okta's Python SDK 2
 * asks for `/api/v1/logs/?limit=5`.
 */
export function normaliseTarget(target: string): string {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)
  const rest = absolute === null ? target : target.slice(absolute[0].length)
  const queryAt = rest.indexOf('?')
  const [path, query] = queryAt === -1 ? [rest, ''] : [rest.slice(0, queryAt), rest.slice(queryAt)]
  return withoutLastSlashes(path.replace(/^\/*/, '/')) + query
}

/** @param path - which begins with a slash, and keeps that one */
function withoutLastSlashes(path: string): string {
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}
