import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { startLocalServer, type LocalServer } from '../local-server.ts'
import { bearer, refusalOf } from './with-stream.ts'

// A transmitter's metadata may name any host. Where only WATCHBELL_OUTBOUND_ALLOW makes one reachable, a stream's
// credentials go there only when it is the issuer's own host or an administrator named it.

const clientAuth = { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'extremely-secret' }

/** A host that the metadata names, and the headers and bodies that it got. */
interface OtherHost extends AsyncDisposable {
  readonly server: LocalServer
  readonly got: string[]
}

async function startOtherHost(answer: (path: string) => object): Promise<OtherHost> {
  const got: string[] = []
  const server = await startLocalServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      got.push(JSON.stringify(request.headers) + Buffer.concat(chunks).toString())
      response
        .writeHead(request.method === 'POST' ? 201 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer(request.url ?? '')))
    })
  })
  return { server, got, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** A hub with a provider whose issuer's metadata has these members. */
async function startSite(metadata: (issuer: string) => object) {
  const opened = new AsyncDisposableStack()
  const hub = opened.use(await startTestHub())
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  const issuer = opened.use(
    await startLocalServer((request, response) => {
      const origin = `http://${request.headers.host ?? ''}`
      const { url = '' } = request
      const body = url.startsWith('/.well-known/ssf-configuration')
        ? { issuer: origin, jwks_uri: `${origin}/jwks`, ...metadata(origin) }
        : url === '/jwks'
          ? { keys: [key] }
          : undefined
      response
        .writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(body ?? {}))
    }),
  )
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'P',
    type: 'test',
    settings: { well_known_url: `${issuer.origin}/.well-known/ssf-configuration` },
  })
  const { id } = (await created.json()) as { id: string }
  const put = (body: object): Promise<Response> => hub.api('PUT', `/v1/providers/${id}/stream`, body)
  return { hub, issuer, id, put, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

test.each(['http://localhost', 'http://127.0.0.1'])(
  'a management API at another private host, %s, gets no bearer token unless it is a credential host',
  async (at) => {
    let issuer = ''
    await using other = await startOtherHost(() => ({ iss: issuer, stream_id: 's', aud: 'a' }))
    const url = `${at}:${other.server.port}/streams`
    await using site = await startSite(() => ({ configuration_endpoint: url }))
    issuer = site.issuer.origin
    const { status, message } = await refusalOf(await site.put(bearer))
    expect([status, message]).toEqual([502, expect.stringContaining('credential_hosts')])
    expect(message).toContain(new URL(url).host)
    expect(other.got).toEqual([])
    for (const named of [new URL(url).host, new URL(url).hostname]) {
      const answer = await site.put({ ...bearer, credential_hosts: [named] })
      expect([answer.status, await answer.json()]).toEqual([
        200,
        expect.objectContaining({ credential_hosts: [named] }),
      ])
    }
    expect(other.got[0]).toContain('static-token')
    const wrongPort = await site.put({ ...bearer, credential_hosts: [`${new URL(url).hostname}:1`] })
    expect(wrongPort.status).toBe(502)
  },
)

test('an authorization server from metadata gets no client secret; a configured token_url does', async () => {
  await using as = await startOtherHost((path) =>
    path.startsWith('/.well-known/')
      ? { issuer: as.server.origin, token_endpoint: `${as.server.origin}/token` }
      : { access_token: 'abc', token_type: 'Bearer', expires_in: 60 },
  )
  let issuer = ''
  await using resource = await startOtherHost((path) =>
    path.startsWith('/.well-known/oauth-protected-resource')
      ? { resource: `${resource.server.origin}/streams`, authorization_servers: [as.server.origin] }
      : { iss: issuer, stream_id: 's', aud: 'a' },
  )
  await using site = await startSite(() => ({ configuration_endpoint: `${resource.server.origin}/streams` }))
  issuer = site.issuer.origin
  const named = [new URL(resource.server.origin).host]
  const refused = await refusalOf(await site.put({ ...bearer, auth: clientAuth, credential_hosts: named }))
  expect([refused.status, refused.message]).toEqual([502, expect.stringContaining('credential_hosts')])
  expect(as.got).toEqual([])
  const auth = { ...clientAuth, token_url: `${as.server.origin}/token` }
  await site.put({ ...bearer, auth, credential_hosts: named })
  expect(as.got).toHaveLength(1)
})

test('a poll URL at another private host gets no bearer token, and the stream says why', async () => {
  await using other = await startOtherHost(() => ({ sets: {} }))
  const method = 'urn:ietf:rfc:8936'
  const created = (issuer: string): object => ({
    iss: issuer,
    stream_id: 's',
    aud: 'a',
    delivery: { method, endpoint_url: `${other.server.origin}/poll` },
  })
  await using hub = await startTestHub()
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  await using transmitter = await startLocalServer((request, response) => {
    const origin = `http://${request.headers.host ?? ''}`
    const document = {
      issuer: origin,
      jwks_uri: `${origin}/jwks`,
      configuration_endpoint: `${origin}/streams`,
    }
    const body =
      request.url === '/jwks' ? { keys: [key] } : request.url === '/streams' ? created(origin) : document
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  const answer = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'P',
    type: 'test',
    settings: { well_known_url: `${transmitter.origin}/.well-known/ssf-configuration` },
  })
  const path = `/v1/providers/${((await answer.json()) as { id: string }).id}/stream`
  expect((await hub.api('PUT', path, { ...bearer, delivery: 'poll' })).status).toBe(200)
  const lastError = async () =>
    ((await (await hub.api('GET', path)).json()) as { last_error: string }).last_error
  await expect.poll(lastError, { timeout: 20_000 }).toContain('credential_hosts')
  expect(other.got).toEqual([])
})

test.each([
  ['https://ssf.internal'],
  ['ssf.internal:0'],
  ['ssf.internal:99999'],
  ['a b'],
  ['*.internal'],
  [''],
])('%j is refused as a credential host', async (entry) => {
  await using site = await startSite(() => ({}))
  const { status, message } = await refusalOf(await site.put({ ...bearer, credential_hosts: [entry] }))
  expect([status, message]).toEqual([400, expect.stringContaining('credential_hosts')])
})
