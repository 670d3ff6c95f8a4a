import { createHash } from 'node:crypto'
import { openapiDocument } from './openapi.ts'
import { routesOf, type Route } from './route.ts'

/** How long clients may cache the document: an updated hub has another one. */
const cachedForS = 300

/** Serves the OpenAPI document; it is the same on every node of one version. */
export function openapiRoutes(): readonly Route[] {
  let made: { readonly document: object; readonly etag: string } | undefined
  const make = () => {
    const document = openapiDocument()
    const hash = createHash('sha256').update(JSON.stringify(document)).digest('base64url')
    return { document, etag: `"${hash}"` }
  }
  return routesOf({
    async 'GET /openapi.json'(request) {
      made ??= make()
      const { document, etag } = made
      const headers = { ETag: etag, 'Cache-Control': `public, max-age=${cachedForS}` }
      if (isSame(request.header('if-none-match'), etag)) return { status: 304, headers }
      return { status: 200, body: document, headers }
    },
  })
}

/** Uses weak comparison (RFC 9110 §13.1.2). */
function isSame(ifNoneMatch: string | undefined, etag: string): boolean {
  const known = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return known.includes(etag) || known.includes('*')
}
