import { describe, expect, test, vi } from 'vitest'
import { runInProcess } from '../run-cli.ts'
import { ada, startStreamSite, type StreamSite } from './with-stream.ts'

interface Made {
  readonly stream_id: string
  readonly aud: string
  readonly delivery: { readonly endpoint_url: string }
}

/** What the operator of the transmitter does, with a token that is also the credential to poll with. */
async function makeAsOperator({ transmitter }: StreamSite): Promise<Made> {
  const answer = await fetch(`${transmitter.origin}/ssf/streams`, {
    method: 'POST',
    headers: { authorization: 'Bearer static-token', 'content-type': 'application/json' },
    body: JSON.stringify({ delivery: { method: 'urn:ietf:rfc:8936' } }),
  })
  return (await answer.json()) as Made
}

const draftOf = ({ stream_id, aud, delivery }: Made, over: object = {}): object => ({
  delivery: 'poll',
  auth: { method: 'bearer', token: 'static-token' },
  audience: [aud],
  existing: { stream_id, poll_url: delivery.endpoint_url },
  ...over,
})

const managed = (site: StreamSite): readonly string[] =>
  site.transmitter.requests.flatMap(({ method, endpoint }) =>
    ['configuration', 'status', 'verification', 'subjects'].includes(endpoint ?? '') ? [method] : [],
  )

async function revoke(site: StreamSite): Promise<void> {
  const jti = site.transmitter.send({ type: 'session-revoked', subject: ada })
  await vi.waitFor(
    async () => {
      await site.hub.handleAll()
      expect(await site.signals(`?jti=${jti}`)).toMatchObject([{ outcome: 'handled', via: 'poll' }])
    },
    { timeout: 20_000 },
  )
}

describe('a stream created by the transmitter’s operator', () => {
  test('is polled with its credential, and the hub does not manage it', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 200 } })
    const made = await makeAsOperator(site)
    expect(await site.connect(draftOf(made))).toMatchObject({
      existing: { stream_id: made.stream_id, poll_url: made.delivery.endpoint_url },
      transmitter: { stream_id: made.stream_id, aud: [made.aud], endpoint_url: made.delivery.endpoint_url },
      last_error: null,
    })
    await revoke(site)
    site.transmitter.setStatus('paused', 'night')
    await vi.waitFor(async () => expect(await site.shown()).toMatchObject({ status: 'paused' }), {
      timeout: 20_000,
    })
    site.transmitter.setStatus('enabled')
    expect(await (await site.api('GET', '/health')).json()).toMatchObject({ healthy: true })
    expect((await site.api('PATCH', '', { polling: 'short' })).status).toBe(200)
    await revoke(site)
    for (const [path, method, body] of [
      ['/verify', 'POST', undefined],
      ['/status', 'GET', undefined],
      ['/status', 'PUT', { status: 'paused' }],
      ['/subjects', 'POST', { subject: ada }],
    ] as const) {
      expect([path, (await site.api(method, path, body)).status]).toEqual([path, 400])
    }
    expect((await site.api('DELETE')).status).toBe(204)
    expect(managed(site)).toEqual(['POST']) // the operator's own
    expect(site.transmitter.streams).toHaveLength(1)
  })

  test('is healthy without metadata of the transmitter', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 200 } })
    site.transmitter.fail('metadata', { status: 404 }, Infinity)
    await site.connect(draftOf(await makeAsOperator(site)))
    await revoke(site)
    expect(await (await site.api('GET', '/health')).json()).toMatchObject({ healthy: true })
  })

  test('replaces one that the hub created, which is deleted', async () => {
    await using site = await startStreamSite({ transmitter: { streamsPerReceiver: 2, longPollMs: 200 } })
    const before = await site.connect({ delivery: 'poll' })
    const made = await makeAsOperator(site)
    expect(await site.connect(draftOf(made))).toMatchObject({ id: before.id, last_error: null })
    expect(site.transmitter.streams.map(({ id }) => id)).toEqual([made.stream_id])
    await revoke(site)
  })

  test('reports tokens with another audience', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 200 } })
    await site.connect(draftOf(await makeAsOperator(site), { audience: ['hub.example'] }))
    site.transmitter.send({ type: 'session-revoked', subject: ada })
    await vi.waitFor(
      async () =>
        expect(await site.signals('?outcome=refused')).toMatchObject([{ code: 'set.wrong_audience' }]),
      { timeout: 20_000 },
    )
  })

  test.each<readonly [object, string]>([
    [{ delivery: 'push' }, 'delivery: must be poll'],
    [{ audience: undefined }, 'audience: is needed'],
    [{ existing: 'x' }, 'existing: must be an object'],
    [{ existing: { stream_id: 's' } }, 'existing.poll_url: is needed'],
    [{ existing: { poll_url: 'https://idp.example/poll' } }, 'existing.stream_id: is needed'],
    [
      { existing: { stream_id: 's', poll_url: 'https://169.254.169.254/' } },
      'existing.poll_url: is not valid',
    ],
    [{ existing: { stream_id: 's', poll_url: 'poll' } }, 'existing.poll_url: is not valid'],
    [
      { existing: { stream_id: 's', poll_url: 'https://idp.example/', secret: 'x' } },
      'existing.secret: is not known',
    ],
    [{ events_requested: ['urn:a'] }, 'events_requested: cannot be set for an existing stream'],
    [{ subjects: 'listed' }, 'subjects: cannot be set for an existing stream'],
  ])('%j is refused', async (over, message) => {
    await using site = await startStreamSite()
    const made = { stream_id: 's', aud: 'a', delivery: { endpoint_url: 'https://idp.example/poll' } }
    const answer = await site.api('PUT', '', draftOf(made, over))
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain(message)
  })

  test('works on the command line', async () => {
    await using site = await startStreamSite({ transmitter: { longPollMs: 200 } })
    const { stream_id, aud, delivery } = await makeAsOperator(site)
    const env = { WATCHBELL_URL: site.hub.origin, WATCHBELL_TOKEN: site.hub.adminToken }
    const connect = ['stream', 'connect', site.providerId, '--poll', '--secret', 'static-token']
    const whole = [
      ...connect,
      '--stream-id',
      stream_id,
      '--poll-url',
      delivery.endpoint_url,
      '--audience',
      aud,
    ]
    expect(await runInProcess(whole, { env })).toMatchObject({ exitCode: 0 })
    await revoke(site)
    const half = await runInProcess([...connect, '--stream-id', stream_id], { env })
    expect(half).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('belong together') })
  })
})
