import { describe, expect, test } from 'vitest'
import { HubError } from '../base/hub-error.ts'
import { startLocalServer } from '../../test/local-server.ts'
import { createTransmitterAccess } from './transmitter-auth.ts'
import { createTransmitterClient, type TransmitterClient } from './transmitter-client.ts'

const issuer = 'https://idp.example'
const good = { iss: issuer, stream_id: 's', aud: 'a', delivery: { method: 'urn:ietf:rfc:8935' } }

/** A client of a transmitter that answers each method as told, and the requests that it got. */
async function startClient(
  answers: Readonly<Record<string, readonly [number, unknown]>>,
  audience?: readonly string[],
) {
  const asked: string[] = []
  const bodies: unknown[] = []
  const server = await startLocalServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`)
    const [status, body] = answers[request.method ?? ''] ?? [500, {}]
    const chunks: Buffer[] = []
    request
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('end', () => {
        if (chunks.length > 0) bodies.push(JSON.parse(Buffer.concat(chunks).toString()))
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(body === undefined ? '' : JSON.stringify(body))
      })
  })
  const url = `${server.origin}/streams?tenant=1`
  const client = createTransmitterClient({
    access: createTransmitterAccess(
      { world: { fetch: globalThis.fetch, now: () => new Date() } },
      {
        auth: { method: 'bearer' },
        secrets: { bearerToken: 't', pushAuthorization: '' },
        issuer,
        resource: url,
      },
    ),
    endpoints: {
      metadataUrl: url,
      configuration: url,
      status: url,
      verification: undefined,
      addSubject: undefined,
      removeSubject: undefined,
      deliveryMethods: undefined,
      defaultSubjects: undefined,
      criticalSubjectMembers: [],
    },
    issuer,
    audience,
    urlProblem: (text) => (text.startsWith('http:') ? 'it is over http' : undefined),
  })
  return { client, asked, bodies, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function problem(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('the answer was accepted'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof HubError)) throw error
  return `${error.code}: ${error.detail}`
}

const whole = { delivery: { method: 'urn:ietf:rfc:8935' }, events_requested: ['urn:a'] }

describe('the checks of an answer (SSF 1.0 §8.1.1.1.1, §8.1.1.2)', () => {
  test.each<readonly [string, unknown, string]>([
    ['another iss', { ...good, iss: `${issuer}/` }, 'its iss is'],
    ['no iss', { ...good, iss: undefined }, 'its iss is missing'],
    ['no stream_id', { ...good, stream_id: undefined }, 'stream_id is missing'],
    ['an empty stream_id', { ...good, stream_id: '' }, 'stream_id'],
    ['a number as stream_id', { ...good, stream_id: 1 }, 'stream_id'],
    ['another stream', { ...good, stream_id: 't' }, 'about the stream t'],
    ['no aud', { ...good, aud: undefined }, 'aud is missing'],
    ['an empty aud', { ...good, aud: [] }, 'aud'],
    [
      'a poll URL that may not be reached',
      { ...good, delivery: { method: 'urn:ietf:rfc:8936', endpoint_url: 'http://x/' } },
      'over http',
    ],
    ['a text', 'stream', 'not a JSON object'],
    ['nothing', undefined, 'not a JSON object'],
  ])('%s', async (_, body, why) => {
    await using at = await startClient({ GET: [200, body] })
    const message = await problem(at.client.read('s'))
    expect(message).toMatch(/^stream\.answer_unusable: Reading the stream: /)
    expect(message).toContain(why)
  })

  test.each<readonly [string, unknown, string | undefined]>([
    ['an object', good, 's'],
    ['an array with it', [{ ...good, stream_id: 'other' }, good], 's'],
    ['an array without it', [{ ...good, stream_id: 'other' }], undefined],
    ['an empty array', [], undefined],
  ])('%s is read', async (_, body, streamId) => {
    await using at = await startClient({ GET: [200, body] })
    expect((await at.client.read('s'))?.streamId).toBe(streamId)
    expect(at.asked).toEqual(['GET /streams?tenant=1&stream_id=s']) // SSF 1.0 §8.1.1.5, whatever else stands in the query
  })

  test.each<readonly [number, unknown, number]>([
    [200, [good], 1],
    [200, good, 1],
    [200, [], 0],
    [404, {}, 0],
  ])('a list of status %i %j', async (status, body, count) => {
    await using at = await startClient({ GET: [status, body] })
    expect(await at.client.list()).toHaveLength(count)
  })
})

describe('changes', () => {
  test.each([405, 501])(
    'a transmitter that answers PATCH with %i gets the whole stream by PUT (SSF 1.0 §8.1.1.4)',
    async (status) => {
      await using at = await startClient({ PATCH: [status, {}], PUT: [200, good] })
      expect(await at.client.change('s', { description: 'x' }, whole)).toMatchObject({ streamId: 's' })
      expect(at.asked.map((line) => line.split(' ')[0])).toEqual(['PATCH', 'PUT'])
    },
  )

  test('a member is removed by PUT, because a PATCH keeps absent members (SSF 1.0 §8.1.1.4)', async () => {
    await using at = await startClient({ PUT: [200, good] })
    const changes = { description: undefined, events_requested: [] }
    expect(await at.client.change('s', changes, whole)).toMatchObject({ streamId: 's' })
    expect(at.asked.map((line) => line.split(' ')[0])).toEqual(['PUT'])
  })

  test('a 202 is not read as the changed stream (SSF 1.0 §8.1.1.3)', async () => {
    await using at = await startClient({ PATCH: [202, undefined], POST: [202, undefined] })
    expect(await at.client.change('s', {}, whole)).toBeUndefined()
    expect(await at.client.setStatus('s', { status: 'paused', reason: undefined })).toBeUndefined()
  })

  test('a 409 gives no stream and is no failure (SSF 1.0 §8.1.1.1)', async () => {
    await using at = await startClient({ POST: [409, { error: 'exists' }] })
    expect(await at.client.create(whole)).toBeUndefined()
  })

  test.each<readonly [number, string]>([
    [400, 'stream.transmitter_refused'],
    [401, 'stream.transmitter_refused'],
    [403, 'stream.transmitter_refused'],
    [404, 'stream.transmitter_refused'],
    [418, 'stream.transmitter_refused'],
    [429, 'stream.transmitter_unavailable'],
    [500, 'stream.transmitter_unavailable'],
    [503, 'stream.transmitter_unavailable'],
  ])('status %i becomes %s, with the transmitter’s message', async (status, code) => {
    await using at = await startClient({
      POST: [status, { err: 'e', description: 'Because\nof\u202ethis.' }],
    })
    const message = await problem(at.client.create(whole))
    expect(message).toContain(`${code}: Creating the stream failed: 127.0.0.1`)
    expect(message).toContain(`status ${status} and said: e: Because\u{FFFD}of\u{FFFD}this. `.trimEnd())
  })
})

test.each<readonly [string, (client: TransmitterClient) => Promise<unknown>, string]>([
  ['verification', (client) => client.verify('s', 'x'), 'verification_endpoint'],
  ['adding a subject', (client) => client.addSubject('s', {}, undefined), 'add_subject_endpoint'],
  ['removing one', (client) => client.removeSubject('s', {}), 'remove_subject_endpoint'],
])('%s is not requested when the metadata has no endpoint for it', async (_, verb, member) => {
  await using at = await startClient({})
  expect(await problem(verb(at.client))).toBe(
    `stream.unsupported: The transmitter's metadata has no ${member}.`,
  )
  expect(at.asked).toEqual([])
})

