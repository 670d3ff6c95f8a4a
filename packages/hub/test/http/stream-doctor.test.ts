import { writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestHubOptions } from '../../src/testing/start-test-hub.ts'
import { listenLocally, startLocalServer, type LocalServer } from '../local-server.ts'
import { runInProcess } from '../run-cli.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  authority,
  certificateKey as key,
  expiredCertificate,
  goodCertificate,
  otherNameCertificate,
  selfSignedCertificate,
} from './certificates.ts'
import { bearer } from './with-stream.ts'

interface Verdicts {
  readonly healthy: boolean
  /** `result: detail` by the name of the check. */
  readonly of: Readonly<Record<string, string>>
}

/** A hub with a provider of this issuer and a stream that it could not connect, and what the doctor says of it. */
async function diagnose(hub: TestHub, issuer: string, keys?: string): Promise<Verdicts> {
  const id = await register(hub, issuer, keys)
  await hub.api('PUT', `/v1/providers/${id}/stream`, bearer)
  const answer = await hub.api('GET', `/v1/providers/${id}/stream/health`)
  const { healthy, checks } = (await answer.json()) as {
    healthy: boolean
    checks: { name: string; result: string; detail: string }[]
  }
  return {
    healthy,
    of: Object.fromEntries(checks.map(({ name, result, detail }) => [name, `${result}: ${detail}`])),
  }
}

async function register(hub: TestHub, issuer: string, keys: string = issuer): Promise<string> {
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'Looked at',
    type: 'test',
    settings: { issuer, jwks_url: `${keys}/jwks` },
  })
  expect(created.status).toBe(200)
  return ((await created.json()) as { id: string }).id
}

const waits = 'unknown: Not checked: an earlier check has to succeed first.'

test('for a name that does not resolve only dns fails', async () => {
  await using hub = await startTestHub()
  const { healthy, of } = await diagnose(hub, 'https://transmitter.invalid')
  expect(healthy).toBe(false)
  expect(of).toMatchObject({
    dns: expect.stringMatching(
      /^failed: .*transmitter\.invalid could not be fetched: its name (does not resolve|cannot be resolved).* Check the host of https:\/\/transmitter\.invalid and the name server of this machine\.$/,
    ),
    tls: waits,
    metadata: waits,
    token: expect.stringMatching(/^unknown: /),
    stream: expect.stringMatching(/^unknown: /),
  })
})

test('a Keycloak is recognised by its endpoints, and its dialect is named while it is off', async () => {
  await using server = await startLocalServer((request, response) => {
    const issuer = `http://${request.headers.host ?? ''}/realms/acme`
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        issuer,
        jwks_uri: `${issuer}/protocol/openid-connect/certs`,
        configuration_endpoint: `${issuer}/ssf/transmitter/streams`,
      }),
    )
  })
  await using hub = await startTestHub()
  const id = await register(hub, `${server.origin}/realms/acme`)
  await hub.api('PUT', `/v1/providers/${id}/stream`, bearer)
  const metadata = async (): Promise<{ result: string; detail: string } | undefined> => {
    const answer = await hub.api('GET', `/v1/providers/${id}/stream/health`)
    const { checks } = (await answer.json()) as {
      checks: { name: string; result: string; detail: string }[]
    }
    return checks.find(({ name }) => name === 'metadata')
  }
  expect(await metadata()).toMatchObject({
    result: 'warning',
    detail: expect.stringContaining('the dialect keycloak,'),
  })
  await hub.api('PUT', `/v1/providers/${id}/dialects`, { dialects: ['keycloak'] })
  expect(await metadata()).toMatchObject({ result: 'ok' })
})

