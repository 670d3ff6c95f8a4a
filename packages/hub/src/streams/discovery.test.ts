import { describe, expect, test } from 'vitest'
import { startLocalServer } from '../../test/local-server.ts'
import { createGuardedFetch } from '../base/guarded-fetch.ts'
import { HubError } from '../base/hub-error.ts'
import { parseOutboundAllow, urlProblem } from '../base/outbound-allow.ts'
import { defaultDiscoveryLimits, readTransmitterMetadata, type TransmitterMetadata } from './discovery.ts'

/** A transmitter that answers with `documents` by path, `{origin}` in them replaced by its own. */
async function startTransmitter(
  documents: Readonly<Record<string, object | string>>,
  type = 'application/json',
) {
  const server = await startLocalServer((request, response) => {
    const document = documents[request.url ?? '']
    if (document === undefined) return response.writeHead(404).end()
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    return response.writeHead(200, { 'content-type': type }).end(text.replaceAll('{origin}', server.origin))
  })
  return server
}

async function discovered(url: string): Promise<TransmitterMetadata> {
  const parsed = parseOutboundAllow('127.0.0.1')
  if (!parsed.ok) throw new Error('unreadable')
  await using guard = createGuardedFetch({ allow: parsed.value, connectTimeoutMs: 5_000 })
  const deps = { world: { fetch: guard.fetch }, urlProblem: (url: string) => urlProblem(parsed.value, url) }
  return await readTransmitterMetadata(deps, url, defaultDiscoveryLimits)
}

async function failure(url: string): Promise<string> {
  const error = await discovered(url).then(
    () => new Error('the metadata was accepted'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof HubError)) throw error
  expect(error.code).toBe('provider.metadata_unusable')
  return error.detail
}

const wellKnown = '/.well-known/ssf-configuration'
const jwks_uri = '{origin}/jwks'

describe('the URL of the metadata and its issuer', () => {
  test.each([
    // An issuer URL: insertion between host and path, a terminating slash dropped (SSF 1.0 §7.2.1)
    ['', wellKnown, ''],
    ['/', wellKnown, ''],
    ['/', wellKnown, '/'],
    ['/issuer1', `${wellKnown}/issuer1`, '/issuer1'],
    ['/issuer1/', `${wellKnown}/issuer1`, '/issuer1'],
    ['/issuer1/', `${wellKnown}/issuer1`, '/issuer1/'],
    ['/a/b', `${wellKnown}/a/b`, '/a/b'],
    // A well-known URL as given (OKTA-R23), whatever its name (SSF 1.0 §7.2.2)
    [wellKnown, wellKnown, ''],
    [wellKnown, wellKnown, '/'],
    [`${wellKnown}/issuer1`, `${wellKnown}/issuer1`, '/issuer1'],
    [`${wellKnown}/issuer1/`, `${wellKnown}/issuer1/`, '/issuer1'],
    ['/.well-known/risc-configuration', '/.well-known/risc-configuration', '/'],
    ['/.well-known/sse-configuration/x', '/.well-known/sse-configuration/x', '/x'],
    // The older form with the segment behind the path
    [`/tenant${wellKnown}`, `/tenant${wellKnown}`, '/tenant'],
    [`/tenant/a${wellKnown}`, `/tenant/a${wellKnown}`, '/tenant/a/'],
    [`${wellKnown}?v=1`, `${wellKnown}?v=1`, ''],
  ])(
    'the metadata of {origin}%s is read at %s and must state the issuer {origin}%s (SSF 1.0 §7.2.1, §7.2.4)',
    async (given, path, issuer) => {
      await using transmitter = await startTransmitter({
        [path]: { issuer: `{origin}${issuer}`, jwks_uri, more: [1] },
      })
      const metadata = await discovered(transmitter.origin + given)
      expect(metadata).toMatchObject({
        issuer: transmitter.origin + issuer,
        jwksUrl: `${transmitter.origin}/jwks`,
        url: transmitter.origin + path.replace('?v=1', ''), // a query may hold a secret
        document: { more: [1] },
      })
      expect(transmitter.requests).toEqual([path])
    },
  )

  test.each(['/app', '/app?token=s', '/app/1', ''])(
    'an issuer may be the URL of its metadata, as authentik’s is: {origin}/.well-known/ssf-configuration%s',
    async (behind) => {
      const path = wellKnown + behind
      await using transmitter = await startTransmitter({ [path]: { issuer: `{origin}${path}`, jwks_uri } })
      expect(await discovered(transmitter.origin + path)).toMatchObject({
        issuer: transmitter.origin + path,
        url: transmitter.origin + path.replace('?token=s', ''),
      })
      expect(transmitter.requests).toEqual([path])
    },
  )

  test.each([
    ['', 'https://idp.example'],
    ['', '{origin}/.well-known/ssf-configuration/other'],
    ['', '{origin}/issuer1'],
    ['/issuer1', '{origin}'],
    ['/issuer1', '{origin}/issuer2'],
    ['/issuer1', '{origin}/issuer1//'],
    ['/issuer1', '{origin}/Issuer1'],
    ['/issuer1', '{origin}/issuer1?x'],
    ['/issuer1', ' {origin}/issuer1'],
    ['/issuer1', 'Issuer'],
  ])('metadata at {origin}%s with the issuer %j is refused (SSF 1.0 §7.2.4)', async (path, issuer) => {
    await using transmitter = await startTransmitter({ [wellKnown + path]: { issuer, jwks_uri } })
    const detail = await failure(transmitter.origin + path)
    expect(detail).toContain(issuer.replaceAll('{origin}', transmitter.origin))
    expect(detail).toContain(`belongs to the issuer ${transmitter.origin}${path}.`)
    expect(detail).toContain('register the provider with issuer and jwks_url')
  })

  test.each([
    ['nonsense', 'not an absolute URL'],
    ['', 'not an absolute URL'],
    ['https://idp.example/?tenant=1', 'no query'],
    ['https://idp.example/#x', 'no query and no fragment'],
    ['https://ada:secret@idp.example/', 'user name or password'],
    ['http://8.8.8.8/', 'over http'],
    ['https://169.254.169.254/', 'link-local'],
    ['file:///.well-known/ssf-configuration', 'scheme'],
  ])('%j is not fetched: %s', async (url, why) => {
    const detail = await failure(url)
    expect(detail).toContain(why)
    expect(detail).not.toContain('secret')
  })
})

