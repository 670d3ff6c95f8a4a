// The SETs of RFC 9967 §2.3 and §2.4, read in its last draft (draft-ietf-scim-events-16), all but their iss and aud.
import { describe, expect, test } from 'vitest'
import { startStreamSite, type StreamSite } from '../http/with-stream.ts'

const urn = 'urn:ietf:params:scim:event:'
const joined = {
  jti: '6164f3bbf6ff41a88dc94f18cb0620e8',
  txn: 'b7b953f11cc6489bbfb87834747cc4c1',
  iat: 1_458_505_044,
  sub_id: { format: 'scim', uri: '/Users/2b2f880af6674ac284bae9381673d462', externalId: 'jdoe' },
}
const created = {
  jti: '4d3559ec67504aaba65d40b0363faad8',
  iat: 1_458_496_404,
  sub_id: { format: 'scim', uri: '/Users/44f6142df96bd6ab61e7521d9', externalId: 'jdoe' },
}
const full = {
  data: {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    emails: [{ type: 'work', value: 'jdoe@example.com' }],
    userName: 'jdoe',
    name: { givenName: 'John', familyName: 'Doe' },
  },
}
const notice = { attributes: ['id', 'name', 'userName', 'password', 'emails'] }

const published: readonly [string, object, Readonly<Record<string, object>>][] = [
  ['feed:add', joined, { [`${urn}feed:add`]: {} }],
  ['feed:remove', joined, { [`${urn}feed:remove`]: {} }],
  ['prov:create:full', created, { [`${urn}prov:create:full`]: full }],
  ['prov:create:notice', created, { [`${urn}prov:create:notice`]: notice }],
  ['two events of one change (§2.1)', created, { [`${urn}feed:add`]: {}, [`${urn}prov:create:full`]: full }],
  [
    'a draft’s letter case',
    { ...created, sub_id: { ...created.sub_id, id: '44f6142df96bd6ab61e7521d9' } },
    { 'urn:ietf:params:SCIM:event:prov:delete': {} },
  ],
]

const switchOn = (site: StreamSite, ...dialects: readonly string[]): Promise<Response> =>
  site.hub.api('PUT', `/v1/providers/${site.providerId}/dialects`, { dialects })

describe('SCIM events (RFC 9967)', () => {
  test.each(published)('%s: refused without the dialect, carried with it', async (_, claims, events) => {
    await using site = await startStreamSite()
    await site.connect()
    const { endpointUrl, authorization = '' } = site.transmitter.stream()
    const token = site.signClaims({ ...claims, events })
    const over = (): Promise<Response> =>
      fetch(endpointUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/secevent+jwt', authorization },
        body: token,
      })
    for (const answer of [await over(), await site.hub.push(token)]) {
      expect([answer.status, await answer.json()]).toEqual([
        400,
        { err: 'invalid_request', description: expect.stringContaining('the dialect scim,') },
      ])
    }
    await switchOn(site, 'scim')
    expect((await over()).status).toBe(202)
    expect((await site.hub.push(token)).status).toBe(202)
    const signal = await site.handled(token)
    expect(signal).toMatchObject({ repeats: 1 })
    const { sub_id } = claims as { readonly sub_id: object }
    expect(signal?.events).toMatchObject(
      Object.entries(events).map(([type, event]) => ({ type, subject: sub_id, claims: event })),
    )
  })

  test('are asked for in a stream where the dialect is on, and only there', async () => {
    const eventsSupported = [`${urn}prov:create:full`, `${urn}prov:delete`]
    await using site = await startStreamSite({ transmitter: { eventsSupported } })
    const asked = (): readonly string[] =>
      (site.transmitter.stream().eventsRequested ?? []).filter((type) => type.startsWith(urn))
    await site.connect()
    expect(asked()).toEqual([])
    await switchOn(site, 'scim')
    await site.connect()
    expect(asked()).toEqual(expect.arrayContaining(eventsSupported))
  })
})
