import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import {
  createPollClient,
  createPushEndpoint,
  createReceiver,
  ReceiverError,
  type ReceivedSet,
  type Receiver,
} from '@watchbell/receiver'
import { describe, expect, test } from 'vitest'
import { breakages, type BreakageName } from '../../src/testing/breakages.ts'
import { startEmulatedTransmitter, type EmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { startTransmitter, type Transmitter } from '../../src/testing/transmitter.ts'
import { startLocalServer } from '../local-server.ts'

const audience = 'https://receiver.example'
const subject = { format: 'email', email: 'ada@example.com' } as const
const revoked = { type: 'session-revoked', aud: audience, subject } as const

const receiverOf = ({ issuer, jwksUrl }: Pick<Transmitter, 'issuer' | 'jwksUrl'>): Receiver =>
  createReceiver({ transmitters: [{ issuer, jwksUrl, audiences: [audience] }] })

/** A Fetch handler behind a real HTTP server of Node.js. */
const served =
  (endpoint: (request: Request) => Promise<Response>): RequestListener =>
  (request, response) => {
    const { method = 'GET', url = '/', headers } = request
    const body =
      method === 'GET' ? {} : { body: Readable.toWeb(request) as ReadableStream, duplex: 'half' as const }
    const asked = new Request(`http://receiver.example${url}`, {
      method,
      headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
      ...body,
    })
    void endpoint(asked).then(async (answer) => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
    })
  }

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing',
    (thrown: unknown) => thrown,
  )
  return error instanceof ReceiverError ? error.code : String(error)
}

describe('createReceiver', () => {
  test('returns the decoded events of a valid token', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const set = await receiver.receive(transmitter.sign(revoked))
    expect(set).toMatchObject({ iss: transmitter.issuer, jti: expect.any(String) })
    expect(set.events).toMatchObject([
      { name: 'session-revoked', family: 'caep', subject: { format: 'email', email: 'ada@example.com' } },
    ])
  })

  test.each(Object.keys(breakages) as BreakageName[])('refuses a token with %s', async (name) => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const broken = await transmitter.signBroken(name, revoked)
    expect(await refusalOf(receiver.receive(broken))).toMatch(/^set\./)
  })

  test("refuses an unknown issuer, and a token that one transmitter signed with another's issuer", async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using other = await startTransmitter({ alg: 'ES256', issuer: 'https://other.example' })
    await using impostor = await startTransmitter({ alg: 'ES256', issuer: transmitter.issuer })
    await using receiver = receiverOf(transmitter)
    expect(await refusalOf(receiver.receive(other.sign(revoked)))).toBe('set.unknown_issuer')
    expect(await refusalOf(receiver.receive(impostor.sign(revoked)))).toBe('set.unknown_key')
  })

  test('reports missing keys as an error that does not blame the token', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    transmitter.down = true
    expect(await refusalOf(receiver.receive(transmitter.sign(revoked)))).toBe('keys.unavailable')
  })

  test.each([
    ['keys over plain HTTP', { jwksUrl: 'http://idp.example/jwks' }, /must be an https URL/],
    ['no URL of keys', { jwksUrl: 'idp.example' }, /must be an https URL/],
    ['no audience', { audiences: [] }, /no audience/],
    ['no issuer', { issuer: '' }, /issuer of a transmitter is empty/],
  ])('does not start with %s', (_, change, message) => {
    const sound = {
      issuer: 'https://idp.example',
      jwksUrl: 'https://idp.example/jwks',
      audiences: [audience],
    }
    expect(() => createReceiver({ transmitters: [{ ...sound, ...change }] })).toThrow(message)
    expect(() => createReceiver({ transmitters: [sound, sound] })).toThrow(/same issuer/)
  })

  test('does not follow a redirect to fetch keys', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using detour = await startLocalServer((_, response) =>
      response.writeHead(302, { location: transmitter.jwksUrl }).end(),
    )
    await using receiver = receiverOf({ issuer: transmitter.issuer, jwksUrl: `${detour.origin}/jwks` })
    expect(await refusalOf(receiver.receive(transmitter.sign(revoked)))).toBe('keys.unavailable')
    expect(transmitter.fetches.keys).toBe(0)
  })
})

