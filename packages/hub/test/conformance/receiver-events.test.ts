import { describe, expect, test } from 'vitest'
import { HubError } from '../../src/base/hub-error.ts'
import { eventCatalogue } from '@watchbell/receiver/events'
import { setErrOf } from '../../src/ingest/set-err.ts'
import { breakageNames, breakages } from '../../src/testing/breakages.ts'
import { ada, caep, deliveries, startReceiver, type Receiver } from './receiver.ts'

// The event part of the OpenID Foundation's receiver plans: what a receiver does with what comes over a stream.

const revoked = caep('session-revoked')
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
const streamPath = ({ providerId }: Receiver): string => `/v1/providers/${providerId}/stream`

/** The `jti` of the newest SET that the transmitter made for the stream, delivered or not. */
function newest(receiver: Receiver): string {
  const { waiting, pushes, acked, setErrs } = receiver.stream()
  const jti = waiting.at(-1)?.jti ?? pushes.at(-1)?.jti ?? acked.at(-1) ?? setErrs.at(-1)?.jti
  if (jti === undefined) throw new Error('There was no SET yet.')
  return jti
}

const patience = { timeout: 15_000, interval: 20 }

/** Until nothing waits at the transmitter any more. */
async function settled(receiver: Receiver): Promise<void> {
  await expect.poll(() => receiver.stream().waiting.length, patience).toBe(0)
}

async function verified(receiver: Receiver): Promise<void> {
  await expect.poll(async () => (await receiver.shown()).verified_at, patience).not.toBeNull()
}

