import { describe, expect, test } from 'vitest'
import { HubError } from '../base/hub-error.ts'
import { silentLogger } from '@watchbell/receiver/base'
import { parseToken } from '@watchbell/receiver/set'
import { startEmulatedTransmitter, type EmulatedTransmitter } from '../testing/emulated-transmitter.ts'
import type { EmulatedTransmitterOptions } from '../testing/emulated-transmitter.ts'
import type { ConnectedStream } from '../streams/stream.ts'
import { createTransmitterAccess } from '../streams/transmitter-auth.ts'
import { createPoller, defaultPollLimits, type PollLimits } from './poll.ts'
import type { PollNote, PolledStream } from './polled-stream.ts'

const revoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const ada = { format: 'email', email: 'ada@example.com' }

interface Options {
  readonly transmitter?: EmulatedTransmitterOptions
  readonly limits?: Partial<PollLimits>
  readonly clientSecret?: string
  readonly leases?: Map<string, { holder: string; until: number }>
  readonly polling?: 'short'
}

/** A poller with a settable clock, one stream at an emulated transmitter, and an inbox that can be told to refuse. */
async function openPoller({
  transmitter: of = {},
  limits = {},
  clientSecret = 'receiver',
  leases = new Map(),
  polling,
}: Options = {}) {
  const opened = new AsyncDisposableStack()
  const transmitter = opened.use(await startEmulatedTransmitter({ alg: 'EdDSA', longPollMs: 0, ...of }))
  let now = Date.parse('2026-01-01T00:00:00Z')
  let setAheadMs = 0
  const world = {
    now: () => new Date(now + setAheadMs),
    monotonicMs: () => now,
    newUuid: () => crypto.randomUUID(),
    random: () => 0.5,
    fetch,
  }
  const access = createTransmitterAccess(
    { world },
    {
      auth: {
        method: 'client_secret_basic',
        clientId: 'receiver',
        tokenUrl: transmitter.tokenUrl,
        authorizationServer: undefined,
        scope: undefined,
        dpop: false,
      },
      secrets: { clientSecret, pushAuthorization: '' },
      issuer: transmitter.issuer,
      resource: transmitter.issuer,
    },
  )
  await access.request({
    method: 'POST',
    url: `${transmitter.origin}/ssf/streams`,
    json: {},
    timeoutMs: 5_000,
    bytesMax: 100_000,
  })
  const taken: string[] = []
  const refuse = new Map<string, HubError>()
  const notes: PollNote[] = []
  const polled: PolledStream[] = transmitter.streams.map(({ id }) => connected(transmitter, id, polling))
  const poller = opened.use(
    createPoller(
      {
        world,
        logger: silentLogger,
        streams: {
          polled: () => polled,
          accessTo: () => access,
          note: async (_id, news) => void notes.push(news),
        },
        leases: {
          async take({ name, holder, now, until }) {
            const known = leases.get(name)
            if (known !== undefined && known.holder !== holder && known.until > now.getTime()) return false
            leases.set(name, { holder, until: until.getTime() })
            return true
          },
          async end({ name, holder }) {
            if (leases.get(name)?.holder === holder) leases.delete(name)
          },
        },
        async accept(_stream, _name, token) {
          const { jti } = parseToken(token).claims
          const error = refuse.get(jti) ?? refuse.get('*')
          if (error !== undefined) throw error
          const known = taken.includes(jti)
          taken.push(jti)
          return known ? 'repeated' : 'stored'
        },
      },
      { ...defaultPollLimits, ...limits },
    ),
  )
  const polls = () => transmitter.requests.filter(({ endpoint }) => endpoint === 'poll')
  return {
    transmitter,
    poller,
    polled,
    taken,
    refuse,
    notes,
    leases,
    polls,
    bodies: () => polls().map(({ body }) => JSON.parse(body) as Record<string, unknown>),
    lastError: () => notes.at(-1)?.lastError,
    send: (count = 1) =>
      Array.from({ length: count }, () => transmitter.send({ type: revoked, subject: ada })),
    turn: () => poller.runOnce(new AbortController().signal),
    pass: (ms: number) => (now += ms),
    /** Sets the wall clock only, as NTP does. */
    setClockAhead: (ms: number) => (setAheadMs += ms),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

function connected({ origin }: EmulatedTransmitter, id: string, polling: 'short' | undefined): PolledStream {
  const endpointUrl = `${origin}/ssf/poll/${id}`
  return {
    id: `str-${id}`,
    providerId: 'sse1',
    lastError: undefined,
    settings: { ...(polling && { polling }) },
    updatedAt: new Date(0),
    remote: { endpointUrl },
  } as ConnectedStream as PolledStream
}

describe('a poll', () => {
  test('the SETs of a poll are stored and acknowledged with the next poll (RFC 8936 §2.2, §2.4)', async () => {
    await using open = await openPoller()
    const jtis = open.send(3)
    expect(await open.turn()).toBe(3)
    expect(open.taken.toSorted()).toEqual(jtis.toSorted())
    expect(open.transmitter.stream().acked).toEqual([])
    expect(await open.turn()).toBe(0)
    expect(open.transmitter.stream().acked.toSorted()).toEqual(jtis.toSorted())
    expect(open.bodies()).toEqual([
      { maxEvents: 250, returnImmediately: false },
      { maxEvents: 250, returnImmediately: false, ack: expect.arrayContaining(jtis) },
    ])
    expect(open.polls()[0]).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: expect.stringMatching(/^Bearer /) },
    })
  })

  test('the poller polls on while there is more, at most maxEvents each time (RFC 8936 §2.3)', async () => {
    await using open = await openPoller({ limits: { pollEventsMax: 2 } })
    const jtis = open.send(5)
    expect([await open.turn(), await open.turn(), await open.turn()]).toEqual([2, 2, 1])
    expect(open.taken).toHaveLength(jtis.length)
  })

  test('an answer with more SETs than maxEvents is accepted', async () => {
    await using open = await openPoller({
      limits: { pollEventsMax: 1 },
      transmitter: { misbehaving: ['poll-ignores-max'] },
    })
    open.send(4)
    expect(await open.turn()).toBe(4)
  })

  test('SETs beyond answerSetsMax are left with the transmitter and come again', async () => {
    await using open = await openPoller({
      limits: { answerSetsMax: 3 },
      transmitter: { misbehaving: ['poll-ignores-max'] },
    })
    const jtis = open.send(5)
    expect([await open.turn(), await open.turn()]).toEqual([3, 2])
    expect(open.taken.toSorted()).toEqual(jtis.toSorted())
  })

  test('short polling polls at its interval, and acknowledges at once (RFC 8936 §2.4)', async () => {
    await using open = await openPoller({ polling: 'short' })
    const [jti] = open.send()
    await open.turn()
    expect(open.bodies()).toEqual([
      { maxEvents: 250, returnImmediately: true },
      { maxEvents: 0, returnImmediately: true, ack: [jti] },
    ])
    await open.turn()
    expect(open.polls()).toHaveLength(2)
    open.pass(5_000)
    await open.turn()
    expect(open.polls()).toHaveLength(3)
  })

  test('a repeated SET is acknowledged like a new one (RFC 8936 §2.4)', async () => {
    await using open = await openPoller()
    const [jti = ''] = open.send()
    open.taken.push(jti)
    await open.turn()
    await open.turn()
    expect(open.transmitter.stream().acked).toEqual([jti])
  })

  test('a refused SET is reported with a description and never acknowledged (RFC 8936 §2.4.4)', async () => {
    await using open = await openPoller()
    const [good, bad = ''] = open.send(2)
    open.refuse.set(bad, new HubError('set.bad_signature'))
    expect(await open.turn()).toBe(2)
    await open.turn()
    expect(open.transmitter.stream()).toMatchObject({
      acked: [good],
      setErrs: [
        { jti: bad, err: 'invalid_key', description: 'The signature does not hold.', contentLanguage: 'en' },
      ],
    })
    expect(open.polls()[0]?.headers['content-language']).toBeUndefined()
  })

  test('a value that is no token, or no string, is refused like any other SET (RFC 8936 §2.4.4)', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 200, body: { sets: { odd: { not: 'a token' }, bad: 'x' } } })
    await open.turn()
    await open.turn()
    expect(open.transmitter.stream().setErrs).toMatchObject([
      { jti: 'odd', err: 'invalid_request' },
      { jti: 'bad', err: 'invalid_request' },
    ])
  })
})

