import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import okta from '@okta/okta-sdk-nodejs'
import { describe, expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { ada, startHubWithProvider } from './with-provider.ts'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'

const path = '/api/v1/logs'
const receiveEvent = 'security.events.provider.receive_event'

interface Entry {
  readonly eventType: string
  readonly displayMessage: string
  readonly published: string
  readonly actor: { readonly id: string; readonly displayName: string }
  readonly target: readonly { readonly id: string; readonly displayName: string }[] | null
}

interface Logs {
  readonly status: number
  readonly entries: readonly Entry[]
  readonly self: string | undefined
  readonly next: string | undefined
}

function at(query: Record<string, string>): string {
  return `${path}?${new URLSearchParams(query).toString()}`
}

async function logs(hub: TestHub, query: Record<string, string> = {}): Promise<Logs> {
  return logsAt(hub, at(query))
}

/** A path on the hub, or a link that it gave. */
async function logsAt(hub: TestHub, target: string): Promise<Logs> {
  const response = await hub.api('GET', target.replace(hub.origin, ''))
  const link = response.headers.get('link') ?? ''
  const to = (rel: string): string | undefined => new RegExp(`<([^>]*)>; rel="${rel}"`).exec(link)?.[1]
  const entries = (await response.json()) as readonly Entry[] // of a 200
  return { status: response.status, entries, self: to('self'), next: to('next') }
}

const types = ({ entries }: Logs): readonly string[] => entries.map(({ eventType }) => eventType)

async function addProvider(hub: TestHub, name: string): Promise<string> {
  const response = await hub.api('POST', '/api/v1/security-events-providers', {
    name,
    type: 'APP',
    settings: { issuer: `https://${name}.example`, jwks_url: `https://${name}.example/jwks.json` },
  })
  expect(response.status).toBe(200)
  const { id } = (await response.json()) as { id: string } // OKTA-R2
  return id
}

/** What happens on a hub before anybody does anything does not concern these tests. */
const providers = { filter: 'eventType sw "security.events.provider."' }

describe('entries', () => {
  test('OKTA-L60: each change of a provider is an entry with its actor', async () => {
    await using hub = await startTestHub()
    const id = await addProvider(hub, 'vendor')
    const one = `/api/v1/security-events-providers/${id}`
    await hub.api('POST', `${one}/lifecycle/deactivate`)
    await hub.api('POST', `${one}/lifecycle/deactivate`) // changes nothing, so it is not written
    await hub.api('POST', `${one}/lifecycle/activate`)
    await hub.api('DELETE', one)

    const found = await logs(hub, providers)
    expect(types(found)).toEqual(
      ['create', 'deactivate', 'activate', 'delete'].map((kind) => `security.events.provider.${kind}`),
    )
    expect(found.entries.map(({ target }) => target?.[0]?.id)).toEqual([id, id, id, id])
    expect(new Set(found.entries.map(({ actor }) => actor.id)).size).toBe(1)
    expect(found.entries[0]).toMatchObject({
      actor: { type: 'User' },
      client: { ipAddress: '127.0.0.1' },
      transaction: { type: 'WEB', id: expect.stringMatching(/^req/) },
      version: '0',
    })
  })

  test('OKTA-L61, OKTA-E90: a received event is an entry with the id of its signal', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter()
    await hub.api('POST', '/api/v1/security-events-providers', {
      name: 'vendor',
      type: 'APP',
      settings: { well_known_url: transmitter.wellKnownUrl },
    })
    const set = transmitter.sign({
      type: 'caep/session-revoked',
      aud: hub.origin,
      subject: { format: 'email', email: 'ada@example.com' },
    })
    expect((await hub.push(set)).status).toBe(202)
    expect((await hub.push(set)).status).toBe(202)
    await hub.handleAll()

    const { entries } = await logs(hub, { filter: `eventType eq "${receiveEvent}"` })
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({
      actor: { type: 'SecurityEventProvider', displayName: transmitter.issuer },
      target: [{ type: 'User', alternateId: 'ada@example.com' }],
    })
    const [signal] = ((await (await hub.api('GET', '/v1/signals')).json()) as { signals: { id: string }[] })
      .signals // its own shape
    const bySignal = {
      filter: `eventType eq "${receiveEvent}" and debugContext.debugData.signalId eq "${signal?.id}"`,
    }
    expect((await logs(hub, bySignal)).entries).toEqual(entries)
    expect((await logs(hub, { q: 'ADA@example.com session-revoked' })).entries).toEqual(entries)
  })

  test('a refused change makes no entry', async () => {
    await using hub = await startTestHub()
    await addProvider(hub, 'vendor')
    const again = await hub.api('POST', '/api/v1/security-events-providers', {
      name: 'vendor',
      type: 'APP',
      settings: { issuer: 'https://other.example', jwks_url: 'https://other.example/jwks.json' },
    })
    expect(again.status).toBe(400)
    expect(types(await logs(hub, providers))).toEqual(['security.events.provider.create'])
  })
})

