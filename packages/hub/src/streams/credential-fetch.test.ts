import { expect, test } from 'vitest'
import { credentialFetch } from './credential-fetch.ts'
import type { StreamSettings } from './stream.ts'

const client = {
  method: 'client_secret_basic',
  clientId: 'hub',
  tokenUrl: 'https://login.internal/token',
  authorizationServer: 'https://as.internal:9443/realm',
  scope: undefined,
  dpop: false,
} as const

const wayTo = async (
  url: string,
  auth: StreamSettings['auth'],
  credentialHosts?: readonly string[],
): Promise<string | undefined> => {
  let way: string | undefined
  const via =
    (name: string): typeof fetch =>
    () => {
      way = name
      return Promise.resolve(new Response())
    }
  const settings = { auth, ...(credentialHosts && { credentialHosts }) }
  const world = { fetch: via('any'), fetchPublic: via('public') }
  await credentialFetch(world, 'https://idp.internal/tenant', settings)(url)
  return way
}

test.each([
  ['https://idp.internal/streams', 'any'],
  ['https://IDP.internal.:443/streams', 'any'],
  ['https://idp.internal:8443/streams', 'public'],
  ['https://ssf.internal/streams', 'public'],
  ['https://idp.internal.example/streams', 'public'],
  ['https://idp.internal@ssf.internal/', 'public'],
  ['https://login.internal/token', 'public'],
])('a request with a bearer to %s goes over the fetch for %s hosts', async (url, way) => {
  expect(await wayTo(url, { method: 'bearer' })).toBe(way)
})

test.each([
  ['https://login.internal/other', 'any'],
  ['https://as.internal:9443/token', 'any'],
  ['https://as.internal/token', 'public'],
  ['https://ssf.internal:1/', 'any'],
  ['https://api.internal:8443/', 'any'],
  ['https://api.internal/', 'public'],
  ['https://[fd00::1]:5/', 'any'],
])('a host that an administrator listed is reached like that of the issuer: %s, %s', async (url, way) => {
  expect(await wayTo(url, client, ['SSF.internal', 'api.internal:8443', '[fd00::1]'])).toBe(way)
})
