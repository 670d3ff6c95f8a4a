// The example SETs of OpenID RISC 1.0 §2, values as published, and Google's older dialect (§3.1).
import { describe, expect, test } from 'vitest'
import { readEvents } from '@watchbell/receiver/events'
import { verifiedSet } from '../../../receiver/test/verified-set.ts'

const prefix = 'https://schemas.openid.net/secevent/risc/event-type/'
const common = {
  iss: 'https://idp.example.com/',
  jti: '756E69717565206964656E746966696572',
  iat: 1_508_184_845,
}
const account = { format: 'iss_sub', iss: 'https://idp.example.com/', sub: '7375626A656374' }
const foo = { format: 'email', email: 'foo@example.com' }

describe('RISC 1.0 §2', () => {
  test.each<[string, object, object]>([
    ['account-credential-change-required', account, {}],
    ['account-purged', account, {}],
    ['account-disabled', account, { reason: 'hijacking' }],
    [
      'account-disabled',
      { format: 'phone_number', phone_number: '+1 206 555 0123' },
      { reason: 'hijacking' },
    ],
    ['account-enabled', foo, {}],
    [
      'identifier-changed',
      { format: 'email', email: 'john.doe@example.com' },
      { 'new-value': 'john.roe@example.com' },
    ],
    ['identifier-recycled', foo, {}],
    [
      'credential-compromise',
      { format: 'iss_sub', iss: 'https://idp.example.com/3456790/', sub: 'joe.smith@example.com' },
      { credential_type: 'password' },
    ],
    ['opt-in', account, {}],
    ['opt-out-initiated', account, {}],
    ['opt-out-cancelled', account, {}],
    ['opt-out-effective', account, {}],
    ['recovery-activated', account, {}],
    ['recovery-information-changed', account, {}],
    ['sessions-revoked', account, {}],
  ])('%s of %j', async (name, sub_id, event) => {
    const set = await verifiedSet({ ...common, sub_id, events: { [prefix + name]: event } })
    expect(readEvents(set)).toEqual([
      { type: prefix + name, family: 'risc', name, subject: sub_id, occurredAt: undefined, claims: event },
    ])
  })

  test('§3.1: when Google says format as well as subject_type, it is understood', async () => {
    const subject = { ...account, subject_type: 'iss-sub' }
    const set = await verifiedSet({ ...common, events: { [`${prefix}account-enabled`]: { subject } } })
    expect(readEvents(set)).toMatchObject([{ subject: account }])
  })
})
