import { Client } from '@okta/okta-sdk-nodejs'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { registerApp, type TestApp } from './oauth-app.ts'

const withoutCache = { cacheMiddleware: null } as const // the default one hides what the server does (OKTA §12)

function tokenClient(hub: TestHub): Client {
  return new Client({ orgUrl: hub.origin, token: hub.adminToken, ...withoutCache })
}

function oauthClient(hub: TestHub, { clientId, pem }: TestApp, ...scopes: readonly string[]): Client {
  return new Client({
    orgUrl: hub.origin,
    authorizationMode: 'PrivateKey',
    clientId,
    scopes: [...scopes],
    privateKey: pem,
    ...withoutCache,
  })
}

/** A service app that may send risk events, and its risk provider. */
async function registerPartner(hub: TestHub, action: 'none' | 'log_only' | 'enforce_and_log') {
  const app = await registerApp(hub, 'okta.riskEvents.manage')
  const provider = await tokenClient(hub).riskProviderApi.createRiskProvider({
    instance: { name: `Partner ${app.clientId}`, clientId: app.clientId, action, id: '', _links: {} },
  })
  return { app, provider, sender: oauthClient(hub, app, 'okta.riskEvents.manage') }
}

/** What the SDK threw. */
async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable('it was taken'),
    (error: unknown) => error,
  )
}

describe('risk providers', () => {
  const manage = 'okta.riskProviders.manage'
  const modes: readonly [name: string, connect: (hub: TestHub) => Promise<Client>][] = [
    ['an SSWS token', async (hub) => tokenClient(hub)],
    ['OAuth', async (hub) => oauthClient(hub, await registerApp(hub, manage), manage)],
    [
      'OAuth with DPoP',
      async (hub) =>
        oauthClient(hub, await registerApp(hub, manage, { dpop_bound_access_tokens: true }), manage),
    ],
  ]

  test.each(modes)(
    'create, list, get, get-edit-put, delete with %s (OKTA-K1 to OKTA-K5, OKTA-K23)',
    async (_, connect) => {
      await using hub = await startTestHub()
      const { riskProviderApi } = await connect(hub)
      const { clientId } = await registerApp(hub, 'okta.riskEvents.manage')
      const made = await riskProviderApi.createRiskProvider({
        instance: { name: 'Risk-Partner-X', clientId, action: 'log_only', id: 'ignored', _links: {} },
      })
      expect(made).toMatchObject({ name: 'Risk-Partner-X', clientId, action: 'log_only' })
      expect(made.created).toBeInstanceOf(Date)
      const riskProviderId = made.id

      const listed: unknown[] = []
      await (await riskProviderApi.listRiskProviders()).each((provider) => void listed.push(provider))
      expect(listed).toEqual([made])

      const fetched = await riskProviderApi.getRiskProvider({ riskProviderId })
      fetched.action = 'enforce_and_log'
      const replaced = await riskProviderApi.replaceRiskProvider({ riskProviderId, instance: fetched })
      expect(replaced).toMatchObject({
        id: riskProviderId,
        name: 'Risk-Partner-X',
        action: 'enforce_and_log',
      })
      expect(replaced.created).toEqual(made.created)

      await riskProviderApi.deleteRiskProvider({ riskProviderId })
      expect(await thrownBy(riskProviderApi.getRiskProvider({ riskProviderId }))).toMatchObject({
        status: 404,
        errorCode: 'E0000007',
      })
    },
  )

  test('errors have code and causes (OKTA-X1)', async () => {
    await using hub = await startTestHub()
    const { riskProviderApi } = tokenClient(hub)
    const instance = {
      name: 'n'.repeat(51),
      clientId: '0oaNone',
      action: 'log_only',
      id: '',
      _links: {},
    } as const
    expect(await thrownBy(riskProviderApi.createRiskProvider({ instance }))).toMatchObject({
      status: 400,
      errorCode: 'E0000001',
      errorCauses: [{ errorSummary: expect.stringMatching(/^name: /) }],
    })
  })
})

describe('risk events', () => {
  test('are sent, logged and used at sign-in; the SDK strips milliseconds (OKTA-V10 to OKTA-V18)', async () => {
    await using hub = await startTestHub()
    const { sender, provider } = await registerPartner(hub, 'enforce_and_log')
    await sender.riskEventApi.sendRiskEvents({
      instance: [
        {
          timestamp: new Date('2026-01-01T00:00:00.123Z'),
          expiresAt: new Date('2199-01-01T00:00:00.123Z'),
          subjects: [
            { ip: '203.0.113.7', riskLevel: 'HIGH', message: 'Detected Attack tools being used on this IP' },
            { ip: '2001:db8::1', riskLevel: 'MEDIUM' },
          ],
        },
      ],
    })
    const entries: unknown[] = []
    const filter = 'eventType eq "security.risk.signal.consume"'
    const logs = await tokenClient(hub).systemLogApi.listLogEvents({ filter })
    await logs.each((entry) => void entries.push(entry))
    expect(entries).toMatchObject([
      {
        debugContext: {
          debugData: {
            riskSignalList: '[{ip=203.0.113.7, riskLevel=HIGH}, {ip=2001:db8::1, riskLevel=MEDIUM}]',
            riskSignalSize: '2',
            riskSignalProviderAction: 'ENFORCE_AND_LOG',
            riskSignalProviderId: provider.id,
          },
        },
      },
    ])
    const answer = await hub.api('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: 'ada@example.com' },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
      context: { ip: '203.0.113.7' },
    })
    expect(await answer.json()).toMatchObject({
      decision: false,
      context: { level: 'HIGH', reasons: [{ expires_at: '2199-01-01T00:00:00.000Z' }] },
    })
  })

  test('bad addresses are refused with their places, and callers that are no risk provider (OKTA-V16, OKTA-V19)', async () => {
    await using hub = await startTestHub()
    const { sender } = await registerPartner(hub, 'log_only')
    const instance = [{ subjects: [{ ip: '010.0.0.1', riskLevel: 'HIGH' as const }] }]
    expect(await thrownBy(sender.riskEventApi.sendRiskEvents({ instance }))).toMatchObject({
      status: 400,
      errorCode: 'E0000001',
      errorCauses: [{ errorSummary: expect.stringMatching(/^\[0\]\.subjects\[0\]\.ip: /) }],
    })
    const good = [{ subjects: [{ ip: '10.0.0.1', riskLevel: 'HIGH' as const }] }]
    const stranger = oauthClient(
      hub,
      await registerApp(hub, 'okta.riskEvents.manage'),
      'okta.riskEvents.manage',
    )
    for (const client of [stranger, tokenClient(hub)]) {
      expect(await thrownBy(client.riskEventApi.sendRiskEvents({ instance: good }))).toMatchObject({
        status: 403,
        errorCode: 'E0000006',
      })
    }
  })
})
