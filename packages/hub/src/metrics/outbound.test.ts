import { describe, expect, test } from 'vitest'
import { startLocalServer } from '../../test/local-server.ts'
import { fetchBytes } from '@watchbell/receiver/base'
import { createGuardedFetch } from '../base/guarded-fetch.ts'
import { parseOutboundAllow, type OutboundAllow } from '../base/outbound-allow.ts'
import { observedFetch, outcomeOfError, type OutboundOutcome } from './outbound.ts'

function allowed(text: string): OutboundAllow {
  const parsed = parseOutboundAllow(text)
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return parsed.value
}

/** The reported outcome of one fetch with the real guard. */
async function outcomeOf(url: string, timeoutMs = 5_000): Promise<OutboundOutcome[]> {
  const allow = allowed('127.0.0.1')
  await using guard = createGuardedFetch({
    allow,
    connectTimeoutMs: 5_000,
    lookup: (name, _options, answer) =>
      name === 'private.example'
        ? answer(null, [{ address: '10.0.0.1', family: 4 }])
        : answer(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), ''),
  })
  const told: OutboundOutcome[] = []
  const fetch = observedFetch(guard.fetch, (outcome) => told.push(outcome))
  await fetchBytes(fetch, url, {}, { timeoutMs, bytesMax: 100 }).catch(() => undefined)
  return told
}

describe('the outcome of a request, with the real guard', () => {
  test.each<[number, OutboundOutcome]>([
    [200, 'ok'],
    [204, 'ok'],
    [301, 'redirect'],
    [404, 'client_error'],
    [429, 'client_error'],
    [500, 'server_error'],
    [503, 'server_error'],
  ])('status %i: %s', async (status, outcome) => {
    await using server = await startLocalServer((_request, response) =>
      response.writeHead(status, { location: 'https://elsewhere.example/' }).end(),
    )
    expect(await outcomeOf(server.origin)).toEqual([outcome])
  })

  test.each<[string, string, OutboundOutcome]>([
    ['a private address', 'https://10.0.0.1/', 'refused'],
    ['another protocol', 'ftp://127.0.0.1/', 'refused'],
    ['a name with a private address', 'https://private.example/', 'refused'],
    ['a name that does not resolve', 'https://nobody.example/', 'dns'],
  ])('%s: %s is %s', async (_what, url, outcome) => {
    expect(await outcomeOf(url)).toEqual([outcome])
  })

  test('no listener: connect; cut connection: connect; no TLS: tls; no answer: timeout', async () => {
    const closed = await startLocalServer(() => undefined)
    await closed[Symbol.asyncDispose]()
    expect(await outcomeOf(closed.origin)).toEqual(['connect'])
    await using cutting = await startLocalServer((request) => request.socket.destroy())
    expect(await outcomeOf(cutting.origin)).toEqual(['connect'])
    await using plain = await startLocalServer((_request, response) => response.end())
    expect(await outcomeOf(plain.origin.replace('http:', 'https:'))).toEqual(['tls'])
    await using silent = await startLocalServer(() => undefined)
    expect(await outcomeOf(silent.origin, 50)).toEqual(['timeout'])
  })
})

test('an unexpected error is other', () => {
  for (const error of [undefined, 'text', new Error('?'), new TypeError('fetch failed', { cause: 7 })]) {
    expect(outcomeOfError(error)).toBe('other')
  }
})