describe('paging', () => {
  test('OKTA-L10, OKTA-L12, OKTA-L13, OKTA-L15: polling returns each entry once, with links on the hub’s origin', async () => {
    await using hub = await startTestHub()
    await addProvider(hub, 'a')
    await addProvider(hub, 'b')
    const first = await logs(hub, { ...providers, limit: '2', ignored: 'x' })
    expect(first.self).toBe(hub.origin + at({ ...providers, limit: '2' }))
    expect(first.next?.startsWith(`${hub.origin}${path}?after=`)).toBe(true)
    expect(new URL(first.next ?? '').searchParams.get('filter')).toBe(providers.filter)

    const empty = await logsAt(hub, first.next ?? '')
    expect([first.entries.length, empty.entries]).toEqual([2, []])
    // To the letter: collectors (Grove, Airbyte) stop for now when there is nowhere further to go.
    expect([empty.self, empty.next]).toEqual([first.next, first.next])
    const nothing = await logs(hub, { filter: 'eventType eq "nothing.of.the.kind"' })
    expect(nothing.entries).toEqual([])
    expect((await logsAt(hub, nothing.next ?? '')).next).toBe(nothing.next)
    await addProvider(hub, 'c')
    const third = await logsAt(hub, empty.next ?? '')
    expect(third.entries.map(({ target }) => target?.[0]?.displayName)).toEqual(['https://c.example'])
    expect(third.next).toEqual(expect.any(String))
  })

  test('OKTA-L3: after takes precedence over since, even an unreadable one', async () => {
    await using hub = await startTestHub()
    await addProvider(hub, 'a')
    const after = new URL((await logs(hub, providers)).next ?? '').searchParams.get('after') ?? ''
    await addProvider(hub, 'b')
    for (const since of ['2020-01-01', 'yesterday']) {
      const { entries } = await logs(hub, { ...providers, since, after })
      expect(entries.map(({ target }) => target?.[0]?.displayName)).toEqual(['https://b.example'])
    }
  })

  test('OKTA-L11: a bounded query ends', async () => {
    await using hub = await startTestHub()
    for (const name of ['a', 'b', 'c']) await addProvider(hub, name)
    const since = new Date(Date.now() - 3_600_000).toISOString()
    const first = await logs(hub, { ...providers, since, until: '2100-01-01', limit: '2' })
    const last = await logsAt(hub, first.next ?? '')
    expect([first.entries.length, last.entries.length, last.next]).toEqual([2, 1, undefined])
    expect(last.self).toBe(first.next)
  })

  test('OKTA-L8: DESCENDING lists the newest first', async () => {
    await using hub = await startTestHub()
    for (const name of ['a', 'b']) await addProvider(hub, name)
    const { entries, next } = await logs(hub, { ...providers, sortOrder: 'DESCENDING' })
    expect(entries.map(({ target }) => target?.[0]?.displayName)).toEqual([
      'https://b.example',
      'https://a.example',
    ])
    expect(next).toBeUndefined()
  })

  test('OKTA-L13: each link relation has its own header', async () => {
    await using hub = await startTestHub()
    const request = get(hub.origin + path, { headers: { authorization: `SSWS ${hub.adminToken}` } })
    const [response] = (await once(request, 'response')) as [IncomingMessage] // of this event
    response.resume()
    expect(response.headersDistinct['link']).toEqual([
      `<${hub.origin}${path}>; rel="self"`,
      expect.stringMatching(/^<[^>]+>; rel="next"$/),
    ])
  })

  test('the query cannot inject into the Link header', async () => {
    await using hub = await startTestHub()
    const response = await hub.api('GET', `${path}?q=x>;rel="next",<https://evil.example>`)
    expect(response.headers.get('link')).not.toContain('evil.example>')
  })
})