describe('certificates (CAEP interop §2.1)', () => {
  const startTls = (cert: string): Promise<LocalServer> => {
    const server = createTlsServer({ key, cert }, (request, response) => {
      const issuer = `https://${request.headers.host ?? ''}`
      const document = request.url === '/jwks' ? { keys: [] } : { issuer, jwks_uri: `${issuer}/jwks` }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
    })
    return listenLocally(server, { scheme: 'https' })
  }

  const trusting = async (folder: string): Promise<TestHubOptions> => {
    const caFile = join(folder, 'ca.pem')
    await writeFile(caFile, authority)
    return { settings: { caFile } }
  }

  test.each([
    ['signed by itself', selfSignedCertificate, false, 'self-signed certificate', 'WATCHBELL_CA_FILE'],
    ['signed by itself, another authority trusted', selfSignedCertificate, true, 'self-signed', '_CA_FILE'],
    ['of a private authority', goodCertificate, false, 'unable to verify', 'WATCHBELL_CA_FILE'],
    ['that has expired', expiredCertificate, true, 'has expired', 'must renew its certificate'],
    ['for another name', otherNameCertificate, true, 'other.test', 'for other names'],
  ])('one %s fails tls with advice', async (_, cert, trusted, why, advice) => {
    await using folder = await temporaryFolder()
    await using server = await startTls(cert)
    await using hub = await startTestHub(trusted ? await trusting(folder.path) : {})
    const host = `localhost:${server.port}`
    const { healthy, of } = await diagnose(hub, `https://${host}`)
    expect(healthy).toBe(false)
    expect(of['dns']).toBe(`ok: The name of ${host} resolves.`)
    expect(of['tls']).toMatch(/^failed: /)
    expect(of['tls']).toContain(why)
    expect(of['tls']).toContain(advice)
    expect(of['metadata']).toBe(waits)
    expect(server.requests).toEqual([])
  })

  test('a certificate of a private authority passes when WATCHBELL_CA_FILE names the authority', async () => {
    await using folder = await temporaryFolder()
    await using server = await startTls(goodCertificate)
    await using hub = await startTestHub(await trusting(folder.path))
    const issuer = `https://localhost:${server.port}`
    const { of } = await diagnose(hub, issuer)
    expect(of).toMatchObject({
      dns: `ok: The name of localhost:${server.port} resolves.`,
      tls: 'ok: Its certificate is good.',
      metadata: `ok: The metadata at ${issuer}/.well-known/ssf-configuration is that of ${issuer}.`,
    })
  })

  test('a server without TLS fails tls', async () => {
    await using server = await startLocalServer((_request, response) => response.end('plain'))
    await using hub = await startTestHub()
    const { of } = await diagnose(hub, `https://localhost:${server.port}`)
    expect(of).toMatchObject({
      dns: expect.stringMatching(/^ok: /),
      tls: expect.stringMatching(
        /^failed: There is no agreement on TLS .*\(\w+\)\. It must speak TLS 1\.2 or later/,
      ),
      metadata: waits,
    })
  })

  test('the command prints the same and fails', async () => {
    await using server = await startTls(expiredCertificate)
    await using folder = await temporaryFolder()
    await using hub = await startTestHub(await trusting(folder.path))
    const id = await register(hub, `https://localhost:${server.port}`)
    await hub.api('PUT', `/v1/providers/${id}/stream`, bearer)
    const { exitCode, stdout } = await runInProcess(['stream', 'doctor', id], {
      env: { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken },
    })
    expect(exitCode).not.toBe(0)
    expect(stdout).toMatch(/failed\s+tls\s+.*must renew its certificate/)
  })
})

describe('servers without metadata', () => {
  test('when the port is closed, dns passes and metadata fails', async () => {
    await using server = await startLocalServer((_request, response) => response.end())
    const issuer = `http://localhost:${server.port}`
    await server[Symbol.asyncDispose]()
    await using hub = await startTestHub()
    const { of } = await diagnose(hub, issuer)
    expect(of).toMatchObject({
      dns: expect.stringMatching(/^ok: /),
      tls: waits,
      metadata: expect.stringMatching(/^failed: .*the connection was refused.* can be reached from here\.$/),
    })
  })

  test('for a 404 over plain http, dns passes, http is a warning and metadata fails', async () => {
    await using server = await startLocalServer((_request, response) => response.writeHead(404).end())
    await using hub = await startTestHub()
    const { of } = await diagnose(hub, `http://localhost:${server.port}`)
    expect(of).toMatchObject({
      dns: expect.stringMatching(/^ok: /),
      tls: 'warning: It is reached over plain http; only a test may do that.',
      metadata: expect.stringMatching(/^failed: .*status 404/),
    })
  })

  test('a URL that the hub may not fetch is not contacted', async () => {
    await using hub = await startTestHub({ settings: { outboundAllow: '' } })
    const { of } = await diagnose(hub, 'https://127.0.0.1:1', 'https://keys.invalid')
    expect(of).toMatchObject({
      dns: waits,
      tls: waits,
      metadata: expect.stringMatching(/^failed: .*loopback/),
    })
  })

  test('a secret in the query of the metadata URL is never shown', async () => {
    await using hub = await startTestHub()
    await using server = await startLocalServer((request, response) => {
      const issuer = `http://${request.headers.host ?? ''}`
      const found = request.url?.startsWith('/.well-known/') === true && server.requests.length === 1
      response
        .writeHead(found ? 200 : 404, { 'content-type': 'application/json' })
        .end(JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` }))
    })
    const created = await hub.api('POST', '/api/v1/security-events-providers', {
      name: 'With a query',
      type: 'test',
      settings: { well_known_url: `${server.origin}/.well-known/ssf-configuration?key=hush-hush` },
    })
    const { id } = (await created.json()) as { id: string }
    const texts = [
      await (await hub.api('PUT', `/v1/providers/${id}/stream`, bearer)).text(),
      await (await hub.api('GET', `/v1/providers/${id}/stream`)).text(),
      await (await hub.api('GET', `/v1/providers/${id}/stream/health`)).text(),
    ]
    expect(server.requests.at(-2)).toContain('key=hush-hush') // it is still asked with
    for (const text of texts) {
      expect(text).toContain('/.well-known/ssf-configuration')
      expect(text).not.toContain('hush')
    }
  })
})