describe('a SET that cannot be accepted for now stays with the transmitter', () => {
  test.each([
    [
      'the keys cannot be fetched',
      new HubError('keys.unavailable', { detail: 'no keys', retryAfterS: 9 }),
      9_000,
    ],
    ['the storage is unavailable', new HubError('hub.unavailable', { detail: 'no disk' }), 500],
    [
      'the provider is over its budget',
      new HubError('request.rate_limited', { detail: 'over', retryAfterS: 42 }),
      42_000,
    ],
    ['the inbox is full', new HubError('hub.overloaded', { retryAfterS: 1 }), 1_000],
    ['the provider was deactivated meanwhile', new HubError('set.provider_inactive'), 500],
    ['its key is not published yet', new HubError('set.unknown_key'), 500],
  ])('when %s', async (_, error, pauseMs) => {
    await using open = await openPoller()
    const [good = '', held = ''] = open.send(2)
    open.refuse.set(held, error)
    expect(await open.turn()).toBe(1)
    // the next poll is not due at once, so the accepted SET is acknowledged at once
    expect(open.transmitter.stream()).toMatchObject({ acked: [good], setErrs: [] })
    expect(open.lastError()).toBe(`1 SETs wait at the transmitter: ${error.detail}`)
    const polls = open.polls().length
    open.pass(pauseMs - 1)
    await open.turn()
    expect(open.polls()).toHaveLength(polls)
    open.refuse.clear()
    open.pass(1)
    expect(await open.turn()).toBe(1)
    expect(open.taken).toContain(held)
    expect(open.lastError()).toBeUndefined()
  })

  test('a SET waits for its key, also when the clock is set meanwhile', async () => {
    await using open = await openPoller()
    open.send()
    open.refuse.set('*', new HubError('set.unknown_key'))
    await open.turn()
    open.setClockAhead(3_600_000)
    await open.turn()
    expect(open.lastError()).toContain('1 SETs wait')
    open.refuse.clear()
    open.pass(60_000)
    expect(await open.turn()).toBe(1)
    await open.turn()
    expect(open.transmitter.stream()).toMatchObject({ setErrs: [], acked: open.taken })
  })

  test('a SET whose key never comes is refused in the end (RFC 8936 §2.6)', async () => {
    await using open = await openPoller()
    const [jti] = open.send()
    open.refuse.set('*', new HubError('set.unknown_key'))
    for (let minute = 0; minute < 15; minute++) {
      await open.turn()
      expect(open.transmitter.stream().setErrs).toEqual([])
      open.pass(60_000)
    }
    await open.turn()
    expect(open.transmitter.stream().setErrs).toMatchObject([{ jti, err: 'invalid_key' }])
  })
})