test('OKTA-L4, OKTA-L6: filter and q select entries', async () => {
  await using hub = await startTestHub()
  await addProvider(hub, 'alpha-one')
  await addProvider(hub, 'beta')
  const found = async (query: Record<string, string>): Promise<unknown[]> =>
    (await logs(hub, query)).entries.map(({ target }) => target?.[0]?.displayName)
  expect(await found({ filter: 'target.detailEntry.providerName eq "beta"' })).toEqual([
    'https://beta.example',
  ])
  expect(await found({ q: 'Alpha' })).toEqual(['https://alpha-one.example'])
  expect(await found({ q: 'alpha-one create' })).toEqual(['https://alpha-one.example'])
  expect(await found({ filter: `eventType eq "${receiveEvent}"` })).toEqual([])
})

describe('refused queries', () => {
  const date =
    'The date format in your query is not recognized. Please enter dates using ISO8601 string format.'
  test.each<{ row: string; query: Record<string, string>; body: object }>([
    {
      row: 'L20',
      query: { until: 'yesterday' },
      body: {
        errorCode: 'E0000001',
        errorSummary: `Api validation failed: 'until': ${date} 'until': must be a valid date-time or empty.`,
        errorCauses: [
          { errorSummary: `until: ${date}` },
          { errorSummary: 'until: must be a valid date-time or empty.' },
        ],
      },
    },
    {
      row: 'L21',
      query: { filter: 'display_message eqq "Create okta user"' },
      body: {
        errorCode: 'E0000053',
        errorSummary: `Invalid filter 'display_message eqq "Create okta user"': Unrecognized attribute operator 'eqq' at position 16. Expected: eq,co,sw,pr,gt,ge,lt,le`,
      },
    },
    {
      row: 'L22',
      query: { filter: 'some_invalid_field eq "x"' },
      body: { errorCode: 'E0000053', errorSummary: 'field is not valid: some_invalid_field' },
    },
    {
      row: 'L23',
      query: { since: '2020-01-01T00:00:00Z' },
      body: {
        errorCode: 'E0000053',
        errorSummary: 'Invalid parameter: The since parameter is over 180 days prior to the current day.',
      },
    },
    {
      row: 'L24',
      query: { filter: 'debugContext.debugData.url co "/oauth/"' },
      body: {
        errorCode: 'E0000031',
        errorSummary:
          'The supplied combination of operator and field is not currently supported. Operator: co, Field: debugContext.debugData.url',
      },
    },
    {
      row: 'L25',
      query: { q: 'x'.repeat(41) },
      body: {
        errorCode: 'E0000001',
        errorSummary:
          "Api validation failed: 'q': Freeform search cannot contain items longer than 40 characters. Please shorten the items in your search or use an advanced filter to query by specific fields.",
      },
    },
    { row: 'L27', query: { limit: '1001' }, body: { errorCode: 'E0000001' } },
    { row: 'L27', query: { sortOrder: 'up' }, body: { errorCode: 'E0000001' } },
    { row: 'L3', query: { after: '349996bd-5091-45dc-a39f-d357867a30d7' }, body: { errorCode: 'E0000001' } },
  ])('$row: $query', async ({ query, body }) => {
    await using hub = await startTestHub()
    const response = await hub.api('GET', at(query))
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject(body)
  })

  test('OKTA-X10: a request without credentials is refused', async () => {
    await using hub = await startTestHub()
    expect((await fetch(hub.origin + path)).status).toBe(403)
  })
})