test.each([{}, { status: 'on' }, { status: null }, [], 'enabled'])('%j is no status', async (body) => {
  await using at = await startClient({ GET: [200, body] })
  expect(await problem(at.client.status('s'))).toContain('stream.answer_unusable: Reading the status')
})

describe('a create (SSF 1.0 §8.1.1.1)', () => {
  const poll = { method: 'urn:ietf:rfc:8936' }
  const wanted = { delivery: poll, events_requested: ['urn:a'] }
  const made = { ...good, delivery: { ...poll, endpoint_url: 'https://idp.example/poll/s' } }

  test('a create request has the given audience, and no other member of the transmitter’s', async () => {
    await using at = await startClient({ POST: [201, { ...made, aud: undefined }] }, ['hub', 'other'])
    expect(await at.client.create(wanted)).toMatchObject({ aud: ['hub', 'other'] })
    await using plain = await startClient({ POST: [201, made] })
    await plain.client.create(wanted)
    expect([...at.bodies, ...plain.bodies]).toEqual([{ ...wanted, aud: ['hub', 'other'] }, wanted])
  })

  test.each([['Bearer poll-token'], ['plain'], [null], [''], [undefined]])(
    'the stream is polled with the authorization_header of its answer: %j',
    async (value) => {
      const delivery = { ...made.delivery, authorization_header: value }
      await using at = await startClient({ POST: [201, { ...made, delivery }] })
      expect((await at.client.create(wanted))?.pollAuthorization).toBe(value || undefined)
    },
  )

  test('the authorization_header of a push stream is not used for polls', async () => {
    const push = { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://hub.example/x' }
    const delivery = { ...push, authorization_header: 'Bearer x' }
    await using at = await startClient({ POST: [201, { ...good, delivery }] })
    const created = await at.client.create({ ...wanted, delivery: { ...push, authorization_header: 'a' } })
    expect(created?.pollAuthorization).toBeUndefined()
  })

  test.each<readonly [string, unknown]>([
    ['another iss', { ...made, iss: 'https://somebody-else.example' }],
    ['no aud', { ...made, aud: undefined }],
    ['no poll URL', good],
    ['another method', { ...good, delivery: { method: 'urn:ietf:rfc:8935' } }],
    [
      'an Authorization that is none',
      { ...made, delivery: { ...made.delivery, authorization_header: 'a\r\nb' } },
    ],
    [
      'an Authorization that is a list',
      { ...made, delivery: { ...made.delivery, authorization_header: [] } },
    ],
  ])('a created stream with %s is deleted again', async (_, body) => {
    await using at = await startClient({ POST: [201, body], DELETE: [204, undefined] })
    expect(await problem(at.client.create(wanted))).toMatch(/^stream\.answer_unusable: /)
    expect(at.asked).toEqual(['POST /streams?tenant=1', 'DELETE /streams?tenant=1&stream_id=s'])
  })

  test('the first error stays when the deletion fails, and nothing is deleted without an id', async () => {
    await using at = await startClient({ POST: [201, { ...made, iss: 'x' }], DELETE: [500, {}] })
    expect(await problem(at.client.create(wanted))).toContain('its iss is')
    await using nameless = await startClient({ POST: [201, { ...made, stream_id: 7 }] })
    expect(await problem(nameless.client.create(wanted))).toContain('stream_id')
    expect(nameless.asked).toEqual(['POST /streams?tenant=1'])
  })

  test.each([
    ['ALL', 'ALL'],
    ['NONE', 'NONE'],
    ['SOME', undefined],
    [undefined, undefined],
  ])('default_subjects %j of its answer is %j', async (given, read) => {
    await using at = await startClient({ POST: [201, { ...made, default_subjects: given }] })
    expect((await at.client.create(wanted))?.defaultSubjects).toBe(read)
  })
})

describe('the message of a refusal', () => {
  const wanted = {
    delivery: {
      method: 'urn:ietf:rfc:8935',
      endpoint_url: 'https://hub.example/x',
      authorization_header: 'Bearer very-secret-value',
    },
    events_requested: ['urn:a'],
  }

  test.each<readonly [unknown, string]>([
    [
      { events_requested: { '0': ['"urn:a" is not a valid choice.'] } },
      'and said: {"events_requested":{"0":["\\"urn:a\\" is not a valid choice."]}}',
    ],
    [['Bad.'], 'and said: ["Bad."]'],
    [{ error: 'stream_error', error_description: 'Not so' }, 'and said: stream_error: Not so.'],
  ])('%j is shown', async (body, message) => {
    await using at = await startClient({ POST: [400, body] })
    expect(await problem(at.client.create(wanted))).toContain(message)
  })

  test('the message is shortened, and secrets that it repeats are removed', async () => {
    const { delivery } = wanted
    await using at = await startClient({
      POST: [
        400,
        { delivery, bare: 'very-secret-value', token: 'Bearer t0ken.x', padding: 'x'.repeat(1_000) },
      ],
    })
    const message = await problem(at.client.create(wanted))
    expect(message).toContain('{"delivery":{"method":"urn:ietf:rfc:8935"')
    expect(message).not.toMatch(/very-secret-value|t0ken/)
    expect(message.length).toBeLessThan(500)
  })
})