test('a SET whose key never comes is refused in the end, also when the transmitter pauses between deliveries (RFC 8936 §2.6)', async () => {
  await using open = await openPoller()
  const [jti = ''] = open.send()
  open.refuse.set('*', new HubError('set.unknown_key'))
  for (let minute = 0; minute < 17; minute++) {
    await open.turn()
    open.transmitter.fail('poll', { status: 200, body: { sets: {} } })
    open.pass(30_000)
    await open.turn()
    open.pass(30_000)
  }
  expect(open.bodies().filter(({ setErrs }) => setErrs !== undefined)).toMatchObject([
    { setErrs: { [jti]: { err: 'invalid_key' } } },
  ])
})

describe('every failure is followed by a pause', () => {
  test.each<[string, (transmitter: EmulatedTransmitter) => void, number, string]>([
    ['a closed connection', (t) => t.fail('poll', 'reset'), 500, 'closed by the other side'],
    ['a transmitter that is gone', (t) => (t.down = true), 500, ''],
    ['no answer in time', (t) => t.fail('poll', 'hang'), 500, 'did not answer in full within 200 ms'],
    ['500', (t) => t.fail('poll', { status: 500 }), 500, 'status 500'],
    [
      '503 with Retry-After',
      (t) => t.fail('poll', { status: 503, headers: { 'retry-after': '40' } }),
      40_000,
      'status 503',
    ],
    [
      '429 with Retry-After',
      (t) => t.fail('poll', { status: 429, headers: { 'retry-after': '40' } }),
      40_000,
      'asked too often',
    ],
    [
      '429 with an absurd Retry-After',
      (t) => t.fail('poll', { status: 429, headers: { 'retry-after': '99999' } }),
      600_000,
      'status 429',
    ],
    ['403', (t) => t.fail('poll', { status: 403 }), 225_000, 'do not permit this'],
    ['404', (t) => t.fail('poll', { status: 404 }), 225_000, 'does not know the stream'],
    ['400', (t) => t.fail('poll', { status: 400 }), 225_000, 'does not understand us'],
    ['401 with every token', (t) => t.misbehaving.add('tokens-never-good'), 225_000, 'not even new ones'],
    [
      'a page of a proxy',
      (t) => t.fail('poll', { status: 200, body: '<h1>Hello</h1>' }),
      500,
      'it is not JSON',
    ],
    [
      'an answer without SETs',
      (t) => t.fail('poll', { status: 200, body: {} }),
      500,
      'it has no object `sets`',
    ],
    ['an answer of another kind', (t) => t.fail('poll', { status: 206 }), 500, 'status 206'],
    ['an answer that is too large', (t) => t.fail('poll', 'oversized'), 500, 'more than 100000 bytes'],
  ])('%s', async (_, fail, pauseMs, message) => {
    const longPollTimeoutMs = message.endsWith('within 200 ms') ? 200 : 10_000 // the others answer, on a busy machine too
    await using open = await openPoller({ limits: { longPollTimeoutMs, answerBytesMax: 100_000 } })
    const jtis = open.send()
    fail(open.transmitter)
    await open.turn()
    const polls = open.polls().length
    expect(open.lastError()).toContain(message)
    open.transmitter.down = false
    open.transmitter.misbehaving.clear()
    open.pass(pauseMs - 1)
    await open.turn()
    expect(open.polls()).toHaveLength(polls)
    open.pass(1)
    expect(await open.turn()).toBe(1)
    expect(open.taken).toEqual(jtis)
    expect(open.lastError()).toBeUndefined()
  })

  test.each<[string, (transmitter: EmulatedTransmitter) => void, number, string]>([
    [
      'a token endpoint that is away',
      (t) => t.fail('token', 'reset'),
      500,
      'No access token could be requested',
    ],
    [
      'a token endpoint that says 500',
      (t) => t.fail('token', { status: 500, body: {} }),
      225_000,
      'gave no access token',
    ],
    [
      'a client that is unknown there',
      (t) => t.fail('token', { status: 401, body: { error: 'invalid_client' } }),
      225_000,
      'invalid_client',
    ],
  ])('%s', async (_, fail, pauseMs, message) => {
    await using open = await openPoller()
    open.send()
    open.transmitter.revokeTokens()
    fail(open.transmitter)
    await open.turn()
    expect(open.lastError()).toContain(message)
    expect(open.taken).toEqual([])
    const asked = open.transmitter.requests.length
    open.pass(pauseMs - 1)
    await open.turn()
    expect(open.transmitter.requests).toHaveLength(asked)
    open.pass(1)
    expect(await open.turn()).toBe(1)
  })

  test('an expired or revoked token is replaced once, within the same poll (SSF 1.0 §7.1.1)', async () => {
    await using open = await openPoller()
    for (const end of [() => open.transmitter.revokeTokens(), () => open.pass(3_600_000)]) {
      const issued = open.transmitter.tokensIssued
      end()
      open.send()
      expect(await open.turn()).toBe(1)
      expect(open.transmitter.tokensIssued).toBe(issued + 1)
    }
    open.transmitter.misbehaving.add('tokens-never-good')
    const issued = open.transmitter.tokensIssued
    open.transmitter.revokeTokens()
    await open.turn()
    expect(open.transmitter.tokensIssued).toBe(issued + 1)
  })

  test('a changed stream is polled at once, also during the pause after a failure', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 403 })
    await open.turn()
    await open.turn()
    expect(open.polls()).toHaveLength(1)
    open.polled.splice(0, 1, ...open.polled.map((stream) => ({ ...stream, updatedAt: new Date(1) })))
    await open.turn()
    expect(open.polls()).toHaveLength(2)
    await open.turn()
    expect(open.polls()).toHaveLength(2)
  })

  test('polls go on when the clock is set back', async () => {
    await using open = await openPoller({ polling: 'short' })
    await open.turn()
    open.pass(-3_600_000)
    const jtis = open.send()
    await open.turn()
    expect(open.taken).toEqual(jtis)
  })

  test('the pause grows with each failure in a row, up to a bound', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 500 }, Infinity)
    const pauses: number[] = []
    for (let failure = 0; failure < 9; failure++) {
      const polls = open.polls().length
      let waited = 0
      await open.turn()
      while (open.polls().length === polls) {
        open.pass(250)
        waited += 250
        await open.turn()
      }
      pauses.push(waited)
    }
    expect(pauses).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })

  test('after an immediate empty answer the next poll waits for the interval', async () => {
    await using open = await openPoller()
    await open.turn()
    open.pass(4_999)
    await open.turn()
    expect(open.polls()).toHaveLength(1)
    open.pass(1)
    await open.turn()
    expect(open.polls()).toHaveLength(2)
  })

  test('SETs that come again after each acknowledgement slow the polls down (RFC 8936 §2.4)', async () => {
    await using open = await openPoller()
    open.send()
    const sets = Object.fromEntries(open.transmitter.stream().waiting.map(({ jti, token }) => [jti, token]))
    open.transmitter.fail('poll', { status: 200, body: { sets, moreAvailable: true } }, Infinity)
    await open.turn()
    await open.turn()
    const polls = open.polls().length
    await open.turn()
    expect(open.polls()).toHaveLength(polls)
    expect(open.lastError()).toContain('again and again')
  })

  test.each([
    ['made-up names', 'poll-made-up', undefined],
    ['values by the million', 'poll-crowded', 'it holds more than 10000 values'],
  ] as const)('answers full of %s are asked for ever less often', async (_, name, message) => {
    await using open = await openPoller({ transmitter: { misbehaving: [name] } })
    const asked = () => open.bodies().filter(({ maxEvents }) => maxEvents !== 0).length
    const pauses: number[] = []
    for (let poll = 0; poll < 5; poll++) {
      const before = asked()
      let waited = 0
      await open.turn()
      while (asked() === before) {
        open.pass(250)
        waited += 250
        await open.turn()
      }
      pauses.push(waited)
    }
    expect(pauses).toEqual([0, 500, 1_000, 2_000, 4_000])
    if (message !== undefined) expect(open.lastError()).toContain(message)
    else expect(open.lastError()).toBeUndefined()
    expect(open.taken).toEqual([])
  })

  test('a repeated SET among new refused ones is no progress', async () => {
    await using open = await openPoller()
    open.send()
    const again = open.transmitter.stream().waiting.map(({ jti, token }) => [jti, token] as const)
    for (const madeUp of ['a', 'b']) {
      const sets = Object.fromEntries([...again, [madeUp, 'no SET']])
      open.transmitter.fail('poll', { status: 200, body: { sets, moreAvailable: true } })
      await open.turn()
    }
    const polls = open.polls().length
    await open.turn()
    expect(open.polls()).toHaveLength(polls)
  })

  test('after refused SETs the next poll may be held open again', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 200, body: { sets: { bad: 'x' } } })
    await open.turn()
    expect(open.transmitter.stream().setErrs).toHaveLength(1)
    open.pass(500)
    await open.turn()
    expect(open.bodies().at(-1)).toMatchObject({ maxEvents: 250, returnImmediately: false })
  })

  test('after a failure the next poll is a short one', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 500 })
    await open.turn()
    open.pass(60_000)
    await open.turn()
    open.pass(60_000)
    await open.turn()
    expect(open.bodies().map((body) => body['returnImmediately'])).toEqual([false, true, false])
  })

  test('a long poll that an intermediary cuts after a while is no failure', async () => {
    await using open = await openPoller({ limits: { longPollCutMs: 0 } })
    open.transmitter.fail('poll', { status: 504 })
    await open.turn()
    expect(open.lastError()).toBeUndefined()
    open.transmitter.fail('poll', { status: 504 })
    open.pass(60_000)
    await open.turn() // a short poll, which shows whether the transmitter is there
    expect(open.lastError()).toContain('status 504')
  })

  test('after an answer that is too large the next poll asks for half as many SETs', async () => {
    await using open = await openPoller({ limits: { answerBytesMax: 2_000, pollEventsMax: 8 } })
    const jtis = open.send(8)
    for (let round = 0; round < 20; round++) {
      await open.turn()
      open.pass(60_000)
    }
    expect(new Set(open.taken)).toEqual(new Set(jtis))
    expect(open.transmitter.stream().waiting).toEqual([])
  })

  test('acknowledgements that the transmitter rejects are not repeated for ever', async () => {
    await using open = await openPoller()
    open.send()
    await open.turn()
    open.transmitter.fail('poll', { status: 400 })
    await open.turn()
    open.pass(300_000)
    await open.turn()
    expect(open.bodies().at(-2)).not.toHaveProperty('ack') // then the SET came again, was recognised and acknowledged
    expect(open.transmitter.stream().acked).toHaveLength(1)
  })
})