describe('createPushEndpoint', () => {
  test('answers 202 once a token is stored, 400 with err to a broken one, 503 when it cannot be stored', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const kept: ReceivedSet[] = []
    const faults: unknown[] = []
    let full = false
    const endpoint = createPushEndpoint(receiver, {
      async accept(set) {
        if (full) throw new Error('the disk is full')
        kept.push(set)
      },
      onFault: (error) => faults.push(error),
    })
    await using server = await startLocalServer(served(endpoint))
    const to = `${server.origin}/events`
    expect((await transmitter.push(to, transmitter.sign(revoked))).status).toBe(202)
    expect(kept).toHaveLength(1)
    const broken = await fetch(to, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt' },
      body: await transmitter.signBroken('signature', revoked),
    })
    expect([broken.status, broken.headers.get('content-language')]).toEqual([400, 'en'])
    expect(await broken.json()).toMatchObject({ err: 'invalid_key' })
    full = true
    const refused = await transmitter.push(to, transmitter.sign(revoked))
    expect(refused.status).toBe(503)
    transmitter.down = true
    await using cold = receiverOf(transmitter)
    const later = createPushEndpoint(cold, { accept: () => Promise.resolve() })
    const request = new Request('http://receiver.example/', {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt' },
      body: transmitter.sign(revoked),
    })
    expect((await later(request)).status).toBe(503)
    expect(kept).toHaveLength(1)
    expect(faults).toEqual([new Error('the disk is full')])
  })

  test('refuses to start with an empty Authorization, which a request without the header would match', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const make = () => createPushEndpoint(receiver, { accept: () => Promise.resolve(), authorization: '' })
    expect(make).toThrow(/authorization of a push endpoint is empty/)
  })

  test('answers, and does not reject, when the sender hangs up or the receiver fails', async () => {
    const faults: unknown[] = []
    const broken: Receiver = {
      receive: () => Promise.reject(new Error('a fault')),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    const endpoint = createPushEndpoint(broken, {
      accept: () => Promise.resolve(),
      onFault: (error) => faults.push(error),
    })
    const ask = (body: string | ReadableStream): Promise<Response> =>
      endpoint(
        new Request('http://r.example/', {
          method: 'POST',
          headers: { 'content-type': 'application/secevent+jwt' },
          body,
          duplex: 'half',
        }),
      )
    const cut = new ReadableStream({ start: (controller) => controller.error(new Error('aborted')) })
    expect((await ask(cut)).status).toBe(400)
    expect((await ask('token')).status).toBe(503)
    expect(faults).toEqual([new Error('a fault')])
  })

  test('refuses requests without the agreed Authorization first, whatever else is wrong', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const endpoint = createPushEndpoint(receiver, {
      accept: () => Promise.resolve(),
      authorization: 'Bearer agreed',
    })
    const statusWith = async (headers: Record<string, string>, method = 'POST', body = ''): Promise<number> =>
      (await endpoint(new Request('http://r.example/', { method, headers, ...(body !== '' && { body }) })))
        .status
    const type = { 'content-type': 'application/secevent+jwt' }
    const token = transmitter.sign(revoked)
    expect(await statusWith(type, 'POST', token)).toBe(401)
    expect(await statusWith({ ...type, authorization: 'Bearer agree' }, 'POST', token)).toBe(401)
    expect(await statusWith({ ...type, authorization: 'Bearer agreed' }, 'POST', token)).toBe(202)
    expect(await statusWith({ authorization: 'Bearer agreed' }, 'GET')).toBe(405)
    expect(await statusWith({ authorization: 'Bearer agreed' }, 'POST', token)).toBe(400)
    expect(await statusWith({ ...type, authorization: 'Bearer agreed' }, 'POST', 'x'.repeat(2_000_000))).toBe(
      413,
    )
  })
})

