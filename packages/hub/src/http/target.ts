/**
 * Path and query of a request target, without scheme and host of the absolute form (RFC 9112 §3.2.2, OKTA-A7), with one
 * slash at the start of the path (OKTA-A6) and none at its end: Okta's Python SDK 2 requests `/api/v1/logs/?limit=5`.
 */
export function normaliseTarget(target: string): string {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)
  const rest = absolute === null ? target : target.slice(absolute[0].length)
  const queryAt = rest.indexOf('?')
  const [path, query] = queryAt === -1 ? [rest, ''] : [rest.slice(0, queryAt), rest.slice(queryAt)]
  return withoutLastSlashes(path.replace(/^\/*/, '/')) + query
}

/** @param path - begins with a slash, which is kept */
function withoutLastSlashes(path: string): string {
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}
