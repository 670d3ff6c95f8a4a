// The example SETs of OpenID Shared Signals Framework 1.0: §4.1.8, §5, §8.1.4.2 and §8.1.5, values as published.
import { expect, test } from 'vitest'
import { readEvents } from '@watchbell/receiver/events'
import { parseToken, generateSigningKey, signSet } from '@watchbell/receiver/set'
import { verifiedSet } from '../../../receiver/test/verified-set.ts'

const prefix = 'https://schemas.openid.net/secevent/'
const stream = { format: 'opaque', id: 'f67e39a0a4d34d56b3aa1bc4cff0069f' }
const common = {
  jti: '123456',
  iss: 'https://transmitter.example.com',
  aud: 'receiver.example.com',
  iat: 1_493_856_000,
}

test('§8.1.4.2: a verification event', async () => {
  const events = {
    [`${prefix}ssf/event-type/verification`]: { state: 'VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo=' },
  }
  expect(readEvents(await verifiedSet({ ...common, sub_id: stream, events }))).toEqual([
    {
      type: `${prefix}ssf/event-type/verification`,
      family: 'ssf',
      name: 'verification',
      subject: stream,
      occurredAt: undefined,
      claims: { state: 'VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo=' },
    },
  ])
})

test('§8.1.5: a stream-updated event', async () => {
  const events = {
    [`${prefix}ssf/event-type/stream-updated`]: { status: 'paused', reason: 'Internal error' },
  }
  expect(readEvents(await verifiedSet({ ...common, sub_id: stream, events }))).toMatchObject([
    {
      family: 'ssf',
      name: 'stream-updated',
      subject: stream,
      claims: { status: 'paused', reason: 'Internal error' },
    },
  ])
})

test('§4.1.8: several audiences, and a txn that is a number', async () => {
  const set = await verifiedSet({
    ...common,
    aud: ['receiver.example.com/web', 'receiver.example.com/mobile'],
    txn: 8_675_309,
    sub_id: { format: 'opaque', id: '72e6991badb44e08a69672960053b342' },
    events: { [`${prefix}ssf/event-type/verification`]: { state: 'x' } },
  })
  expect(set).toMatchObject({
    aud: ['receiver.example.com/web', 'receiver.example.com/mobile'],
    txn: '8675309',
  })
})

test('§5: a complex subject', async () => {
  const iss = 'https://idp.example.com/3957ea72-1b66-44d6-a044-d805712b9288/'
  const sub_id = {
    format: 'complex',
    user: { format: 'iss_sub', iss, sub: 'jane.smith@example.com' },
    device: { format: 'iss_sub', iss, sub: 'e9297990-14d2-42ec-a4a9-4036db86509a' },
  }
  const event = {
    initiating_entity: 'policy',
    reason_admin: { en: 'Policy Violation: C076E82F' },
    reason_user: { en: 'Land speed violation.', es: 'Violación de velocidad en tierra.' },
    event_timestamp: 1_600_975_810,
  }
  const events = { [`${prefix}caep/event-type/session-revoked`]: event }
  expect(readEvents(await verifiedSet({ ...common, txn: 8_675_309, sub_id, events }))).toMatchObject([
    { subject: sub_id, claims: event, occurredAt: 1_600_975_810_000 },
  ])
})

test('§5: a proprietary subject is kept (SSF 1.0 §3.4)', async () => {
  const sub_id = { format: 'catalog_item', catalog_id: 'c0384/winter/2354122' }
  const events = { [`${prefix}caep/event-type/token-claims-change`]: { claims: { role: 'ro-admin' } } }
  expect(readEvents(await verifiedSet({ ...common, sub_id, events }))).toMatchObject([{ subject: sub_id }])
})

test('§4.1.1: the HS256 of the example header is not for receivers that verify with published keys (RFC 8725 §3.1)', async () => {
  const key = await generateSigningKey('EdDSA')
  const compact = signSet({ key, claims: common, header: { alg: 'HS256' } })
  expect(() => parseToken(compact)).toThrow(expect.objectContaining({ code: 'set.algorithm_refused' }))
})
