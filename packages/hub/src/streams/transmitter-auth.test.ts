import { expect, test } from 'vitest'
import { startLocalServer } from '../../test/local-server.ts'
import { createTransmitterAccess } from './transmitter-auth.ts'

test('empty members of metadata and token answers are ignored', async () => {
  const asked: string[] = []
  await using server = await startLocalServer((request, response) => {
    asked.push(request.url ?? '')
    const { origin } = server
    const documents: Record<string, object> = {
      '/.well-known/oauth-protected-resource/streams': {
        resource: `${origin}/streams`,
        authorization_servers: [origin],
        scopes_supported: null,
        jwks_uri: null,
        bearer_methods_supported: [],
      },
      '/.well-known/oauth-authorization-server': {
        issuer: origin,
        token_endpoint: `${origin}/token`,
        jwks_uri: null,
        scopes_supported: [],
        version: 2 ** 60,
      },
      '/token': {
        access_token: 'secret',
        token_type: 'Bearer',
        expires_in: null,
        refresh_token: null,
        id_token: '',
        scope: null,
      },
      '/streams': { authorization: request.headers.authorization },
    }
    const document = documents[request.url ?? '']
    response
      .writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(document ?? {}))
  })
  const url = `${server.origin}/streams`
  const access = createTransmitterAccess(
    { world: { fetch: globalThis.fetch, now: () => new Date() } },
    {
      auth: {
        method: 'client_secret_post',
        clientId: 'hub',
        tokenUrl: undefined,
        authorizationServer: undefined,
        scope: undefined,
        dpop: false,
      },
      secrets: { clientSecret: 's', pushAuthorization: '' },
      issuer: server.origin,
      resource: url,
    },
  )
  const answer = await access.request({ method: 'GET', url, timeoutMs: 5_000, bytesMax: 10_000 })
  expect(JSON.parse(Buffer.from(answer.body).toString())).toEqual({ authorization: 'Bearer secret' })
  expect(asked.at(-2)).toBe('/token')
})
