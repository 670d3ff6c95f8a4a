// The example SETs of RFC 8417 §2.1, signed as a transmitter would. Some of them SSF 1.0 §4.1 has outlawed since.
import { expect, test } from 'vitest'
import { readEvents } from '@watchbell/receiver/events'
import { parseToken, generateSigningKey, signSet } from '@watchbell/receiver/set'
import { verifiedSet } from '../../../receiver/test/verified-set.ts'

const key = await generateSigningKey('EdDSA')

const figure1 = {
  iss: 'https://scim.example.com',
  iat: 1_458_496_025,
  jti: '3d0c3cf797584bd193bd0fb1bd4e7d30',
  aud: [
    'https://jhub.example.com/Feeds/98d52461fa5bbc879593b7754',
    'https://jhub.example.com/Feeds/5d7604516b1d08641d7676ee7',
  ],
  sub: 'https://scim.example.com/Users/44f6142df96bd6ab61e7521d9',
  events: {
    'urn:ietf:params:scim:event:passwordReset': { id: '44f6142df96bd6ab61e7521d9' },
    'https://example.com/scim/event/passwordResetExt': { resetAttempts: 5 },
  },
}

const figure2 = {
  iss: 'https://server.example.com',
  sub: '248289761001',
  aud: 's6BhdRkqt3',
  iat: 1_471_566_154,
  jti: 'bWJq',
  sid: '08a5019c-17e1-4977-8f42-65a12843ea02',
  events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
}

const figure3 = {
  iss: 'https://my.med.example.org',
  iat: 1_458_496_025,
  jti: 'fb4e75b5411e4e19b6c0fe87950f7749',
  aud: ['https://rp.example.com'],
  events: {
    'https://openid.net/heart/specs/consent.html': {
      iss: 'https://connect.example.com',
      sub: '248289761001',
      consentUri: ['https://terms.med.example.org/labdisclosure.html#Agree'],
    },
  },
}

const figure4 = {
  iss: 'https://idp.example.com/',
  jti: '756E69717565206964656E746966696572',
  iat: 1_508_184_845,
  aud: '636C69656E745F6964',
  events: {
    'https://schemas.openid.net/secevent/risc/event-type/account-disabled': {
      subject: { subject_type: 'iss-sub', iss: 'https://idp.example.com/', sub: '7375626A656374' },
      reason: 'hijacking',
    },
  },
}

test.each([
  ['1, a password reset in SCIM', figure1],
  ['2, a back-channel logout', figure2],
])('figure %s, is refused for its sub (SSF 1.0 §4.1.2)', (_, claims) => {
  expect(() => parseToken(signSet({ key, claims }))).toThrow(
    expect.objectContaining({
      code: 'set.claim_invalid',
      detail: expect.stringContaining('must not have sub'),
    }),
  )
})

test('figure 1 with sub_id in the place of sub: the event and its extension are both kept (SSF 1.0 §4.2.1)', async () => {
  const { sub: uri, ...claims } = figure1
  const events = readEvents(await verifiedSet({ ...claims, sub_id: { format: 'uri', uri } }))
  expect(events).toEqual([
    {
      type: 'urn:ietf:params:scim:event:passwordReset',
      family: 'unknown',
      name: 'passwordReset',
      subject: { format: 'uri', uri },
      occurredAt: undefined,
      claims: { id: '44f6142df96bd6ab61e7521d9' },
    },
    expect.objectContaining({ family: 'unknown', name: 'passwordResetExt', claims: { resetAttempts: 5 } }),
  ])
})

test('figure 3, a consent, is kept as it came', async () => {
  const [event] = readEvents(await verifiedSet(figure3))
  expect(event).toMatchObject({
    family: 'unknown',
    name: 'consent.html',
    subject: undefined,
    claims: figure3.events['https://openid.net/heart/specs/consent.html'],
  })
})

test('figure 4, RISC in its first form, is refused for Google’s subject_type (RISC 1.0 §3.1)', async () => {
  await expect(verifiedSet(figure4)).rejects.toMatchObject({
    code: 'set.malformed',
    detail: expect.stringMatching(/subject_type.*the dialect google-risc/),
  })
})

test('§2.3: the unsecured token that the RFC shows is refused', () => {
  const [, payload] = signSet({ key, claims: figure3 }).split('.')
  const header = Buffer.from('{"typ":"secevent+jwt","alg":"none"}').toString('base64url')
  expect(() => parseToken(`${header}.${payload}.`)).toThrow(
    expect.objectContaining({ code: 'set.algorithm_refused' }),
  )
})