describe('events about users and devices', () => {
  test('an event about a loaded user is found by the sign-in name, and has the sender’s identifier', async () => {
    await using started = await startHubWithProvider()
    const { hub, sign } = started
    const ids = [{ format: 'iss_sub', iss: started.transmitter.issuer, sub: '42' }]
    const user = {
      kind: 'user',
      login: 'ada',
      display_name: 'Ada',
      emails: ['ada@example.com'],
      identifiers: ids,
    }
    expect((await hub.api('POST', '/v1/subjects', user)).status).toBe(201)
    await hub.push(sign({ subject: ids[0]! }))
    await hub.push(sign({ subject: { format: 'complex', user: ada, device: { format: 'opaque', id: 'd' } } }))
    await hub.push(sign({ subject: { format: 'email', email: 'bob@example.com' } }))
    await hub.push(
      sign({
        type: 'device-compliance-change',
        subject: { format: 'email', email: 'carol@example.com' },
        claims: { previous_status: 'compliant', current_status: 'not-compliant' },
      }),
    )
    await hub.handleAll()
    const received = async (more: string) => {
      const filter = encodeURIComponent(`eventType eq "${receiveEvent}"${more}`)
      return started.logs(`?filter=${filter}`)
    }
    const found = await received(' and target.alternateId eq "ada"')
    expect(found.map(({ target }) => target?.map(({ type, alternateId }) => [type, alternateId]))).toEqual([
      [['User', 'ada']],
      [
        ['User', 'ada'],
        ['Device', 'd'],
      ],
    ])
    expect(found[0]?.target?.[0]).toMatchObject({ id: expect.stringMatching(/^00u/), displayName: 'Ada' })
    expect(found.map(({ debugContext }) => debugContext.debugData['reportedUser'])).toEqual([
      '42',
      'ada@example.com',
    ])
    const all = await received('')
    expect(
      all.slice(2).map(({ target }) => target?.map(({ type, alternateId }) => [type, alternateId])),
    ).toEqual([[['User', 'bob@example.com']], [['User', 'carol@example.com']]])
  })
})

describe("Okta's Node SDK", () => {
  function client(hub: TestHub): InstanceType<typeof okta.Client> {
    return new okta.Client({ orgUrl: hub.origin, token: hub.adminToken, cacheMiddleware: null })
  }

  test('OKTA-L11: reads a bounded window over all of its pages', async () => {
    await using hub = await startTestHub()
    for (const name of ['a', 'b', 'c']) await addProvider(hub, name)
    const found: unknown[] = []
    const collection = await client(hub).systemLogApi.listLogEvents({
      ...providers,
      since: new Date(Date.now() - 3_600_000).toISOString(),
      until: new Date(Date.now() + 3_600_000).toISOString(),
      limit: 2,
    })
    for await (const entry of collection) found.push(entry?.target?.[0]?.displayName)
    expect(found).toEqual(['https://a.example', 'https://b.example', 'https://c.example'])
  })

  test('OKTA-L14: reads a polling query up to the first empty page', async () => {
    await using hub = await startTestHub()
    for (const name of ['a', 'b', 'c']) await addProvider(hub, name)
    const found: unknown[] = []
    const collection = await client(hub).systemLogApi.listLogEvents({ ...providers, limit: 2 })
    await collection.each((entry) => void found.push(entry?.eventType))
    expect(found).toEqual(Array<string>(3).fill('security.events.provider.create'))
  })

  test('OKTA-L21: throws our error with its code and text', async () => {
    await using hub = await startTestHub()
    const collection = await client(hub).systemLogApi.listLogEvents({ filter: 'eventType eqq "x"' })
    await expect(collection.each(() => undefined)).rejects.toMatchObject({
      status: 400,
      errorCode: 'E0000053',
    })
  })
})