describe('the required members of the metadata', () => {
  test.each([
    [{ jwks_uri }, 'its member issuer must be a string'],
    [{ issuer: null, jwks_uri }, 'its member issuer must be a string'],
    [{ issuer: 7, jwks_uri }, 'its member issuer must be a string'],
    [{ issuer: ['{origin}'], jwks_uri }, 'its member issuer must be a string'],
    [{ issuer: ' ', jwks_uri }, 'its member issuer must be a string'],
    [{ issuer: '{origin}\n', jwks_uri }, 'its member issuer must be a string'],
    [{ issuer: `{origin}/${'x'.repeat(700)}`, jwks_uri }, 'its member issuer must be a string of 1 to 700'],
    [{ issuer: '{origin}' }, 'its member jwks_uri must be a URL'],
    [{ issuer: '{origin}', jwks_uri: null }, 'its member jwks_uri must be a URL'],
    [{ issuer: '{origin}', jwks_uri: '' }, 'its member jwks_uri must be a URL'],
    [{ issuer: '{origin}', jwks_uri: {} }, 'its member jwks_uri must be a URL'],
    [{ issuer: '{origin}', jwks_uri: `https://idp.example/${'x'.repeat(1000)}` }, 'a URL of 1 to 1000'],
    [{ issuer: '{origin}', jwks_uri: '/jwks' }, 'not an absolute URL'],
    [{ issuer: '{origin}', jwks_uri: 'https://169.254.169.254/jwks' }, 'link-local'],
    [{ issuer: '{origin}', jwks_uri: 'http://8.8.8.8/jwks' }, 'over http'],
    [{ issuer: '{origin}', jwks_uri: 'file:///etc/passwd' }, 'scheme'],
    [{ issuer: '{origin}', jwks_uri: 'https://a:b@idp.example/jwks' }, 'user name'],
    ['[]', 'not a JSON object'],
    ['"x"', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['<html>', 'not JSON'],
    ['{"issuer":"{origin}","issuer":"{origin}","jwks_uri":"https://idp.example/jwks"}', 'repeated'],
    [`{"padding":"${'x'.repeat(256 * 1024)}"}`, 'more than 262144 bytes'],
  ])('case %# is unusable', async (document, why) => {
    await using transmitter = await startTransmitter({ [wellKnown]: document })
    const detail = await failure(transmitter.origin)
    expect(detail).toContain(why)
    expect(detail).toContain(`metadata at ${transmitter.origin}${wellKnown}`)
  })

  test('a 404 and a wrong content type are refused', async () => {
    await using transmitter = await startTransmitter({ '/elsewhere': {} })
    expect(await failure(transmitter.origin)).toContain('status 404')
    await using html = await startTransmitter({ [wellKnown]: { issuer: '{origin}', jwks_uri } }, 'text/html')
    expect(await failure(html.origin)).toContain('Content-Type text/html')
  })

  test('unreachable', async () => {
    const transmitter = await startTransmitter({})
    await transmitter[Symbol.asyncDispose]()
    expect(await failure(transmitter.origin)).toContain('connection was refused')
  })
})