describe.each(deliveries)('by %s', (delivery) => {
  test('a solicited verification proves the stream (SSF 1.0 §8.1.4.1)', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    const [asked] = receiver.transmitter.requests.filter(({ endpoint }) => endpoint === 'verification')
    const { stream_id: id, state } = JSON.parse(asked?.body ?? '{}') as { stream_id: string; state: string }
    expect(id).toBe(receiver.stream().id)
    expect(state.length).toBeGreaterThanOrEqual(16)
  })

  test('the System Log says that a verification is about the stream', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    await receiver.hub.handleAll()
    const query = new URLSearchParams({
      filter: 'eventType eq "security.events.provider.receive_event"',
    })
    const answer = await receiver.hub.api('GET', `/api/v1/logs?${query.toString()}`)
    expect(await answer.json()).toMatchObject([
      {
        displayMessage: 'Security events provider verified a stream',
        severity: 'INFO',
        target: [{ type: 'Stream' }],
      },
    ])
  })

  test('a verification can be asked for at any time, each with a state of its own (SSF 1.0 §8.1.4.1)', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    expect((await receiver.hub.api('POST', `${streamPath(receiver)}/verify`)).ok).toBe(true)
    const states = receiver.transmitter.requests
      .filter(({ endpoint }) => endpoint === 'verification')
      .map(({ body }) => (JSON.parse(body) as { state: string }).state)
    expect(new Set(states).size).toBe(2)
    await expect.poll(async () => (await receiver.signals('?outcome=refused')).length).toBe(0)
  })

  test('an unsolicited verification is taken, without a state (SSF 1.0 §8.1.4)', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    await receiver.transmitter.verify()
    expect(await receiver.verdict(newest(receiver))).toBe('taken')
  })

  test('one that comes before the create is answered is taken as well (SSF 1.0 §8.1.4, §8.1.4.2)', async () => {
    await using receiver = await startReceiver(delivery, {
      transmitter: { misbehaving: ['verify-at-creation'] },
    })
    await settled(receiver)
    await verified(receiver)
    expect(await receiver.signals('?outcome=refused')).toEqual([])
  })

  test.each([
    ['verify-wrong-state', 'invalid_state'],
    ['verify-wrong-subject', 'invalid_request'],
  ] as const)(
    'a verification is refused: %s gives %s (SSF 1.0 §8.1.4.1, SSF-C4, SSF-C5)',
    async (misbehaviour, err) => {
      await using receiver = await startReceiver(delivery, { transmitter: { misbehaving: [misbehaviour] } })
      await settled(receiver)
      const { pushes, setErrs } = receiver.stream()
      expect([...pushes, ...setErrs].map((answer) => answer.err)).toEqual([err])
      expect(await receiver.shown()).toMatchObject({ verified_at: null })
    },
  )

  test('a state that we never asked with is refused (SSF-C5)', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    receiver.transmitter.misbehaving.add('verify-unasked-state')
    await receiver.transmitter.verify()
    expect(await receiver.verdict(newest(receiver))).toBe('invalid_state')
  })

  test('a state is good once: another SET with it is refused, the same SET again is a repeat (SSF-C5, RFC 8935 §2)', async () => {
    await using receiver = await startReceiver(delivery, { transmitter: { misbehaving: ['sets-again'] } })
    await verified(receiver)
    await settled(receiver)
    expect(await receiver.signals('?outcome=refused')).toEqual([])
    const [asked] = receiver.transmitter.requests.filter(({ endpoint }) => endpoint === 'verification')
    const { state } = JSON.parse(asked?.body ?? '{}') as { state: string }
    const { transmitter } = receiver
    const stream = receiver.stream()
    transmitter.misbehaving.clear()
    const subject = { format: 'opaque', id: stream.id }
    const token = transmitter.sign({ jti: 'again', events: { [verification]: { state } }, subject })
    transmitter.enqueue(stream, 'again', token)
    expect(await receiver.verdict('again')).toBe('invalid_state')
  })

  test('events queued before the verification are taken, whatever comes first (SSF 1.0 §8.1.4.2)', async () => {
    await using receiver = await startReceiver(delivery, { transmitter: { misbehaving: ['verify-never'] } })
    const jtis = [
      receiver.transmitter.send({ type: revoked, subject: ada }),
      receiver.transmitter.send({ type: revoked, subject: ada }),
    ]
    receiver.transmitter.misbehaving.clear()
    await receiver.hub.api('POST', `${streamPath(receiver)}/verify`)
    await verified(receiver)
    for (const jti of jtis) expect(await receiver.verdict(jti)).toBe('taken')
  })

  test('every supported event type is taken and handled (SSF 1.0 §8.1.1, CAEP interop §2.3.8.2)', async () => {
    await using receiver = await startReceiver(delivery)
    const types = eventCatalogue
      .filter(({ family }) => family === 'caep' || family === 'risc')
      .map(({ type }) => type)
    const jtis = types.map((type) => receiver.transmitter.send({ type, subject: ada }))
    for (const jti of jtis) expect(await receiver.verdict(jti)).toBe('taken')
    await receiver.hub.handleAll()
    const signals = await receiver.signals('?limit=100')
    expect(signals.filter(({ jti }) => jtis.includes(jti ?? '')).map(({ outcome }) => outcome)).toEqual(
      types.map(() => 'handled'),
    )
  })

  test('the events of the CAEP interoperability profile are taken with every value (CAEP interop §2.5, §3)', async () => {
    await using receiver = await startReceiver(delivery)
    const reason = { reason_admin: { en: 'Policy violation' } }
    const subjects = [ada, { format: 'iss_sub', iss: 'https://idp.example', sub: 'ada' }]
    const claims = [
      ...['create', 'revoke', 'update', 'delete'].flatMap((change) =>
        [
          'password',
          'pin',
          'x509',
          'fido2-platform',
          'fido2-roaming',
          'fido-u2f',
          'verifiable-credential',
          'phone-voice',
          'phone-sms',
          'app',
        ].map(
          (credential) =>
            ['credential-change', { change_type: change, credential_type: credential }] as const,
        ),
      ),
      [
        'device-compliance-change',
        { previous_status: 'compliant', current_status: 'not-compliant' },
      ] as const,
      [
        'device-compliance-change',
        { previous_status: 'not-compliant', current_status: 'compliant' },
      ] as const,
      ['session-revoked', {}] as const,
      // as the foundation's suite sends it, in milliseconds
      ['session-revoked', { event_timestamp: Date.now() }] as const,
    ]
    const jtis = claims.flatMap(([name, members]) =>
      subjects.map((subject) =>
        receiver.transmitter.send({ type: caep(name), subject, claims: { ...members, ...reason } }),
      ),
    )
    for (const jti of jtis) expect(await receiver.verdict(jti)).toBe('taken')
    expect(await receiver.signals('?outcome=refused')).toEqual([])
  })

  test('every invalid SET is refused for its reason, and the next sound one is taken (RFC 8935 §2, §2.3, RFC 8936 §2.6)', async () => {
    await using receiver = await startReceiver(delivery)
    const { transmitter } = receiver
    await verified(receiver)
    const expected: Record<string, string> = {}
    const told: Record<string, string> = {}
    for (const name of breakageNames) {
      const jti = `broken-${name}`
      transmitter.enqueue(
        receiver.stream(),
        jti,
        await transmitter.signBroken(name, { type: revoked, subject: ada, jti }),
      )
      expected[name] = setErrOf(new HubError(breakages[name].code))?.err ?? 'invalid_request'
    }
    const sound = transmitter.send({ type: revoked, subject: ada })
    expect(await receiver.verdict(sound)).toBe('taken')
    // A key that is not there may be on its way: a polled SET waits for it (see keyGraceMs), a pushed one is refused.
    const waits = delivery === 'poll' ? ['kid'] : []
    for (const name of breakageNames.filter((name) => !waits.includes(name)))
      told[name] = await receiver.verdict(`broken-${name}`)
    for (const name of waits) delete expected[name]
    expect(told).toEqual(expected)
    expect(receiver.stream().acked.filter((jti) => jti.startsWith('broken'))).toEqual([])
  })

  test.each([
    ['sets-wrong-iss', 'invalid_issuer'],
    ['sets-wrong-aud', 'invalid_audience'],
    ['sets-tampered', 'invalid_key'],
  ] as const)('%s gives %s (SSF 1.0 §4.1.6, RFC 8935 §2)', async (misbehaviour, err) => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    receiver.transmitter.misbehaving.add(misbehaviour)
    expect(await receiver.verdict(receiver.transmitter.send({ type: revoked, subject: ada }))).toBe(err)
    receiver.transmitter.misbehaving.clear()
    expect(await receiver.verdict(receiver.transmitter.send({ type: revoked, subject: ada }))).toBe('taken')
  })

  test('redelivered SETs are taken again and change nothing (RFC 8935 §2, RFC 8936 §2.4, RFC 8417 §2.2)', async () => {
    await using receiver = await startReceiver(delivery, { transmitter: { misbehaving: ['sets-again'] } })
    const jti = receiver.transmitter.send({ type: revoked, subject: ada })
    expect(await receiver.verdict(jti)).toBe('taken')
    await settled(receiver)
    await expect
      .poll(async () => (await receiver.signals()).find((signal) => signal.jti === jti)?.repeats, patience)
      .toBeGreaterThanOrEqual(1)
    await receiver.hub.handleAll()
    const entries = (await (await receiver.hub.api('GET', '/api/v1/logs')).json()) as {
      eventType: string
      debugContext: { debugData: { jti?: string } }
    }[]
    expect(entries.filter((entry) => entry.debugContext.debugData.jti === jti)).toHaveLength(1)
  })

  test('a pause by the transmitter is shown, and what it held comes when it resumes (SSF 1.0 §8.1.5)', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    receiver.transmitter.setStatus('paused', 'licence expired')
    await expect.poll(async () => (await receiver.shown()).status, patience).toBe('paused')
    expect(JSON.stringify(await receiver.shown())).toContain('licence expired')
    const jti = receiver.transmitter.send({ type: revoked, subject: ada })
    receiver.transmitter.setStatus('enabled')
    expect(await receiver.verdict(jti)).toBe('taken')
    await expect.poll(async () => (await receiver.shown()).status, patience).toBe('enabled')
  })

  test('a stream-updated about another stream is refused (SSF-C4)', async () => {
    await using receiver = await startReceiver(delivery)
    await verified(receiver)
    receiver.transmitter.misbehaving.add('verify-wrong-subject')
    receiver.transmitter.setStatus('disabled')
    await settled(receiver)
    const { pushes, setErrs } = receiver.stream()
    expect([...pushes, ...setErrs].map((answer) => answer.err).at(-1)).toBe('invalid_request')
    expect(await receiver.shown()).toMatchObject({ status: 'enabled' })
  })

  test('events about a removed subject are no error (SSF 1.0 §9.3)', async () => {
    await using receiver = await startReceiver(delivery, {
      connect: { subjects: 'listed' },
      transmitter: { defaultSubjects: 'NONE', misbehaving: ['removed-subjects-go-on'] },
    })
    const subjects = `${streamPath(receiver)}/subjects`
    expect((await receiver.hub.api('POST', subjects, { subject: ada })).ok).toBe(true)
    expect(receiver.stream().added).toEqual([ada])
    expect((await receiver.hub.api('POST', `${subjects}/remove`, { subject: ada })).ok).toBe(true)
    expect(receiver.stream().removed).toEqual([ada])
    expect(await receiver.verdict(receiver.transmitter.send({ type: revoked, subject: ada }))).toBe('taken')
  })

  test('access tokens may end in the midst of it (SSF 1.0 §7.1.1, CAEP interop §2.7)', async () => {
    await using receiver = await startReceiver(delivery, { transmitter: { tokenLifetimeS: 60 } })
    for (let round = 0; round < 3; round++) {
      receiver.transmitter.revokeTokens()
      expect(await receiver.verdict(receiver.transmitter.send({ type: revoked, subject: ada }))).toBe('taken')
    }
  })

  test('a new key is taken at once, announced or not (SSF 1.0 §4.1.4)', async () => {
    await using receiver = await startReceiver(delivery)
    const { transmitter } = receiver
    for (const withdrawn of [false, true]) {
      await transmitter.rotateKey({ withdrawn })
      expect(await receiver.verdict(transmitter.send({ type: revoked, subject: ada }))).toBe('taken')
    }
  })
})