describe('createPollClient', () => {
  /** A transmitter with one poll stream. */
  async function startPolled(): Promise<{ transmitter: EmulatedTransmitter; url: string }> {
    const transmitter = await startEmulatedTransmitter({ alg: 'ES256', audienceOf: () => audience })
    const response = await fetch(`${transmitter.origin}/ssf/streams`, {
      method: 'POST',
      headers: { authorization: 'Bearer static-token', 'content-type': 'application/json' },
      body: '{}',
    })
    expect(response.status).toBe(201)
    return { transmitter, url: `${transmitter.origin}/ssf/poll/${transmitter.stream().id}` }
  }
  const authorization = (): string => 'Bearer static-token'
  const event = { type: 'session-revoked', subject } as const

  test('acknowledges stored tokens, reports refused ones, and receives neither again', async () => {
    const { transmitter, url } = await startPolled()
    await using _ = transmitter
    await using receiver = receiverOf(transmitter)
    const kept: string[] = []
    const client = createPollClient(receiver, {
      url,
      authorization,
      accept: async ({ jti }) => void kept.push(jti),
    })
    const jti = transmitter.send(event)
    transmitter.enqueue(transmitter.stream(), 'broken', await transmitter.signBroken('signature', event))
    expect(await client.pollOnce()).toEqual({ received: 2, settled: 2, moreAvailable: false })
    expect(kept).toEqual([jti])
    expect(await client.pollOnce()).toEqual({ received: 0, settled: 0, moreAvailable: false })
    const told = transmitter.requests.findLast(({ endpoint }) => endpoint === 'poll')
    expect(JSON.parse(told?.body ?? '')).toMatchObject({
      ack: [jti],
      setErrs: { broken: { err: 'invalid_key' } },
    })
  })

  test('receives tokens again that could not be stored', async () => {
    const { transmitter, url } = await startPolled()
    await using _ = transmitter
    await using receiver = receiverOf(transmitter)
    const tried: string[] = []
    const faults: unknown[] = []
    const client = createPollClient(receiver, {
      url,
      authorization,
      onFault: (error) => faults.push(error),
      async accept({ jti }) {
        tried.push(jti)
        if (tried.length === 1) throw new Error('the disk is full')
      },
    })
    const [first, second] = [transmitter.send(event), transmitter.send(event)]
    expect(await client.pollOnce()).toMatchObject({ received: 2, settled: 1 })
    expect(faults).toEqual([new Error('the disk is full')])
    await client.pollOnce()
    expect(tried).toEqual([first, second, first])
  })

  test('pauses when no token can be settled, even if the transmitter has more available', async () => {
    let polls = 0
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using server = await startLocalServer((_request, response) => {
      polls++
      const sets = { one: transmitter.sign(revoked) }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ sets, moreAvailable: true }))
    })
    transmitter.down = true // no keys: the token can be neither accepted nor refused
    await using receiver = receiverOf(transmitter)
    const stop = new AbortController()
    const client = createPollClient(receiver, {
      url: server.origin,
      authorization,
      accept: async () => undefined,
      onFault: () => setImmediate(() => stop.abort()),
    })
    await client.run(stop.signal, 60_000)
    expect(polls).toBe(1)
  })

  test('continues after failed polls, and reports each', async () => {
    const { transmitter, url } = await startPolled()
    await using _ = transmitter
    let polls = 0
    await using server = await startLocalServer((request, response) => {
      if (++polls < 3) return void response.writeHead(503).end()
      void fetch(url, {
        method: 'POST',
        headers: { authorization: 'Bearer static-token', 'content-type': 'application/json' },
        body: Readable.toWeb(request) as ReadableStream,
        duplex: 'half',
      }).then(async (answer) => {
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
      })
    })
    await using receiver = receiverOf(transmitter)
    const stop = new AbortController()
    const faults: unknown[] = []
    const client = createPollClient(receiver, {
      url: server.origin,
      authorization,
      accept: async () => stop.abort(),
      onFault: (error) => faults.push(error),
    })
    transmitter.send(event)
    await client.run(stop.signal, 1)
    expect(faults).toHaveLength(2)
  })

  test('sends no credentials over plain http', async () => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const accept = async (): Promise<void> => undefined
    expect(() =>
      createPollClient(receiver, { url: 'http://idp.example/poll', authorization, accept }),
    ).toThrow(/must be an https URL/)
  })

  test('runs until it is stopped, and then acknowledges what it has stored', async () => {
    const { transmitter, url } = await startPolled()
    await using _ = transmitter
    await using receiver = receiverOf(transmitter)
    const stop = new AbortController()
    const client = createPollClient(receiver, { url, authorization, accept: async () => stop.abort() })
    const jti = transmitter.send(event)
    await client.run(stop.signal, 1)
    const told = transmitter.requests.findLast(({ endpoint }) => endpoint === 'poll')
    expect(JSON.parse(told?.body ?? '')).toMatchObject({ ack: [jti], maxEvents: 0 })
  })

  test.each([
    ['sends none', () => ({})],
    [
      'sends tokens that cannot be verified now',
      (transmitter: Transmitter) => ({ jti: transmitter.sign(revoked) }),
    ],
  ])('pauses when a transmitter says that more tokens are available, and %s', async (_, setsOf) => {
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const sets = setsOf(transmitter)
    transmitter.down = true
    const polled = Promise.withResolvers<void>()
    await using server = await startLocalServer((request, response) => {
      request.resume()
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ sets, moreAvailable: true }), () => polled.resolve())
    })
    const stop = new AbortController()
    const client = createPollClient(receiver, {
      url: `${server.origin}/poll`,
      authorization,
      accept: async () => undefined,
    })
    const running = client.run(stop.signal, 1_000_000)
    await polled.promise
    for (let at = 0; at < 50; at++) await (await fetch(`${server.origin}/other`)).text()
    stop.abort()
    await running
    expect(server.requests.filter((target) => target === '/poll')).toHaveLength(1)
  })

  test('bounds the number and the length of the token ids that it reports', async () => {
    const flood = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`t${at}`, 'no token']))
    const asked: string[] = []
    await using server = await startLocalServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const sets = asked.length === 0 ? { ['n'.repeat(1_000_000)]: 'no token', ...flood } : {}
        asked.push(Buffer.concat(chunks).toString())
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sets }))
      })
    })
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const client = createPollClient(receiver, {
      url: server.origin,
      authorization,
      accept: async () => undefined,
    })
    expect(await client.pollOnce()).toMatchObject({ received: 3_001, settled: 999, moreAvailable: true })
    await client.pollOnce()
    const { setErrs } = JSON.parse(asked[1] ?? '') as { setErrs: object }
    expect(Object.keys(setErrs)).toEqual(Array.from({ length: 999 }, (_, at) => `t${at}`))
  })

  test.each([
    ['another status', 401, '', /status 401/],
    ['what is not JSON', 200, '<html>', /cannot be used/],
    ['no sets', 200, '{}', /no object `sets`/],
  ])('reports what is wrong with %s', async (_, status, body, message) => {
    await using server = await startLocalServer((_request, response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(body),
    )
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await using receiver = receiverOf(transmitter)
    const client = createPollClient(receiver, {
      url: server.origin,
      authorization,
      accept: async () => undefined,
    })
    await expect(client.pollOnce()).rejects.toThrow(message)
  })
})
