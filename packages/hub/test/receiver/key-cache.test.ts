import { generateKeyPairSync } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { startLocalServer } from '../local-server.ts'
import { createGuardedFetch } from '../../src/base/guarded-fetch.ts'
import { HubError } from '../../src/base/hub-error.ts'
import { silentLogger } from '@watchbell/receiver/base'
import { parseOutboundAllow } from '../../src/base/outbound-allow.ts'
import type { VerificationKey } from '@watchbell/receiver/set'
import { createKeyCache, fetchKeySet, defaultKeyLimits, type KeyLimits } from '@watchbell/receiver/jwks'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = publicKey.export({ format: 'jwk' })
const minute = 60_000
const hour = 60 * minute

/** A transmitter's JWKS URL that the test controls. */
async function startTransmitter(...kids: string[]) {
  const state: { answer: RequestListener } = { answer: () => undefined }
  const server = await startLocalServer((request, response) => state.answer(request, response))
  const transmitter = {
    url: `${server.origin}/jwks`,
    fetches: () => server.requests.length,
    publish(...kids: string[]) {
      transmitter.say(JSON.stringify({ keys: kids.map((kid) => ({ ...jwk, kid })) }))
    },
    say(body: string, headers: Record<string, string> = {}) {
      state.answer = (_request, response) =>
        response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)
    },
    fail(status = 503) {
      state.answer = (_request, response) => response.writeHead(status).end()
    },
    /** Accepts requests without answering; the returned function answers the oldest one. */
    hang() {
      const waiting: ServerResponse[] = []
      state.answer = (_request, response) => waiting.push(response)
      return (...kids: string[]) => {
        const body = JSON.stringify({ keys: kids.map((kid) => ({ ...jwk, kid })) })
        waiting.shift()?.writeHead(200, { 'content-type': 'application/json' }).end(body)
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
  transmitter.publish(...kids)
  return transmitter
}

/** A cache with a clock that the test sets. */
function startCache(limits: Partial<KeyLimits> = {}) {
  const allow = parseOutboundAllow('127.0.0.1')
  if (!allow.ok) throw new Error('unreadable')
  const guard = createGuardedFetch({ allow: allow.value, connectTimeoutMs: 5_000 })
  let nowMs = Date.parse('2026-03-17T06:00:00Z')
  const warnings: object[] = []
  const cache = createKeyCache({
    world: { now: () => new Date(nowMs), fetch: guard.fetch },
    logger: {
      ...silentLogger,
      warn: (facts) => warnings.push(facts),
      error: (facts) => warnings.push(facts),
    },
    limits: { ...defaultKeyLimits, ...limits },
  })
  return {
    cache,
    warnings,
    now: () => new Date(nowMs),
    turn: (ms: number) => (nowMs += ms),
    get: async (url: string, kid: string, id = 'sse1') =>
      cache.keysOf({ id, jwksUrl: url }).get(kid, 'ES256'),
    getNow(url: string, kid: string, id = 'sse1'): VerificationKey {
      const key = cache.keysOf({ id, jwksUrl: url }).get(kid, 'ES256')
      if (key instanceof Promise) throw new Error('the key was not ready')
      return key
    },
    async [Symbol.asyncDispose]() {
      await cache[Symbol.asyncDispose]()
      await guard[Symbol.asyncDispose]()
    },
  }
}

async function errorOf(promise: Promise<VerificationKey>): Promise<HubError> {
  const error = await promise.then(
    () => new Error('there was a key'),
    (reason: unknown) => reason,
  )
  if (error instanceof HubError) return error
  throw error
}

describe('fetched once', () => {
  test('200 concurrent first calls make one fetch, and one entry', async () => {
    await using transmitter = await startTransmitter('k1')
    await using hub = startCache()
    const keys = await Promise.all(Array.from({ length: 200 }, () => hub.get(transmitter.url, 'k1')))
    expect(new Set(keys).size).toBe(1)
    expect(keys[0]).toMatchObject({ kid: 'k1' })
    expect(transmitter.fetches()).toBe(1)
  })

  test('a cached key is returned at once, without a promise', async () => {
    await using transmitter = await startTransmitter('k1')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k1')
    expect(hub.getNow(transmitter.url, 'k1')).toMatchObject({ kid: 'k1', algorithms: new Set(['ES256']) })
    expect(transmitter.fetches()).toBe(1)
  })

  test('each provider has its own entry, even with the same URL', async () => {
    await using transmitter = await startTransmitter('k1')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k1', 'sse1')
    await hub.get(transmitter.url, 'k1', 'sse2')
    expect(transmitter.fetches()).toBe(2)
  })

  test('a key that is not for the algorithm, or not for signatures, is refused at once', async () => {
    await using transmitter = await startTransmitter()
    transmitter.say(
      JSON.stringify({
        keys: [
          { ...jwk, kid: 'k1' },
          { ...jwk, kid: 'enc', use: 'enc' },
        ],
      }),
    )
    await using hub = startCache()
    await hub.get(transmitter.url, 'k1')
    const source = hub.cache.keysOf({ id: 'sse1', jwksUrl: transmitter.url })
    expect(() => source.get('k1', 'RS256')).toThrow(expect.objectContaining({ code: 'set.key_refused' }))
    expect(() => source.get('enc', 'ES256')).toThrow(expect.objectContaining({ code: 'set.key_refused' }))
    expect(transmitter.fetches()).toBe(1)
  })

  test('another JWKS URL drops the cached keys', async () => {
    await using before = await startTransmitter('k1')
    await using after = await startTransmitter('k2')
    await using hub = startCache()
    await hub.get(before.url, 'k1')
    expect(await hub.get(after.url, 'k2')).toMatchObject({ kid: 'k2' })
    expect(await errorOf(hub.get(after.url, 'k1'))).toMatchObject({ code: 'set.unknown_key' })
    expect(hub.cache.status('sse1')).toMatchObject({ jwksUrl: after.url })
  })

  test('the keys of a forgotten provider are fetched again', async () => {
    await using transmitter = await startTransmitter('k1')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k1')
    hub.cache.forget('sse1')
    hub.cache.forget('sse1')
    hub.cache.forget('never heard of')
    expect(hub.cache.status('sse1')).toBeUndefined()
    await hub.get(transmitter.url, 'k1')
    expect(transmitter.fetches()).toBe(2)
  })

  test('deleted providers are forgotten, the others are not', async () => {
    await using transmitter = await startTransmitter('k1')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k1')
    hub.cache.keepOnly([{ id: 'sse1' }, { id: 'sse2' }])
    expect(hub.cache.status('sse1')).toBeDefined()
    hub.cache.keepOnly([{ id: 'sse2' }])
    expect(hub.cache.status('sse1')).toBeUndefined()
  })
})

describe('unknown kid', () => {
  test('a rotated key works at once, several times in a row', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    for (const kid of ['k1', 'k2', 'k3']) {
      transmitter.publish(kid)
      expect(await hub.get(transmitter.url, kid)).toMatchObject({ kid })
    }
    expect(transmitter.fetches()).toBe(4)
  })

  test('200 concurrent calls for a rotated key make one fetch', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.publish('k0', 'k1')
    await Promise.all(Array.from({ length: 200 }, () => hub.get(transmitter.url, 'k1')))
    expect(transmitter.fetches()).toBe(2)
  })

  test('a flood of 1,000 random kids causes no more fetches than the allowance', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    for (let round = 0; round < 10; round++) {
      const flood = Array.from({ length: 100 }, (_, n) =>
        errorOf(hub.get(transmitter.url, `random-${round}-${n}`)),
      )
      const codes = new Set((await Promise.all(flood)).map((error) => error.code))
      expect([...codes]).toEqual(['set.unknown_key']) // the set was just read
    }
    expect(await errorOf(hub.get(transmitter.url, 'random-0-0'))).toMatchObject({ code: 'set.unknown_key' })
    expect(transmitter.fetches()).toBe(1 + 3)
    expect(hub.getNow(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
  })

  test('during the cool-down a kid that was not looked up is not called unknown; then there is one fetch per cool-down', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    for (const kid of ['a', 'b', 'c', 'd', 'e']) await errorOf(hub.get(transmitter.url, kid))
    expect(transmitter.fetches()).toBe(4)
    hub.turn(9_999)
    expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({ code: 'set.unknown_key' })
    hub.turn(1)
    transmitter.publish('k0', 'k1')
    expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({
      code: 'keys.unavailable',
      retryAfterS: 20,
    })
    hub.turn(19_999)
    expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({
      code: 'keys.unavailable',
      retryAfterS: 1,
    })
    expect(transmitter.fetches()).toBe(4)
    hub.turn(1)
    expect(await hub.get(transmitter.url, 'k1')).toMatchObject({ kid: 'k1' })
    await errorOf(hub.get(transmitter.url, 'f'))
    expect(transmitter.fetches()).toBe(5)
  })

  test('a kid that a look-up did not find stays unknown for a cool-down, and is found once it is published', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    for (let n = 0; n < 10; n++) {
      expect(await errorOf(hub.get(transmitter.url, 'gone'))).toMatchObject({ code: 'set.unknown_key' })
    }
    expect(transmitter.fetches()).toBe(1 + 3)
    hub.turn(29_999)
    expect(await errorOf(hub.get(transmitter.url, 'gone'))).toMatchObject({ code: 'set.unknown_key' })
    hub.turn(1)
    transmitter.publish('k0', 'gone')
    expect(await hub.get(transmitter.url, 'gone')).toMatchObject({ kid: 'gone' })
  })

  test('the allowance grows to three fetches at most', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    for (const kid of ['a', 'b', 'c', 'd']) await errorOf(hub.get(transmitter.url, kid))
    hub.turn(9 * minute)
    for (const kid of ['e', 'f', 'g', 'h', 'i']) await errorOf(hub.get(transmitter.url, kid))
    expect(transmitter.fetches()).toBe(1 + 3 + 3)
  })

  test('a key published during a fetch is found', async () => {
    await using transmitter = await startTransmitter()
    await using hub = startCache()
    const answer = transmitter.hang()
    const first = hub.get(transmitter.url, 'k0')
    await expect.poll(transmitter.fetches).toBe(1)
    const rotated = hub.get(transmitter.url, 'k1')
    transmitter.publish('k0', 'k1')
    answer('k0') // as it was before the rotation
    expect(await first).toMatchObject({ kid: 'k0' })
    expect(await rotated).toMatchObject({ kid: 'k1' })
    expect(transmitter.fetches()).toBe(2)
  })

  test('when the fetch fails, the keys are unavailable and the kid is not called unknown', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.fail()
    const error = await errorOf(hub.get(transmitter.url, 'k1'))
    expect(error).toMatchObject({ code: 'keys.unavailable', retryAfterS: 2 })
    expect(error.detail).toContain('status 503')
    expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({ code: 'keys.unavailable' })
    expect(transmitter.fetches()).toBe(2)
    transmitter.publish('k0', 'k1')
    hub.turn(2_000)
    expect(await hub.get(transmitter.url, 'k1')).toMatchObject({ kid: 'k1' })
  })

  test('a spent allowance does not delay the recovery from a failure', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    for (const kid of ['a', 'b']) await errorOf(hub.get(transmitter.url, kid))
    transmitter.fail()
    expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({ code: 'keys.unavailable' })
    transmitter.publish('k0', 'k1')
    hub.turn(2_000)
    expect(await hub.get(transmitter.url, 'k1')).toMatchObject({ kid: 'k1' })
  })

  test('an unknown kid after a failed fetch is never called unknown, however many come', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.fail()
    for (let n = 0; n < 10; n++) {
      expect(await errorOf(hub.get(transmitter.url, `k${n + 1}`))).toMatchObject({ code: 'keys.unavailable' })
      hub.turn(minute)
    }
  })
})

