import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '@okta/okta-sdk-nodejs'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { keptDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'
import { scrape, scraped } from '../metrics/scraped-hub.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { logEntries, refusal, registerServiceApp } from './service-app.ts'
import { startHubWithProvider, type HubWithProvider } from './with-provider.ts'
import type { ErasureBody } from '../../src/wire/erasures.ts'
import type { SubjectDetailsBody } from '../../src/wire/subjects.ts'

const email = (address: string) => ({ format: 'email', email: address })
const ada = email('ada@example.com')

async function receive(
  world: HubWithProvider,
  type: string,
  subject: object,
  claims: object = {},
): Promise<void> {
  const answer = await world.hub.push(world.sign({ type, subject, claims }))
  expect(answer.status).toBe(202)
  await world.hub.handleAll()
}

async function subject(hub: TestHub, name: string): Promise<SubjectDetailsBody> {
  const answer = await hub.api('GET', `/v1/subjects/${encodeURIComponent(name)}`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as SubjectDetailsBody
}

async function userRisk(hub: TestHub, name: string): Promise<Record<string, unknown>> {
  const answer = await hub.api('GET', `/api/v1/users/${encodeURIComponent(name)}/risk`)
  return (await answer.json()) as Record<string, unknown>
}

const setRisk = (hub: TestHub, name: string, body?: unknown): Promise<Response> =>
  hub.api('PUT', `/api/v1/users/${encodeURIComponent(name)}/risk`, body)

async function load(hub: TestHub, user: object): Promise<Response> {
  return hub.api('POST', '/v1/subjects', { kind: 'user', ...user })
}

/** Every user, device and session that the hub shows. */
async function subjects(hub: TestHub, query = ''): Promise<readonly SubjectDetailsBody[]> {
  const answer = await hub.api('GET', `/v1/subjects${query}`)
  return ((await answer.json()) as { subjects: SubjectDetailsBody[] }).subjects
}

const secondsAgo = (seconds: number): number => Math.floor(Date.now() / 1000) - seconds

describe('signals move risk', () => {
  test('a high user risk is visible with its reason once handled, and a later low risk of the provider ends it', async () => {
    await using world = await startHubWithProvider()
    await receive(world, 'user-risk-change', ada, { current_level: 'high', event_timestamp: secondsAgo(60) })
    expect(await subject(world.hub, 'Ada@EXAMPLE.com')).toMatchObject({
      kind: 'user',
      level: 'HIGH',
      reported_level: 'NONE',
      identifiers: [{ format: 'email', value: 'ada@example.com', issuer: null }],
      reasons: [{ level: 'HIGH', detection: 'User risk is high', source: 'security_events_provider' }],
    })
    await receive(world, 'user-risk-change', ada, { current_level: 'low', event_timestamp: secondsAgo(30) })
    const after = await subject(world.hub, 'ada@example.com')
    expect([
      after.level,
      after.reasons.map(({ level }) => level),
      after.history.map(({ level }) => level),
    ]).toEqual(['LOW', ['LOW'], ['HIGH']])
  })

  test('statements are ordered by the time of their event, not of their arrival', async () => {
    await using world = await startHubWithProvider()
    await receive(world, 'user-risk-change', ada, { current_level: 'none', event_timestamp: secondsAgo(10) })
    await receive(world, 'user-risk-change', ada, { current_level: 'high', event_timestamp: secondsAgo(20) })
    expect((await subject(world.hub, 'ada@example.com')).level).toBe('NONE')
    expect(await logEntries(world.hub, 'user.risk.detect')).toEqual([])
  })

  test('the risk of a device or session in a complex subject does not apply to its user', async () => {
    await using world = await startHubWithProvider()
    const device = { format: 'opaque', id: 'laptop-1' }
    const session = { format: 'opaque', id: 'session-1' }
    await receive(world, 'user-risk-change', { user: ada, session }, { current_level: 'high' })
    await receive(world, 'device-compliance-change', { format: 'complex', user: ada, device })
    expect((await subject(world.hub, 'ada@example.com')).level).toBe('NONE')
    expect(await subject(world.hub, 'session-1')).toMatchObject({ kind: 'session', level: 'HIGH' })
    expect(await subject(world.hub, 'laptop-1')).toMatchObject({
      kind: 'device',
      level: 'MEDIUM',
      identifiers: [{ format: 'opaque', value: 'laptop-1', issuer: world.transmitter.issuer }],
    })
  })

  test('identifiers of one user are joined, whichever of them later events use', async () => {
    await using world = await startHubWithProvider()
    const account = { format: 'iss_sub', iss: world.transmitter.issuer, sub: 'u-1' }
    await receive(world, 'session-presented', { format: 'aliases', identifiers: [ada, account] })
    await receive(world, 'user-risk-change', { user: account }, { current_level: 'high' })
    expect(await subject(world.hub, 'ada@example.com')).toMatchObject({ level: 'HIGH' })
    expect((await subject(world.hub, 'u-1')).id).toBe((await subject(world.hub, 'ada@example.com')).id)
  })
})

describe('WATCHBELL_RISK_RULES', () => {
  test('changes how events are read, for one provider or for all', async () => {
    await using folder = await temporaryFolder()
    const riskRules = join(folder.path, 'rules.json')
    writeFileSync(
      riskRules,
      JSON.stringify({ rules: [{ event: 'caep/session-revoked', level: 'HIGH', hours: 1 }] }),
    )
    await using world = await startHubWithProvider({ hub: { settings: { riskRules } } })
    await receive(world, 'session-revoked', ada)
    expect((await subject(world.hub, 'ada@example.com')).level).toBe('HIGH')
  })

  test.each([
    [
      '{"rules":[{"event":"nothing","level":"HIGH"},{"event":"caep/session-revoked","level":"worst"}]}',
      /rules\[0\].*rules\[1\]/,
    ],
    ['{"rules":', /is not JSON/],
    [undefined, /cannot be read/],
  ])('%j stops the start, with every problem named', async (text, problems) => {
    await using folder = await temporaryFolder()
    const riskRules = join(folder.path, 'rules.json')
    if (text !== undefined) writeFileSync(riskRules, text)
    await expect(startHubWithProvider({ hub: { settings: { riskRules } } })).rejects.toThrow(problems)
  })
})

describe('each event of a signal says whether it was matched, and why not', () => {
  const shown = async (world: HubWithProvider) => {
    const [signal] = await world.signals()
    return signal?.events as readonly { matched: boolean | null; unmatched_reason?: string }[] | undefined
  }

  test('an event about a known user is matched', async () => {
    await using world = await startHubWithProvider()
    await receive(world, 'session-revoked', ada)
    expect(await shown(world)).toMatchObject([{ matched: true }])
  })

  test('after a contradiction the later claim is not believed, and its risk applies to each of its identifiers', async () => {
    await using world = await startHubWithProvider()
    const named = (sub: string) => ({
      format: 'aliases',
      identifiers: [ada, { format: 'iss_sub', iss: world.transmitter.issuer, sub }],
    })
    await receive(world, 'credential-compromise', named('u-2'), { event_timestamp: secondsAgo(10) })
    expect(await shown(world)).toMatchObject([{ matched: true }])
    expect((await subject(world.hub, 'u-2')).level).toBe('HIGH')
    // What happened earlier comes later, and what was believed is so no longer.
    await receive(world, 'session-presented', named('u-1'), { event_timestamp: secondsAgo(20) })
    const [later, earlier] = await world.signals()
    expect(later?.events).toMatchObject([{ matched: true }])
    expect(earlier?.events).toMatchObject([
      { matched: false, unmatched_reason: expect.stringContaining('exclude each other') as string },
    ])
    expect((await subject(world.hub, 'u-2')).level).toBe('HIGH')
    const { identifiers, level } = await subject(world.hub, 'ada@example.com')
    expect([level, identifiers.map(({ value }) => value).toSorted()]).toEqual([
      'HIGH',
      ['ada@example.com', 'u-1'],
    ])
  })

  test.each([
    [
      'a narrower member that we do not know',
      { format: 'complex', user: ada, shift: email('x@example.com') },
      'shift',
    ],
    [
      'a narrower member in an unknown format',
      { format: 'complex', user: ada, session: { format: 'x-ours', key: 1 } },
      'x-ours',
    ],
    ['only context', { format: 'complex', tenant: { format: 'opaque', id: 't' } }, 'no user'],
  ])('%s', async (_name, of, reason) => {
    await using world = await startHubWithProvider()
    await receive(world, 'session-revoked', of)
    expect(await shown(world)).toMatchObject([
      { matched: false, unmatched_reason: expect.stringContaining(reason) as string },
    ])
    expect(await subjects(world.hub)).toEqual([])
  })

  test('a device event that names only a user is not matched', async () => {
    await using world = await startHubWithProvider()
    await receive(world, 'device-compliance-change', ada)
    expect(await shown(world)).toMatchObject([
      { matched: false, unmatched_reason: expect.stringContaining('device') as string },
    ])
  })

  test('when the setting says so, events about unknown users are ignored, those about known users are not (OKTA-E79)', async () => {
    await using world = await startHubWithProvider({ hub: { settings: { unknownUsers: 'ignored' } } })
    await receive(world, 'user-risk-change', ada, { current_level: 'high' })
    expect(await shown(world)).toMatchObject([
      { matched: false, unmatched_reason: expect.stringContaining('unknown users') as string },
    ])
    expect(await subjects(world.hub)).toEqual([])
    expect(await logEntries(world.hub, 'security.events.provider.receive_event')).toEqual([])
    expect((await load(world.hub, { login: 'ada@example.com', emails: ['ada@example.com'] })).status).toBe(
      201,
    )
    await receive(world, 'user-risk-change', ada, { current_level: 'high' })
    expect(await shown(world)).toMatchObject([{ matched: true }])
    expect((await subject(world.hub, 'ada@example.com')).level).toBe('HIGH')
  })
})

describe('the System Log (OKTA-L64, OKTA-L66)', () => {
  test('each change of level is one entry in the documented form, which the documented filter finds', async () => {
    await using world = await startHubWithProvider()
    await receive(world, 'user-risk-change', ada, { current_level: 'high', event_timestamp: secondsAgo(30) })
    await receive(world, 'user-risk-change', ada, {
      current_level: 'medium',
      event_timestamp: secondsAgo(20),
    })
    await receive(world, 'user-risk-change', ada, {
      current_level: 'medium',
      event_timestamp: secondsAgo(10),
    })
    const entries = await logEntries(world.hub, 'user.risk.detect')
    const issuer = world.transmitter.issuer
    expect(entries.map(({ debugContext }) => debugContext.debugData['risk'])).toEqual([
      `{previousLevel=NONE, level=HIGH, detectionName=Security Events Provider Reported Risk, reasons=User risk is high, issuer=${issuer}}`,
      `{previousLevel=HIGH, level=MEDIUM, detectionName=Security Events Provider Reported Risk, reasons=User risk is medium, issuer=${issuer}}`,
    ])
    expect(entries[0]).toMatchObject({
      actor: { type: 'SecurityEventProvider', displayName: issuer },
      target: [{ type: 'User', alternateId: 'ada@example.com', id: expect.stringMatching(/^00u/) as string }],
    })
    const found = await world.logs(
      `?filter=${encodeURIComponent('debugContext.debugData.risk co "level=HIGH"')}`,
    )
    expect(found.map(({ debugContext }) => debugContext.debugData['risk'])).toEqual([
      entries[0]?.debugContext.debugData['risk'],
    ])
  })

  test('a change of a device has an event type of Watchbell', async () => {
    await using world = await startHubWithProvider()
    await receive(
      world,
      'device-risk-change',
      { device: { format: 'opaque', id: 'd' } },
      { current_level: 'high' },
    )
    expect(await logEntries(world.hub, 'user.risk.detect')).toEqual([])
    expect(await logEntries(world.hub, 'watchbell.risk.detect')).toMatchObject([
      { target: [{ type: 'Device' }] },
    ])
  })
})

test('metrics count users with risk by level', async () => {
  await using hub = await startTestHub({ settings: scraped })
  for (const [name, riskLevel] of [
    ['ada', 'HIGH'],
    ['bob', 'HIGH'],
    ['cy', 'LOW'],
  ] as const) {
    await load(hub, { login: `${name}@example.com` })
    expect((await setRisk(hub, `${name}@example.com`, { riskLevel })).ok).toBe(true)
  }
  await load(hub, { login: 'dan@example.com' })
  const users = async () => {
    const samples = (await scrape(hub)).get('watchbell_users')?.samples ?? []
    return samples.map(({ labels, value }) => [labels['level'], value])
  }
  expect(await users()).toEqual([
    ['LOW', 1],
    ['MEDIUM', 0],
    ['HIGH', 2],
  ])
})

describe('GET and PUT /api/v1/users/{userId}/risk', () => {
  const known = async () => {
    const world = await startHubWithProvider()
    await load(world.hub, { login: 'ada@example.com' })
    return world
  }

  test('OKTA-U2, OKTA-U6: a user without risk has level NONE and no reason', async () => {
    await using world = await known()
    const { id } = await subject(world.hub, 'ada@example.com')
    const user = `${world.hub.origin}/api/v1/users/${id}`
    expect(await userRisk(world.hub, 'ADA@example.com')).toEqual({
      riskLevel: 'NONE',
      _links: {
        self: { href: `${user}/risk`, hints: { allow: ['GET', 'PUT'] } },
        user: { href: user, hints: { allow: ['GET'] } },
      },
    })
  })

  test.each(['HIGH', 'MEDIUM', 'LOW'])(
    'OKTA-U3, OKTA-U5, OKTA-U7: %s, 201 the first time and 200 from then on',
    async (riskLevel) => {
      await using world = await known()
      const first = await setRisk(world.hub, 'ada@example.com', { riskLevel })
      expect(first.status).toBe(201)
      expect(await first.json()).toMatchObject({ riskLevel, reason: 'override.by.admin' })
      expect((await setRisk(world.hub, 'ada@example.com', { riskLevel: 'HIGH' })).status).toBe(200)
      expect(await userRisk(world.hub, 'ada@example.com')).toMatchObject({ riskLevel: 'HIGH' })
    },
  )

  test('by entity id and with a reason (OKTA-U4), a change is logged with its actor', async () => {
    await using world = await known()
    const { id } = await subject(world.hub, 'ada@example.com')
    const answer = await setRisk(world.hub, id, { riskLevel: 'HIGH', riskReason: 'Called us, 3 times.' })
    expect(await answer.json()).toMatchObject({ riskLevel: 'HIGH', reason: 'Called us, 3 times.' })
    expect(await logEntries(world.hub, 'user.risk.detect')).toMatchObject([
      {
        actor: { type: 'User' },
        debugContext: {
          debugData: {
            risk: '{previousLevel=NONE, level=HIGH, detectionName=Admin Reported User Risk, reasons=Admin Reported User Risk}',
          },
        },
      },
    ])
  })

  test('it overrides earlier statements of providers, and not later ones', async () => {
    await using world = await known()
    await receive(world, 'user-risk-change', ada, { current_level: 'high', event_timestamp: secondsAgo(60) })
    await setRisk(world.hub, 'ada@example.com', { riskLevel: 'LOW' })
    expect(await userRisk(world.hub, 'ada@example.com')).toMatchObject({ riskLevel: 'LOW' })
    await receive(world, 'credential-compromise', ada, { event_timestamp: Date.now() })
    expect(await userRisk(world.hub, 'ada@example.com')).toMatchObject({ riskLevel: 'HIGH' })
  })

  test('OKTA-U3, OKTA-U4, OKTA-U8: bad bodies are refused', async () => {
    await using world = await known()
    for (const body of [
      undefined,
      [],
      'HIGH',
      {},
      { riskLevel: null },
      { riskLevel: 'NONE' },
      { riskLevel: 'high' },
      { riskLevel: 3 },
      { riskLevel: 'HIGH', riskReason: 1 },
      { riskLevel: 'HIGH', riskReason: 'a'.repeat(501) },
      { riskLevel: 'HIGH', riskReason: 'what?' },
      { riskLevel: 'HIGH', riskReason: 'über' },
      { riskLevel: 'HIGH', riskReason: '<b>' },
    ]) {
      const answer = await refusal(await setRisk(world.hub, 'ada@example.com', body))
      expect([body, answer]).toMatchObject([body, { status: 400, code: 'E0000001' }])
    }
    expect(await userRisk(world.hub, 'ada@example.com')).toMatchObject({ riskLevel: 'NONE' })
  })

  test.each(['HIGH', ''])('OKTA-U4: a reason of 500 characters is accepted (%j)', async (reason) => {
    await using world = await known()
    const body = { riskLevel: 'HIGH', riskReason: reason.padEnd(500, ' a') }
    expect((await setRisk(world.hub, 'ada@example.com', body)).status).toBe(201)
  })

  test.each(['bob@example.com', '00u00000000000000000', 'me@'])('OKTA-U8: user %s is 404', async (name) => {
    await using world = await known()
    for (const answer of [
      await world.hub.api('GET', `/api/v1/users/${encodeURIComponent(name)}/risk`),
      await setRisk(world.hub, name, { riskLevel: 'HIGH' }),
    ]) {
      expect(await refusal(answer)).toMatchObject({
        status: 404,
        code: 'E0000007',
        summary: `Not found: Resource not found: ${name} (User)`,
      })
    }
  })

  test('OKTA-U1, OKTA-U8: each method needs its scope', async () => {
    await using world = await known()
    const reader = await registerServiceApp(world.hub, 'okta.userRisk.read okta.logs.read')
    const path = '/api/v1/users/ada%40example.com/risk'
    expect((await reader.call('okta.userRisk.read', 'GET', path)).status).toBe(200)
    expect((await reader.call('okta.logs.read', 'GET', path)).status).toBe(403)
    expect((await reader.call('okta.userRisk.read', 'PUT', path, { riskLevel: 'HIGH' })).status).toBe(403)
    const anonymous = await fetch(world.hub.origin + path)
    expect(await refusal(anonymous)).toMatchObject({ status: 403, code: 'E0000005' })
    const wrong = await fetch(world.hub.origin + path, { headers: { authorization: 'SSWS wrong' } })
    expect(await refusal(wrong)).toMatchObject({ status: 401, code: 'E0000011' })
  })

  test('Okta’s Node SDK reads and sets user risk', async () => {
    await using world = await known()
    const { hub } = world
    const { userApi, userRiskApi } = new Client({
      orgUrl: hub.origin,
      token: hub.adminToken,
      cacheMiddleware: null,
    }) as unknown as Record<string, SdkRisk | undefined> // which of them has it differs between versions
    const api = userRiskApi ?? userApi
    if (api === undefined) throw new Error('The SDK knows no user risk.')
    expect(await api.getUserRisk({ userId: 'ada@example.com' })).toMatchObject({ riskLevel: 'NONE' })
    expect(
      await api.upsertUserRisk({ userId: 'ada@example.com', userRiskRequest: { riskLevel: 'HIGH' } }),
    ).toMatchObject({ riskLevel: 'HIGH' })
    expect(await api.getUserRisk({ userId: 'ada@example.com' })).toMatchObject({
      riskLevel: 'HIGH',
      reason: 'override.by.admin',
    })
  })

  interface SdkRisk {
    getUserRisk(request: object): Promise<object>
    upsertUserRisk(request: object): Promise<object>
  }
})

describe('/v1/subjects', () => {
  test('a loaded user is found by every identifier, and loading again replaces the user', async () => {
    await using world = await startHubWithProvider()
    const { hub } = world
    const user = {
      login: 'ada@example.com',
      emails: ['Ada.Lovelace@Example.com'],
      identifiers: [
        { format: 'iss_sub', iss: 'https://idp.example', sub: 'u-1' },
        { format: 'opaque', iss: 'https://edr.example', id: '42' },
      ],
      display_name: 'Ada Lovelace',
    }
    const created = await load(hub, user)
    expect(created.status).toBe(201)
    const { id } = (await created.json()) as SubjectDetailsBody
    for (const name of ['ada@example.com', 'ada.lovelace@example.com', 'u-1', '42', id]) {
      expect((await subject(hub, name)).id).toBe(id)
    }
    const again = await load(hub, { ...user, emails: ['new@example.com'] })
    expect(again.status).toBe(200)
    expect((await subject(hub, 'new@example.com')).id).toBe(id)
    expect((await subject(hub, 'ada.lovelace@example.com')).id).not.toBe(id)
  })

  test('a loaded user takes precedence over signals, and two users do not share an identifier', async () => {
    await using world = await startHubWithProvider()
    const { hub } = world
    const account = (sub: string) => ({ format: 'iss_sub', iss: 'https://idp.example', sub })
    const claim = { format: 'aliases', identifiers: [ada, account('u-evil')] }
    await receive(world, 'user-risk-change', { user: claim }, { current_level: 'high', event_timestamp: 1 })
    expect(
      (await load(hub, { login: 'ada', emails: ['ada@example.com'], identifiers: [account('u-1')] })).status,
    ).toBe(201)
    expect((await subject(hub, 'ada@example.com')).identifiers.map(({ value }) => value)).not.toContain(
      'u-evil',
    )
    expect(await refusal(await load(hub, { login: 'eve', emails: ['ada@example.com'] }))).toMatchObject({
      status: 400,
    })
    expect((await hub.api('GET', '/v1/subjects/eve')).status).toBe(404)
  })

  test('invalid users are refused', async () => {
    await using world = await startHubWithProvider()
    for (const user of [
      {},
      { login: '' },
      { login: 7 },
      { login: 'a'.repeat(256) },
      { login: 'a\u0007' },
      { login: 'ada', kind: 'device' },
      { login: 'ada', emails: 'ada@example.com' },
      { login: 'ada', emails: ['ada'] },
      { login: 'ada', emails: [1] },
      { login: 'ada', identifiers: [{ format: 'opaque', id: '42' }] },
      { login: 'ada', identifiers: [{ format: 'x-ours', id: '42' }] },
      { login: 'ada', identifiers: [{ format: 'aliases', identifiers: [ada] }] },
      { login: 'ada', identifiers: ['42'] },
      { login: 'ada', identifiers: Array.from({ length: 51 }, (_, at) => email(`a${at}@example.com`)) },
      { login: 'ada', name: 'Ada' },
    ]) {
      const answer = await refusal(await load(world.hub, user))
      expect([user, answer]).toMatchObject([user, { status: 400, code: 'E0000001' }])
    }
    expect(await subjects(world.hub)).toEqual([])
  })

  test('the list filters by kind, level and text, and has pages', async () => {
    await using world = await startHubWithProvider()
    const { hub } = world
    for (const name of ['ada', 'bob', 'cyd']) await load(hub, { login: `${name}@example.com` })
    await receive(world, 'device-compliance-change', { device: { format: 'opaque', id: 'laptop' } })
    await setRisk(hub, 'bob@example.com', { riskLevel: 'MEDIUM' })
    const names = async (query: string) =>
      (await subjects(hub, query)).map(({ identifiers: [first] }) => first?.value)
    expect(await names('')).toEqual(['laptop', 'cyd@example.com', 'bob@example.com', 'ada@example.com'])
    expect(await names('?kind=device')).toEqual(['laptop'])
    expect(await names('?level=MEDIUM')).toEqual(['laptop', 'bob@example.com'])
    expect(await names('?level=MEDIUM&kind=user')).toEqual(['bob@example.com'])
    expect(await names('?search=CYD%40')).toEqual(['cyd@example.com'])
    expect(await names('?search=example&level=MEDIUM')).toEqual(['bob@example.com'])
    expect(await names('?search=nobody')).toEqual([])
    const seen: unknown[] = []
    let path: string | null = '/v1/subjects?limit=2'
    for (let pages = 0; path !== null && pages < 5; pages += 1) {
      const page = (await (await hub.api('GET', path)).json()) as {
        subjects: SubjectDetailsBody[]
        next: string | null
      }
      seen.push(...page.subjects.map(({ id }) => id))
      path = page.next?.slice(hub.origin.length) ?? null
    }
    expect(seen).toEqual((await subjects(hub)).map(({ id }) => id))
  })

  test('bad queries are refused', async () => {
    await using world = await startHubWithProvider()
    for (const query of [
      'kind=robot',
      'level=NONE',
      'level=high',
      'limit=0',
      'limit=201',
      'after=x',
      'search=',
      'q=1',
      'limit=1&limit=2',
    ]) {
      const answer = await refusal(await world.hub.api('GET', `/v1/subjects?${query}`))
      expect([query, answer.status]).toEqual([query, 400])
    }
  })

  test('each method needs its scope', async () => {
    await using world = await startHubWithProvider()
    const app = await registerServiceApp(world.hub, 'watchbell.subjects.read')
    const scope = 'watchbell.subjects.read'
    expect((await app.call(scope, 'GET', '/v1/subjects')).status).toBe(200)
    expect((await app.call(scope, 'POST', '/v1/subjects', { kind: 'user', login: 'ada' })).status).toBe(403)
    expect((await app.call(scope, 'DELETE', '/v1/subjects/ada')).status).toBe(403)
  })
})

/** Every row of every table, as text. */
function sqliteRows(folder: string): readonly string[] {
  const database = new Database(join(folder, 'watchbell.db'), { readonly: true })
  const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all() as {
    name: string
  }[]
  const rows = tables.flatMap(({ name }) => database.prepare(`SELECT * FROM "${name}"`).all())
  database.close()
  return rows.map((row) => JSON.stringify(row))
}

/**
 * What bytes of the embedded database and of its write-ahead log match, with what is around it. Another process reads them:
 * to close a file here would end the locks that SQLite has on it in this process.
 */
function tracesInFiles(folder: string, names: RegExp): readonly string[] {
  const files = readdirSync(folder).filter((name) => /^watchbell\.db(-wal)?$/.test(name))
  return files.flatMap((file) => {
    const bytes = execFileSync('cat', [join(folder, file)], { maxBuffer: 2 ** 30 }).toString()
    return [...bytes.matchAll(new RegExp(names, 'gi'))].map(
      ({ index }) => `${file}: ${bytes.slice(index - 40, index + 40)}`,
    )
  })
}

async function postgresRows(url: string): Promise<readonly string[]> {
  const tables = await runOn(url, `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`)
  const rows = await Promise.all(tables.map(({ name }) => runOn(url, `SELECT * FROM ${String(name)}`)))
  return rows.flat().map((row) => JSON.stringify(row))
}

test.each([
  ['alice', 'bob'],
  ['bob', 'alice'],
])('%s keeps the loaded identifiers: %s, loaded later, is refused the same ones', async (first, later) => {
  await using hub = await startTestHub()
  const named = (login: string) => ({ login, emails: ['shared@example.com'] })
  expect((await load(hub, named(first))).status).toBe(201)
  const refused = await load(hub, named(later))
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining(later)])
  expect((await load(hub, named(first))).status).toBe(200)
  const values = (await subject(hub, first)).identifiers.map(({ value }) => value)
  expect(values.toSorted()).toEqual([first, 'shared@example.com'])
  expect((await hub.api('GET', `/v1/subjects/${later}`)).status).toBe(404)
})