describe('only by push', () => {
  test('a push without the agreed Authorization is 401 with WWW-Authenticate (RFC 8935 §3)', async () => {
    await using receiver = await startReceiver('push')
    const { endpointUrl, authorization = '' } = receiver.stream()
    for (const given of [undefined, '', 'Bearer wrong', authorization.slice(0, -1), `${authorization}x`]) {
      const answer = await fetch(endpointUrl, {
        method: 'POST',
        headers: {
          'content-type': 'application/secevent+jwt',
          ...(given !== undefined && { authorization: given }),
        },
        body: 'x',
      })
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, expect.any(String)])
    }
  })
})

describe('only by poll', () => {
  test(
    'a key that is published late is waited for (SSF 1.0 §4.1.4, RFC 8936 §2.6)',
    { timeout: 90_000 },
    async () => {
      await using receiver = await startReceiver('poll')
      await verified(receiver)
      await receiver.transmitter.rotateKey({ unpublished: true })
      const early = receiver.transmitter.send({ type: revoked, subject: ada })
      await expect
        .poll(async () => (await receiver.shown()).last_error, patience)
        .toContain('wait at the transmitter')
      receiver.transmitter.publishKeys()
      expect(await receiver.verdict(early)).toBe('taken')
      expect(receiver.stream().setErrs).toEqual([])
    },
  )

  test('a SET under another name than its jti is refused under that name (SSF-C7)', async () => {
    await using receiver = await startReceiver('poll')
    await verified(receiver)
    receiver.transmitter.misbehaving.add('poll-wrong-key')
    const jti = receiver.transmitter.send({ type: revoked, subject: ada })
    expect(await receiver.verdict(`not-${jti}`)).toBe('invalid_request')
    expect(await receiver.signals(`?jti=${jti}&outcome=handled`)).toEqual([])
  })

  test('errors are reported with description and Content-Language (RFC 8936 §2.6)', async () => {
    await using receiver = await startReceiver('poll')
    await verified(receiver)
    receiver.transmitter.misbehaving.add('sets-tampered')
    const jti = receiver.transmitter.send({ type: revoked, subject: ada })
    await receiver.verdict(jti)
    expect(receiver.stream().setErrs).toEqual([
      { jti, err: 'invalid_key', description: expect.stringMatching(/.{10}/), contentLanguage: 'en' },
    ])
  })
})
