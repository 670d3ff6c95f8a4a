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

/** A poller with a clock to turn, one stream at an emulated transmitter, and an inbox that can be told to say no. */
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
    /** As NTP sets a clock: no time passes. */
    setClockAhead: (ms: number) => (setAheadMs += ms),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

function connected({ origin }: EmulatedTransmitter, id: string, polling: 'short' | undefined): PolledStream {
  const endpointUrl = `${origin}/ssf/poll/${id}`
  // of a stream the poller reads only these members
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
  test('takes what there is, and acknowledges it with the next one (RFC 8936 §2.2, §2.4)', async () => {
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

  test('goes on while there is more, at most maxEvents each time (RFC 8936 §2.3)', async () => {
    await using open = await openPoller({ limits: { pollEventsMax: 2 } })
    const jtis = open.send(5)
    expect([await open.turn(), await open.turn(), await open.turn()]).toEqual([2, 2, 1])
    expect(open.taken).toHaveLength(jtis.length)
  })

  test('takes more than it asked for', async () => {
    await using open = await openPoller({
      limits: { pollEventsMax: 1 },
      transmitter: { misbehaving: ['poll-ignores-max'] },
    })
    open.send(4)
    expect(await open.turn()).toBe(4)
  })

  test('looks at so many SETs of an answer and no more; the others come again', async () => {
    await using open = await openPoller({
      limits: { answerSetsMax: 3 },
      transmitter: { misbehaving: ['poll-ignores-max'] },
    })
    const jtis = open.send(5)
    expect([await open.turn(), await open.turn()]).toEqual([3, 2])
    expect(open.taken.toSorted()).toEqual(jtis.toSorted())
  })

  test('short polling asks at its interval, and acknowledges at once (RFC 8936 §2.4)', async () => {
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

  test('what was stored before is acknowledged like what is new (RFC 8936 §2.4)', async () => {
    await using open = await openPoller()
    const [jti = ''] = open.send()
    open.taken.push(jti)
    await open.turn()
    await open.turn()
    expect(open.transmitter.stream().acked).toEqual([jti])
  })

  test('what is refused is reported in words and never acknowledged (RFC 8936 §2.4.4)', async () => {
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

  test('a SET that is no token, or no string, is refused like any other (RFC 8936 §2.4.4)', async () => {
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

describe('a SET that cannot be taken for a while stays with the transmitter', () => {
  test.each([
    [
      'the keys cannot be fetched',
      new HubError('keys.unavailable', { detail: 'no keys', retryAfterS: 9 }),
      9_000,
    ],
    ['the storage is away', new HubError('hub.unavailable', { detail: 'no disk' }), 500],
    [
      'the provider is over its budget',
      new HubError('request.rate_limited', { detail: 'over', retryAfterS: 42 }),
      42_000,
    ],
    ['too much waits', new HubError('hub.overloaded', { retryAfterS: 1 }), 1_000],
    ['the provider was deactivated meanwhile', new HubError('set.provider_inactive'), 500],
    ['its key is not published yet', new HubError('set.unknown_key'), 500],
  ])('when %s', async (_, error, pauseMs) => {
    await using open = await openPoller()
    const [good = '', held = ''] = open.send(2)
    open.refuse.set(held, error)
    expect(await open.turn()).toBe(1)
    // what was taken is acknowledged at once, as the next poll is not
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

  test('for its key, also when the clock is set meanwhile', async () => {
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

  test('but not for ever for a key that never comes (RFC 8936 §2.6)', async () => {
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

test('a key that never comes is not waited for for ever where the transmitter pauses between deliveries (RFC 8936 §2.6)', async () => {
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

describe('every failure has its pace, and none spins', () => {
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
      '429 with an absurd one',
      (t) => t.fail('poll', { status: 429, headers: { 'retry-after': '99999' } }),
      600_000,
      'status 429',
    ],
    ['403', (t) => t.fail('poll', { status: 403 }), 225_000, 'do not permit this'],
    ['404', (t) => t.fail('poll', { status: 404 }), 225_000, 'does not know the stream'],
    ['400', (t) => t.fail('poll', { status: 400 }), 225_000, 'does not understand us'],
    ['401 whatever the token', (t) => t.misbehaving.add('tokens-never-good'), 225_000, 'not even new ones'],
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
      'No access token could be asked for',
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

  test('a token that ended or was revoked is replaced once, within the same poll (SSF 1.0 §7.1.1)', async () => {
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

  test('a stream that was changed is polled at once, whatever pause a failure earned it', async () => {
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

  test('a clock that is set back stops nothing', async () => {
    await using open = await openPoller({ polling: 'short' })
    await open.turn()
    open.pass(-3_600_000)
    const jtis = open.send()
    await open.turn()
    expect(open.taken).toEqual(jtis)
  })

  test('failures in a row wait longer and longer, up to a bound', async () => {
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

  test('an empty answer that comes at once is asked for at an interval only', async () => {
    await using open = await openPoller()
    await open.turn()
    open.pass(4_999)
    await open.turn()
    expect(open.polls()).toHaveLength(1)
    open.pass(1)
    await open.turn()
    expect(open.polls()).toHaveLength(2)
  })

  test('SETs that come again after each acknowledgement slow it down (RFC 8936 §2.4)', async () => {
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

  test('a SET that comes again among ever new ones that are refused is no progress', async () => {
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

  test('after SETs that were refused the next question may be held open again', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 200, body: { sets: { bad: 'x' } } })
    await open.turn()
    expect(open.transmitter.stream().setErrs).toHaveLength(1)
    open.pass(500)
    await open.turn()
    expect(open.bodies().at(-1)).toMatchObject({ maxEvents: 250, returnImmediately: false })
  })

  test('after a failure the first question is a short one', async () => {
    await using open = await openPoller()
    open.transmitter.fail('poll', { status: 500 })
    await open.turn()
    open.pass(60_000)
    await open.turn()
    open.pass(60_000)
    await open.turn()
    expect(open.bodies().map((body) => body['returnImmediately'])).toEqual([false, true, false])
  })

  test('a long poll that something cuts after a while is no failure', async () => {
    await using open = await openPoller({ limits: { longPollCutMs: 0 } })
    open.transmitter.fail('poll', { status: 504 })
    await open.turn()
    expect(open.lastError()).toBeUndefined()
    open.transmitter.fail('poll', { status: 504 })
    open.pass(60_000)
    await open.turn() // the short one after it tells whether the transmitter is there
    expect(open.lastError()).toContain('status 504')
  })

  test('answers that are too large are asked for in halves', async () => {
    await using open = await openPoller({ limits: { answerBytesMax: 2_000, pollEventsMax: 8 } })
    const jtis = open.send(8)
    for (let round = 0; round < 20; round++) {
      await open.turn()
      open.pass(60_000)
    }
    expect(new Set(open.taken)).toEqual(new Set(jtis))
    expect(open.transmitter.stream().waiting).toEqual([])
  })

  test('acknowledgements that the transmitter does not understand are not repeated for ever', async () => {
    await using open = await openPoller()
    open.send()
    await open.turn()
    open.transmitter.fail('poll', { status: 400 })
    await open.turn()
    open.pass(300_000)
    await open.turn()
    expect(open.bodies().at(-2)).not.toHaveProperty('ack') // then it came again, was known, and was acknowledged
    expect(open.transmitter.stream().acked).toHaveLength(1)
  })
})

test('an answer that is lost costs nothing: it comes again, and what was told is told again (RFC 8936 §2.4)', async () => {
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

describe('polls at the same time', () => {
  test('a stream has one, however often the crank is turned (RFC 8936 §2.2)', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 50 } })
    await Promise.all([open.turn(), open.turn(), open.turn()])
    expect(open.transmitter.stream().pollsAtOnceMax).toBe(1)
  })

  test('only the node that has the lease polls, the other when it is over', async () => {
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

  test('a node whose clock was set back asks for the lease anew', async () => {
    await using open = await openPoller()
    const name = `poll/${open.polled[0]?.id ?? ''}`
    await open.turn()
    open.pass(-86_400_000)
    open.leases.set(name, { holder: 'another node', until: Infinity })
    await open.turn()
    expect(open.polls()).toHaveLength(1)
  })

  test('a lease that could not be asked for is not held', async () => {
    const leases = new Map<string, { holder: string; until: number }>()
    await using open = await openPoller({ leases })
    const asked = leases.get.bind(leases)
    leases.get = () => {
      throw new Error('the storage is away')
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

  test('the poll of a stream that is polled no more is given up', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    const open1 = open.turn()
    await expect.poll(() => open.polls()).toHaveLength(1)
    open.polled.length = 0
    await open.turn()
    expect(await open1).toBe(0)
    expect(open.leases.size).toBe(0)
  })

  test('stopping gives up what is held open', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    open.poller.start()
    await expect.poll(() => open.polls()).toHaveLength(1)
    await open.poller[Symbol.asyncDispose]()
    expect(open.notes).toEqual([])
  })

  test('what was taken or refused is told when it stops, although no poll is due (RFC 8936 §2.4, §2.6)', async () => {
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

  test('also when a poll that would have told it is held open', async () => {
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
  ])('a %s that does not answer then keeps nobody from stopping', async (_, fail) => {
    await using open = await openPoller({ limits: { farewellMs: 50 } })
    open.send()
    await open.turn()
    fail(open.transmitter)
    await open.poller[Symbol.asyncDispose]() // within the time of a test
    expect(open.transmitter.stream().acked).toEqual([])
    open.transmitter.mend()
  })

  test('a node that has lost the lease tells nothing: another one may have told it', async () => {
    await using open = await openPoller()
    open.send()
    await open.turn()
    open.pass(60_000)
    await open.poller[Symbol.asyncDispose]()
    expect(open.polls()).toHaveLength(1)
  })

  test('the started loop takes what comes, without being turned', async () => {
    await using open = await openPoller({ transmitter: { longPollMs: 60_000 } })
    open.poller.start()
    await expect.poll(() => open.polls()).toHaveLength(1)
    const jtis = open.send(2)
    await expect.poll(() => open.transmitter.stream().acked.toSorted()).toEqual(jtis.toSorted())
  })
})
