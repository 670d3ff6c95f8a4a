// Okta's SETs as "SSF Transmitter SET payload structures" on developer.okta.com shows them, all but their iss, jti and aud,
// which are those of the emulated transmitter; and the members that every one of them shares.
import { describe, expect, test } from 'vitest'
import { generateSigningKey, publicJwk } from '@watchbell/receiver/set'
import { privateJwk } from '../../src/testing/transmitter-keys.ts'
import { startStreamSite, type StreamSite } from '../http/with-stream.ts'
import { ada, startReceiver } from './receiver.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const at = 1_615_304_991_643
const user = { format: 'iss_sub', iss: 'https://transmitter.okta.com', sub: 'okta-user-id1' }

/** By the event of Okta's System Log that leads to it. */
const published: readonly [string, string, object][] = [
  [
    'user.session.end',
    `${caep}session-revoked`,
    {
      subject: { user },
      reason_admin: { en: 'Policy Violation: C076E822' },
      reason_user: { en: 'This device is no longer compliant.' },
    },
  ],
  [
    'user.mfa.factor.activate',
    `${caep}credential-change`,
    {
      subject: user,
      credential_type: 'fido2-roaming',
      change_type: 'create',
      fido2_aaguid: 'accced6a-63f5-490a-9eea-e59bc1896cfc',
      friendly_name: 'FIDO_WEBAUTHN',
      initiating_entity: 'user',
      reason_admin: { en: 'Activate factor for user' },
    },
  ],
  ...(
    [
      ['user.mfa.factor.deactivate', 'x509', 'delete', 'SMART_CARD', 'Reset factor for user'],
      ['user.mfa.factor.reset_all', 'ALL_FACTORS', 'revoke', 'ALL_FACTORS', undefined],
      [
        'user.mfa.factor.suspend',
        'OKTA_VERIFY_PUSH',
        'update',
        'OKTA_VERIFY_PUSH',
        'Suspend factor for user',
      ],
      ['user.mfa.factor.unsuspend', 'phone-sms', 'update', 'SMS_FACTOR', 'Unsuspend factor for user'],
      ['user.mfa.factor.update', 'DUO_SECURITY', 'update', 'DUO_SECURITY', 'Update factor for user'],
      [
        'user.account.reset_password',
        'password',
        'revoke',
        'PASSWORD_AS_FACTOR',
        "Fired when the user's Okta password is reset",
      ],
      [
        'user.account.update_password',
        'password',
        'revoke',
        'PASSWORD_AS_FACTOR',
        'User update password for Okta',
      ],
    ] as const
  ).map(([cause, credential_type, change_type, friendly_name, reason]): [string, string, object] => [
    cause,
    `${caep}credential-change`,
    {
      subject: user,
      credential_type,
      change_type,
      friendly_name,
      initiating_entity: 'user',
      ...(reason !== undefined && { reason_admin: { en: reason } }),
    },
  ]),
]

const claimsOf = (type: string, event: object) => ({ events: { [type]: { ...event, event_timestamp: at } } })

const pushed = async (site: StreamSite, token: string): Promise<Response> =>
  fetch((await site.shown()).push_url, {
    method: 'POST',
    headers: {
      'content-type': 'application/secevent+jwt',
      authorization: site.transmitter.stream().authorization ?? '',
    },
    body: token,
  })

const switchOn = (site: Pick<StreamSite, 'hub' | 'providerId'>, ...dialects: readonly string[]) =>
  site.hub.api('PUT', `/v1/providers/${site.providerId}/dialects`, { dialects })