describe('age', () => {
  test('old keys are used at once while they are fetched again in the background', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    hub.turn(10 * minute)
    hub.getNow(transmitter.url, 'k0')
    expect(transmitter.fetches()).toBe(1)
    hub.turn(1)
    const answer = transmitter.hang()
    for (let n = 0; n < 50; n++) expect(hub.getNow(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
    await expect.poll(transmitter.fetches).toBe(2)
    expect(hub.getNow(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
    answer('k0')
    await hub.cache.settled()
    expect(hub.cache.status('sse1')).toMatchObject({ ageMs: 0 })
    hub.getNow(transmitter.url, 'k0')
    expect(transmitter.fetches()).toBe(2)
  })

  test('a key that is no longer published is removed with the next good set', async () => {
    await using transmitter = await startTransmitter('k0', 'k1')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.publish('k1')
    hub.turn(10 * minute + 1)
    hub.getNow(transmitter.url, 'k1')
    await hub.cache.settled()
    expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({ code: 'set.unknown_key' })
    expect(hub.getNow(transmitter.url, 'k1')).toMatchObject({ kid: 'k1' })
  })

  test.each([
    ['max-age=120', 120_000],
    ['max-age=5', 60_000],
    ['no-store', 60_000],
    ['max-age=86400', 600_000],
    ['public', 600_000],
  ])('Cache-Control %s: old after %i ms', async (cacheControl, ageMaxMs) => {
    await using transmitter = await startTransmitter()
    transmitter.say(JSON.stringify({ keys: [{ ...jwk, kid: 'k0' }] }), { 'cache-control': cacheControl })
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    hub.turn(ageMaxMs)
    hub.getNow(transmitter.url, 'k0')
    await hub.cache.settled()
    expect(transmitter.fetches()).toBe(1)
    hub.turn(1)
    hub.getNow(transmitter.url, 'k0')
    await hub.cache.settled()
    expect(transmitter.fetches()).toBe(2)
  })

  test('a clock that was set back makes keys old, and does not freeze the failure hold', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    hub.turn(-24 * hour)
    await hub.get(transmitter.url, 'k0')
    expect(transmitter.fetches()).toBe(2)
    transmitter.fail()
    await errorOf(hub.get(transmitter.url, 'k1'))
    hub.turn(-24 * hour)
    transmitter.publish('k0', 'k1')
    expect(await hub.get(transmitter.url, 'k1')).toMatchObject({ kid: 'k1' })
  })
})

describe('a dead transmitter', () => {
  test('fails closed with a time to try again, and is not requested before', async () => {
    await using transmitter = await startTransmitter()
    transmitter.fail()
    await using hub = startCache()
    const holds = [2, 4, 8, 16, 32, 60, 60]
    for (const [round, holdS] of holds.entries()) {
      expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({
        code: 'keys.unavailable',
        retryAfterS: holdS,
      })
      hub.turn(holdS * 1000 - 1)
      expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({
        code: 'keys.unavailable',
        retryAfterS: 1,
      })
      expect(transmitter.fetches()).toBe(round + 1)
      hub.turn(1)
    }
    expect(hub.warnings).toHaveLength(holds.length)
    transmitter.publish('k0')
    expect(await hub.get(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
    expect(hub.cache.status('sse1')).toMatchObject({ lastError: undefined })
    transmitter.fail()
    expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({ retryAfterS: 2 })
  })

  test('the last good keys are used for 72 hours, then none until the transmitter answers', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.fail()
    for (let passed = 0; passed < 72; passed++) {
      hub.turn(hour)
      expect(await hub.get(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
      await hub.cache.settled()
    }
    expect(transmitter.fetches()).toBe(1 + 72)
    hub.turn(60_000)
    expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({ code: 'keys.unavailable' })
    expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({ code: 'keys.unavailable' })
    transmitter.publish('k0')
    hub.turn(minute)
    expect(await hub.get(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
  })

  test('keys that are too old for lack of use are fetched before they are used', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.publish('k1')
    hub.turn(72 * hour + 1)
    expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({ code: 'set.unknown_key' })
  })

  test('after a long time without use keys are fetched first, so that a withdrawn key is not trusted', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.publish('k1')
    hub.turn(20 * minute + 1)
    expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({ code: 'set.unknown_key' })
  })

  test('keys are fetched first even when the last fetch before that time failed', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.fail()
    hub.turn(11 * minute)
    hub.getNow(transmitter.url, 'k0')
    await hub.cache.settled()
    transmitter.publish('k1')
    hub.turn(60 * 60 * minute)
    expect(await errorOf(hub.get(transmitter.url, 'k0'))).toMatchObject({ code: 'set.unknown_key' })
  })

  test('old keys are not fetched more often than the hold allows', async () => {
    await using transmitter = await startTransmitter('k0')
    await using hub = startCache()
    await hub.get(transmitter.url, 'k0')
    transmitter.fail()
    hub.turn(11 * minute)
    for (let n = 0; n < 20; n++) {
      hub.getNow(transmitter.url, 'k0')
      await hub.cache.settled()
    }
    expect(transmitter.fetches()).toBe(2)
  })

  const bad: readonly { readonly name: string; readonly body: string; readonly type?: string }[] = [
    { name: 'not JSON', body: '<html>' },
    { name: 'not a JWKS', body: '{"issuer":"x"}' },
    { name: 'no keys', body: '{"keys":[]}' },
    { name: 'keys not an array', body: '{"keys":{}}' },
    { name: 'only unusable keys', body: JSON.stringify({ keys: [{ kty: 'oct', kid: 'k1', k: 'AAAA' }] }) },
    { name: 'only a private key', body: JSON.stringify({ keys: [{ ...jwk, kid: 'k1', d: 'AAAA' }] }) },
    {
      name: '101 keys',
      body: JSON.stringify({ keys: Array.from({ length: 101 }, (_, n) => ({ ...jwk, kid: `k${n}` })) }),
    },
    { name: 'repeated members', body: `{"keys":[],"keys":[${JSON.stringify({ ...jwk, kid: 'k1' })}]}` },
    {
      name: 'too large',
      body: JSON.stringify({ keys: [{ ...jwk, kid: 'k1' }], padding: 'x'.repeat(512 * 1024) }),
    },
    { name: 'served as HTML', body: JSON.stringify({ keys: [{ ...jwk, kid: 'k1' }] }), type: 'text/html' },
  ]
  test.each(bad)(
    'a set that is $name replaces no good set and counts as a failure',
    async ({ body, type }) => {
      await using transmitter = await startTransmitter('k0')
      await using hub = startCache()
      await hub.get(transmitter.url, 'k0')
      transmitter.say(body, type === undefined ? {} : { 'content-type': type })
      expect(await errorOf(hub.get(transmitter.url, 'k1'))).toMatchObject({ code: 'keys.unavailable' })
      expect(hub.getNow(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
      expect(await errorOf(hub.get(transmitter.url, 'k1', 'sse2'))).toMatchObject({
        code: 'keys.unavailable',
      })
      await expect(
        fetchKeySet({ fetch: globalThis.fetch }, transmitter.url, defaultKeyLimits),
      ).rejects.toBeInstanceOf(HubError)
    },
  )

  test('is requested by its own media type, too, which strict servers require', async () => {
    await using server = await startLocalServer((request, response) => {
      const type = 'application/jwk-set+json'
      const taken = request.headers.accept?.includes(type) === true
      response
        .writeHead(taken ? 200 : 406, { 'content-type': type })
        .end(taken ? JSON.stringify({ keys: [{ ...jwk, kid: 'k0' }] }) : '')
    })
    const { keys } = await fetchKeySet({ fetch: globalThis.fetch }, server.origin, defaultKeyLimits)
    expect(keys).toMatchObject([{ kid: 'k0' }])
  })

  test('as .NET writes it, with large numbers in unknown members, is read', async () => {
    await using transmitter = await startTransmitter()
    const members = { d: null, oth: [], key_ops: [], use: null, x5c: [] }
    const set = JSON.stringify({ keys: [{ ...jwk, kid: 'k0', ...members, version: 'v' }], version: 'v' })
    transmitter.say(set.replaceAll('"v"', '18446744073709551615'))
    await using hub = startCache()
    expect(await hub.get(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
  })

  test('100 keys are accepted, and so is a set with some usable keys', async () => {
    await using transmitter = await startTransmitter(...Array.from({ length: 100 }, (_, n) => `k${n}`))
    await using hub = startCache()
    expect(await hub.get(transmitter.url, 'k99')).toMatchObject({ kid: 'k99' })
    const type = { 'content-type': 'application/jwk-set+json' }
    transmitter.say(
      JSON.stringify({
        keys: [
          { kty: 'oct', k: 'AA' },
          { ...jwk, kid: 'new' },
        ],
      }),
      type,
    )
    expect(await hub.get(transmitter.url, 'new')).toMatchObject({ kid: 'new' })
  })

  test('a URL that may not be reached fails closed, with that reason', async () => {
    await using hub = startCache()
    const error = await errorOf(hub.get('https://169.254.169.254/jwks', 'k0'))
    expect(error).toMatchObject({ code: 'keys.unavailable' })
    expect(error.detail).toContain('WATCHBELL_OUTBOUND_ALLOW')
  })
})

describe('a slow transmitter', () => {
  test("does not delay other providers' keys", async () => {
    await using slow = await startTransmitter()
    await using quick = await startTransmitter('k0')
    await using hub = startCache()
    const answer = slow.hang()
    const waiting = hub.get(slow.url, 'k0', 'slow')
    await expect.poll(slow.fetches).toBe(1)
    expect(await hub.get(quick.url, 'k0', 'quick')).toMatchObject({ kid: 'k0' })
    answer('k0')
    expect(await waiting).toMatchObject({ kid: 'k0' })
  })

  test('is aborted after the fetch timeout', async () => {
    await using transmitter = await startTransmitter()
    transmitter.hang()
    await using hub = startCache({ fetchTimeoutMs: 50 })
    const error = await errorOf(hub.get(transmitter.url, 'k0'))
    expect(error).toMatchObject({ code: 'keys.unavailable' })
    expect(error.detail).toContain('within 50 ms')
  })

  test('has a maximum number of waiters', async () => {
    await using transmitter = await startTransmitter()
    const answer = transmitter.hang()
    await using hub = startCache({ waitersMax: 10 })
    const waiting = Array.from({ length: 10 }, () => hub.get(transmitter.url, 'k0'))
    const error = await errorOf(hub.get(transmitter.url, 'k0'))
    expect(error).toMatchObject({ code: 'keys.unavailable', retryAfterS: 1 })
    expect(error.detail).toContain('10 SETs are waiting')
    await expect.poll(transmitter.fetches).toBe(1)
    answer('k0')
    expect(await Promise.all(waiting)).toHaveLength(10)
    expect(hub.getNow(transmitter.url, 'k0')).toMatchObject({ kid: 'k0' })
  })

  test('is aborted when its provider is forgotten, and when the hub stops', async () => {
    await using transmitter = await startTransmitter()
    transmitter.hang()
    const hub = startCache()
    const forgotten = errorOf(hub.get(transmitter.url, 'k0', 'sse1'))
    const stopped = errorOf(hub.get(transmitter.url, 'k0', 'sse2'))
    await expect.poll(transmitter.fetches).toBe(2)
    hub.cache.forget('sse1')
    expect(await forgotten).toMatchObject({ code: 'keys.unavailable' })
    await hub[Symbol.asyncDispose]()
    expect(await stopped).toMatchObject({ code: 'keys.unavailable' })
    expect(hub.warnings).toEqual([])
  })
})

describe('status', () => {
  test('shows the keys, their age, and when they are fetched next', async () => {
    await using transmitter = await startTransmitter()
    transmitter.say(
      JSON.stringify({
        keys: [
          { ...jwk, kid: 'k0' },
          { kty: 'oct', kid: 'bad', k: 'AAAA' },
        ],
      }),
    )
    await using hub = startCache()
    expect(hub.cache.status('sse1')).toBeUndefined()
    const fetchedAt = hub.now()
    await hub.get(transmitter.url, 'k0')
    hub.turn(1_000)
    expect(hub.cache.status('sse1')).toEqual({
      jwksUrl: transmitter.url,
      keys: [
        { kid: 'k0', algorithms: ['ES256'], unusable: undefined },
        { kid: 'bad', algorithms: [], unusable: 'is symmetric' },
      ],
      fetchedAt,
      ageMs: 1_000,
      lastError: undefined,
      nextTryAt: new Date(fetchedAt.getTime() + 10 * minute),
    })
  })

  test('shows the last error and the time of the next try', async () => {
    await using transmitter = await startTransmitter()
    transmitter.fail(404)
    await using hub = startCache()
    await errorOf(hub.get(transmitter.url, 'k0'))
    expect(hub.cache.status('sse1')).toEqual({
      jwksUrl: transmitter.url,
      keys: [],
      fetchedAt: undefined,
      ageMs: undefined,
      lastError: expect.stringContaining('answered with status 404'),
      nextTryAt: new Date(hub.now().getTime() + 2_000),
    })
  })
})