test('after a lost answer the SETs come again, and the acknowledgements are sent again (RFC 8936 §2.4)', async () => {
  await using open = await openPoller()
  const [first = ''] = open.send()
  await open.turn()
  const [second = ''] = open.send()
  open.transmitter.fail('poll', 'lost_answer')
  await open.turn()
  expect(open.taken).toEqual([first])
  open.pass(1_000)
  await open.turn()
  await open.turn()
  expect(open.taken).toEqual([first, second])
  expect(open.transmitter.stream()).toMatchObject({ acked: [first, first, second], waiting: [] })
})

describe('concurrent polls', () => {
  test('a stream has one open poll, however often runOnce is called (RFC 8936 §2.2)', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 50 } })
    await Promise.all([open.turn(), open.turn(), open.turn()])
    expect(open.transmitter.stream().pollsAtOnceMax).toBe(1)
  })

  test('only the node with the lease polls, and another one after the lease has expired', async () => {
    const leases = new Map([['poll/other', { holder: 'x', until: 0 }]])
    await using open = await openPoller({ leases })
    const name = `poll/${open.polled[0]?.id ?? ''}`
    leases.set(name, { holder: 'another node', until: Date.parse('2026-01-01T00:00:20Z') })
    await open.turn()
    expect(open.polls()).toHaveLength(0)
    open.pass(15_000)
    await open.turn()
    expect(open.polls()).toHaveLength(0)
    open.pass(15_000)
    await open.turn()
    expect(open.polls()).toHaveLength(1)
    await open.poller[Symbol.asyncDispose]()
    expect(leases.has(name)).toBe(false)
  })

  test('a node whose clock was set back asks for the lease again', async () => {
    await using open = await openPoller()
    const name = `poll/${open.polled[0]?.id ?? ''}`
    await open.turn()
    open.pass(-86_400_000)
    open.leases.set(name, { holder: 'another node', until: Infinity })
    await open.turn()
    expect(open.polls()).toHaveLength(1)
  })

  test('a node that cannot ask for the lease does not hold it', async () => {
    const leases = new Map<string, { holder: string; until: number }>()
    await using open = await openPoller({ leases })
    const asked = leases.get.bind(leases)
    leases.get = () => {
      throw new Error('the storage is unavailable')
    }
    open.send()
    await open.turn()
    leases.get = (name) => asked(name) ?? { holder: 'another', until: Infinity }
    open.pass(1_000)
    await open.turn()
    expect(open.polls()).toEqual([])
  })

  test('a transmitter that hangs delays no other stream', async () => {
    await using open = await openPoller({ limits: { longPollTimeoutMs: 60_000 } })
    await using other = await startEmulatedTransmitter({ alg: 'EdDSA' })
    open.transmitter.fail('poll', 'hang', Infinity)
    const hanging = open.turn()
    await expect.poll(() => open.polls()).toHaveLength(1)
    open.polled.push(connected(other, 'second', undefined))
    await open.turn()
    expect(new Set(other.requests.map(({ path }) => path))).toEqual(new Set(['/ssf/poll/second']))
    open.transmitter.mend()
    await hanging
  })

  test('the open poll of a stream that is no longer polled is aborted', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    const open1 = open.turn()
    await expect.poll(() => open.polls()).toHaveLength(1)
    open.polled.length = 0
    await open.turn()
    expect(await open1).toBe(0)
    expect(open.leases.size).toBe(0)
  })

  test('stopping aborts long polls', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    open.poller.start()
    await expect.poll(() => open.polls()).toHaveLength(1)
    await open.poller[Symbol.asyncDispose]()
    expect(open.notes).toEqual([])
  })

  test('a stopping poller reports accepted and refused SETs although no poll is due (RFC 8936 §2.4, §2.6)', async () => {
    await using open = await openPoller()
    const [good, bad = ''] = open.send(2)
    open.refuse.set(bad, new HubError('set.bad_signature'))
    await open.turn()
    const stream = open.transmitter.stream()
    expect(stream).toMatchObject({ acked: [], setErrs: [] })
    await open.poller[Symbol.asyncDispose]()
    expect(stream).toMatchObject({ acked: [good], setErrs: [{ jti: bad, err: 'invalid_key' }], waiting: [] })
    expect(open.bodies().at(-1)).toMatchObject({ maxEvents: 0, returnImmediately: true })
    expect(open.leases.size).toBe(0)
  })

  test('a stopping poller reports them also when a long poll is open', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    const jtis = open.send()
    await open.turn()
    open.transmitter.fail('poll', 'hang')
    void open.turn()
    await expect.poll(() => open.polls()).toHaveLength(2)
    await open.poller[Symbol.asyncDispose]()
    expect(open.transmitter.stream().acked).toEqual(jtis)
  })

  test.each<[string, (transmitter: EmulatedTransmitter) => void]>([
    ['poll endpoint', (t) => t.fail('poll', 'hang', Infinity)],
    ['token endpoint', (t) => (t.revokeTokens(), t.fail('token', 'hang', Infinity))],
    ['whole transmitter', (t) => (t.down = true)],
  ])('a %s that does not answer does not keep the poller from stopping', async (_, fail) => {
    await using open = await openPoller({ limits: { lastReportMs: 50 } })
    open.send()
    await open.turn()
    fail(open.transmitter)
    await open.poller[Symbol.asyncDispose]() // must end before the test times out
    expect(open.transmitter.stream().acked).toEqual([])
    open.transmitter.mend()
  })

  test('a stopping node that has lost the lease reports nothing', async () => {
    await using open = await openPoller()
    open.send()
    await open.turn()
    open.pass(60_000)
    await open.poller[Symbol.asyncDispose]()
    expect(open.polls()).toHaveLength(1)
  })

  test('the started loop fetches SETs without calls of runOnce', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    open.poller.start()
    await expect.poll(() => open.polls()).toHaveLength(1)
    const jtis = open.send(2)
    await expect.poll(() => open.transmitter.stream().acked.toSorted()).toEqual(jtis.toSorted())
  })
})