describe('over a stream', () => {
  test('what Okta publishes is refused with the name of the dialect, and read when it is on', async () => {
    await using site = await startStreamSite()
    await site.connect()
    for (const [cause, type, event] of published) {
      const token = site.signClaims(claimsOf(type, event))
      expect((await switchOn(site)).status).toBe(200)
      const refused = await pushed(site, token)
      expect([cause, refused.status, await refused.json()]).toEqual([
        cause,
        400,
        { err: 'invalid_request', description: expect.stringContaining('the dialect okta-transmitter,') },
      ])

      expect((await switchOn(site, 'okta-transmitter')).status).toBe(200)
      expect([cause, (await pushed(site, token)).status]).toEqual([cause, 202])
      const signal = await site.handled(token)
      const { subject, ...claims } = event as { readonly subject: object }
      expect(signal?.events).toMatchObject([
        {
          type,
          subject: subject === user ? user : { format: 'complex', user },
          occurred_at: new Date(at).toISOString(),
          claims,
        },
      ])
    }
  })

  test('by poll it is refused in setErrs, and taken when the dialect is on', async () => {
    await using receiver = await startReceiver('poll')
    const { transmitter } = receiver
    const [, type = '', event = {}] = published[1] ?? []
    const send = (jti: string): void =>
      transmitter.enqueue(receiver.stream(), jti, transmitter.sign({ ...claimsOf(type, event), jti }))
    send('off')
    expect(await receiver.verdict('off')).toBe('invalid_request')
    expect(receiver.stream().setErrs).toMatchObject([
      { jti: 'off', description: expect.stringContaining('the dialect okta-transmitter,') },
    ])
    await switchOn(receiver, 'okta-transmitter')
    send('on')
    expect(await receiver.verdict('on')).toBe('taken')
  })

  test('times in milliseconds alone need no dialect: the foundation’s suite sends them, too (OKTA-E72)', async () => {
    await using site = await startStreamSite()
    await site.connect()
    const token = site.signClaims({ ...claimsOf(`${caep}session-revoked`, {}), sub_id: ada })
    expect((await pushed(site, token)).status).toBe(202)
    const signal = await site.handled(token)
    expect(signal?.events).toMatchObject([{ occurred_at: new Date(at).toISOString() }])
  })

  test('quotes around a pushed token need the dialect quoted-bodies', async () => {
    await using site = await startStreamSite()
    await site.connect()
    const token = `"${site.sign()}"`
    const refused = await pushed(site, token)
    expect([refused.status, await refused.text()]).toEqual([
      400,
      expect.stringContaining('the dialect quoted-bodies,'),
    ])
    await switchOn(site, 'quoted-bodies')
    expect((await pushed(site, token)).status).toBe(202)
  })
})

describe('on Okta’s path, where Okta’s receiver takes it from everybody', () => {
  test.each(published)(
    '%s is taken with the dialect off (OKTA-E72, OKTA-E75, OKTA-E78)',
    async (_, type, event) => {
      await using site = await startStreamSite()
      await site.connect()
      const token = site.signClaims(claimsOf(type, event))
      expect((await site.hub.push(token)).status).toBe(202)
    },
  )

  test('so are quotes (OKTA-E5)', async () => {
    await using site = await startStreamSite()
    await site.connect()
    expect((await site.hub.push(`"${site.sign()}"`)).status).toBe(202)
  })
})

test('at its token endpoint a client assertion is for that endpoint (OKTA-O12), elsewhere for the issuer', async () => {
  const key = await generateSigningKey('RS256')
  await using site = await startStreamSite({
    transmitter: { clients: [{ id: 'hub', jwks: { keys: [publicJwk(key)] } }] },
  })
  const auth = { method: 'private_key_jwt', client_id: 'hub', client_key: privateJwk(key) }
  await site.connect({ auth })
  await switchOn(site, 'okta-transmitter')
  expect((await site.api('GET', '/status')).status).toBe(200)
  const audiences = site.transmitter.requests
    .filter(({ endpoint }) => endpoint === 'token')
    .map(({ body }) => {
      const [, claims = ''] = (new URLSearchParams(body).get('client_assertion') ?? '').split('.')
      return (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { aud: string }).aud
    })
  expect(audiences).toEqual([site.transmitter.origin, site.transmitter.tokenUrl])
})