/** Erases a subject. @returns the erasure when it is done */
async function erased(hub: TestHub, id: string): Promise<ErasureBody> {
  const answer = await hub.api('DELETE', `/v1/subjects/${id}`)
  expect(answer.status).toBe(202)
  const begun = (await answer.json()) as ErasureBody
  expect(answer.headers.get('location')).toBe(begun.url)
  expect(begun.url).toBe(`${hub.origin}/v1/erasures/${begun.id}`)
  const show = async () => (await (await hub.api('GET', `/v1/erasures/${begun.id}`)).json()) as ErasureBody
  await expect.poll(async () => (await show()).state, { timeout: 20_000 }).toBe('done')
  return show()
}

describe('erasure of a user', () => {
  test('leaves no trace in any table or byte of the database, keeps the signals, and a repeat is still a repeat', async () => {
    await using folder = await temporaryFolder()
    const tokens: string[] = []
    const names = /lovelace|countess|4711|b(ü|Ü)cher|xn--bcher/i
    {
      await using world = await startHubWithProvider({ hub: { folder: folder.path } })
      const { hub } = world
      await load(hub, {
        login: 'Ada.Lovelace@bücher.example',
        emails: ['countess@example.org'],
        identifiers: [{ format: 'iss_sub', iss: 'https://idp.example', sub: 'sub-of-ada-4711' }],
        display_name: 'Ada King Lovelace',
      })
      const about = (address: string, over: object = {}) =>
        world.sign({ type: 'user-risk-change', subject: { user: email(address) }, ...over })
      tokens.push(
        about('ADA.lovelace@BÜCHER.example', {
          claims: { reason_admin: { en: 'Ada.Lovelace@bücher.example clicked' } },
        }),
        about('countess@example.org', { jti: 'for-countess@example.org' }),
        about('bob@example.com', { claims: { reason_admin: { en: 'Countess@example.org wrote to him' } } }),
        world.sign({
          type: 'session-revoked',
          subject: { format: 'iss_sub', iss: 'https://idp.example', sub: 'sub-of-ada-4711' },
        }),
        world.sign({ type: 'session-revoked', subject: email('bob@example.com') }),
      )
      for (const token of tokens) expect((await hub.push(token)).status).toBe(202)
      await hub.push(world.sign({ jti: 'countess@example.org-2', aud: 'https://elsewhere.example' }))
      await hub.handleAll()
      await setRisk(hub, 'countess@example.org', { riskLevel: 'HIGH' })
      const before = await hub.api('GET', '/api/v1/logs?limit=1000')
      const entriesBefore = ((await before.json()) as unknown[]).length
      const { id } = await subject(hub, 'countess@example.org')

      const done = await erased(hub, id)
      expect(done).toMatchObject({
        subject: { id, kind: 'user' },
        requested_by: { type: 'User' },
        progress: null,
        deleted: { identifiers: 4 },
        rewritten: { signals: 4 },
      })
      expect(JSON.stringify(done)).not.toMatch(names)
      expect(tracesInFiles(folder.path, names)).toEqual([])

      expect((await hub.api('GET', `/v1/subjects/${id}`)).status).toBe(404)
      expect((await hub.api('DELETE', `/v1/subjects/${id}`)).status).toBe(200) // the same erasure
      expect((await hub.api('DELETE', '/v1/subjects/countess%40example.org')).status).toBe(404)
      expect((await hub.api('GET', '/api/v1/users/countess%40example.org/risk')).status).toBe(404)
      expect(await world.signals('?outcome=handled')).toHaveLength(tokens.length)
      expect(await world.signals('?subject=countess%40example.org')).toEqual([])
      expect(await world.signals('?subject=bob%40example.com')).toHaveLength(2)
      const withTokens = await world.signals('?include=token')
      expect(withTokens.filter(({ token }) => token !== null)).toHaveLength(1)
      const [entry] = await logEntries(hub, 'watchbell.subject.erase')
      expect(entry?.target).toMatchObject([
        { id, alternateId: expect.stringMatching(/^erased-era/) as string },
      ])
      const after = await hub.api('GET', '/api/v1/logs?limit=1000')
      expect(((await after.json()) as unknown[]).length).toBe(entriesBefore + 1)
      for (const token of tokens) expect((await hub.push(token)).status).toBe(202)
      await hub.handleAll()
      expect((await world.signals()).filter(({ repeats }) => repeats === 1)).toHaveLength(tokens.length)
    }
    const database = keptDatabase(folder.path)
    const found = database === undefined ? sqliteRows(folder.path) : await postgresRows(database)
    expect(found.length).toBeGreaterThan(20)
    expect(found.filter((row) => names.test(row))).toEqual([])
    expect(tracesInFiles(folder.path, names)).toEqual([])
  })

  test.each<[what: string, type: string, subject: object, asked: string, trace: RegExp]>([
    [
      'a number that is written with spaces',
      'risc/credential-compromise',
      { format: 'phone_number', phone_number: '+1 206 555 0123' },
      '+1 206 555 0123',
      /555.?0123/,
    ],
    ['a short DID', 'risc/credential-compromise', { format: 'did', url: 'did:x:7' }, 'did:x:7', /did:x:7/],
    [
      'a short name of a device',
      'device-compliance-change',
      { format: 'complex', device: { format: 'opaque', id: 'd-42' } },
      'd-42',
      /\bd-42\b/, // and no part of a UUID
    ],
    [
      'an address as its sender writes it',
      'session-revoked',
      email('Jo@BÜCHER.example'),
      'jo@bücher.example',
      /b(ü|Ü)cher/i,
    ],
    [
      'an address with letters of full width',
      'session-revoked',
      email('zora@ｅｘａｍｐｌｅ.com'),
      'zora@ｅｘａｍｐｌｅ.com',
      /zora/i,
    ],
    [
      'an address with another dot',
      'session-revoked',
      email('zora@example。com'),
      'zora@example。com',
      /zora/i,
    ],
    [
      'an address with a letter that does not show',
      'session-revoked',
      email('zora@exam\u{AD}ple.com'),
      'zora@exam\u{AD}ple.com',
      /zora/i,
    ],
  ])('by %s, leaves nothing that it is found by', async (_what, type, named, asked, trace) => {
    await using world = await startHubWithProvider()
    const { hub } = world
    await receive(world, type, named)
    expect(await world.signals(`?subject=${encodeURIComponent(asked)}`)).toHaveLength(1)
    const answer = await hub.api('GET', '/v1/subjects')
    const { subjects } = (await answer.json()) as { subjects: readonly SubjectDetailsBody[] }
    expect(subjects).toHaveLength(1)
    await erased(hub, subjects[0]?.id ?? '')
    expect(await world.signals(`?subject=${encodeURIComponent(asked)}`)).toEqual([])
    const [signal] = await world.signals('?include=token')
    expect(signal).toMatchObject({ outcome: 'handled', token: null })
    expect(JSON.stringify(signal)).not.toMatch(trace)
    expect(await (await hub.api('GET', '/api/v1/logs?limit=1000')).text()).not.toMatch(trace)
  })

  test('removes the identifier from the reason why an event was not applied', async () => {
    await using world = await startHubWithProvider()
    const { hub } = world
    await receive(world, 'session-revoked', email('zora@example.com'))
    const bob = { format: 'complex', user: email('bob@example.com') }
    await receive(world, 'session-revoked', { ...bob, 'Zora@example.com': ada })
    await receive(world, 'risk-level-change', email('bob@example.com'), {
      principal: 'zora@example.com',
      current_level: 'HIGH',
    })
    const reasons = async (): Promise<readonly string[]> =>
      JSON.stringify(await world.signals()).match(/"unmatched_reason":"[^"]*"/g) ?? []
    expect((await reasons()).filter((reason) => /zora@/i.test(reason))).toHaveLength(2)
    const { id } = await subject(hub, 'zora@example.com')
    await erased(hub, id)
    expect((await reasons()).filter((reason) => /'erased-era\w+'/.test(reason))).toHaveLength(2)
    expect(JSON.stringify(await world.signals())).not.toMatch(/zora/i)
  })

  test('changes nothing for a user who was named with the erased user in a contradiction', async () => {
    await using world = await startHubWithProvider()
    const { hub } = world
    const named = (sub: string) => ({
      format: 'aliases',
      identifiers: [ada, { format: 'iss_sub', iss: world.transmitter.issuer, sub }],
    })
    await receive(world, 'session-presented', named('ada'), { event_timestamp: secondsAgo(20) })
    await receive(world, 'credential-compromise', named('bob'), { event_timestamp: secondsAgo(10) })
    const level = async (): Promise<unknown> => {
      const asked = {
        subject: { type: 'user', id: 'bob' },
        action: { name: 'sign_in' },
        resource: { type: 'app', id: 'a' },
      }
      return (
        (await (await hub.api('POST', '/access/v1/evaluation', asked)).json()) as {
          context: { risk: unknown }
        }
      ).context
    }
    const before = await level()
    const { id } = await subject(hub, 'ada@example.com')
    await erased(hub, id)
    expect(await level()).toEqual(before)
    expect((await subject(hub, 'bob')).level).toBe('HIGH')
  })

  test('removes a short sign-in name from the actor of log entries', async () => {
    await using world = await startHubWithProvider()
    const { hub } = world
    await load(hub, { login: 'jsmith', emails: [], identifiers: [] })
    const asked = {
      subject: { type: 'user', id: 'jsmith' },
      action: { name: 'sign_in' },
      resource: { type: 'app', id: 'a' },
    }
    expect((await hub.api('POST', '/access/v1/evaluation', asked)).status).toBe(200)
    expect(await (await hub.api('GET', '/api/v1/logs?limit=1000')).text()).toContain('jsmith')
    const { id } = await subject(hub, 'jsmith')
    await erased(hub, id)
    expect(await (await hub.api('GET', '/api/v1/logs?limit=1000')).text()).not.toContain('jsmith')
  })
})
