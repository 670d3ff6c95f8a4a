import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub } from '../../src/testing/start-test-hub.ts'
import { registerApp } from './oauth-app.ts'

describe('System Log of service apps and API tokens', () => {
  interface Entry {
    readonly eventType: string
    readonly actor: { readonly id: string; readonly type: string; readonly displayName: string }
    readonly client: { readonly ipAddress: string } | null
    readonly target: readonly {
      readonly id: string
      readonly displayName: string
      readonly detailEntry: object
    }[]
  }

  async function entries(hub: TestHub, eventTypes: string): Promise<readonly Entry[]> {
    const query = new URLSearchParams({ filter: `eventType sw "${eventTypes}"` })
    return (await (await hub.api('GET', `/api/v1/logs?${query.toString()}`)).json()) as readonly Entry[] // of a 200
  }

  test('has each change of a service app and its actor', async () => {
    await using hub = await startTestHub()
    const { clientId } = await registerApp(hub, 'okta.logs.read')
    const one = `/oauth2/v1/clients/${clientId}`
    const metadata = (await (await hub.api('GET', one)).json()) as object // of a 200
    await hub.api('PUT', one, { ...metadata, client_name: 'renamed', scope: '' })
    await hub.api('PUT', one, { ...metadata, client_name: '' }) // refused
    await hub.api('DELETE', one)
    await hub.api('DELETE', one) // is gone already
    const found = await entries(hub, 'app.oauth2.client.lifecycle.')
    expect(found.map(({ eventType, target }) => [eventType.split('.').at(-1), target[0]])).toEqual([
      ['create', expect.objectContaining({ id: clientId, displayName: 'test app' })],
      ['update', expect.objectContaining({ id: clientId, displayName: 'renamed' })],
      ['delete', expect.objectContaining({ id: clientId, displayName: 'renamed' })],
    ])
    for (const { actor, client } of found) {
      expect(actor).toMatchObject({ type: 'User', displayName: 'WATCHBELL_ADMIN_TOKEN' })
      expect(client).toMatchObject({ ipAddress: '127.0.0.1' })
    }
    expect(JSON.stringify(found)).not.toContain('"n":') // no keys
  })

  test('has each change of an API token and never its secret', async () => {
    await using hub = await startTestHub()
    const { secret, token } = await hub.hub.apiTokens.create({ name: 'grafana', role: 'read_only' })
    await expect(hub.hub.apiTokens.create({ name: 'grafana', role: 'admin' })).rejects.toThrow(/name/)
    await hub.hub.apiTokens.revoke('grafana')
    await expect(hub.hub.apiTokens.revoke('grafana')).rejects.toThrow(/no live/)
    const found = await entries(hub, 'system.api_token.')
    expect(
      found.map(({ eventType, actor, target }) => [eventType, actor.id, target[0]?.displayName]),
    ).toEqual([
      ['system.api_token.create', 'operator', 'WATCHBELL_ADMIN_TOKEN'],
      ['system.api_token.create', 'operator', 'grafana'],
      ['system.api_token.revoke', 'operator', 'grafana'],
    ])
    expect(found[1]?.target[0]).toMatchObject({ id: token.id, detailEntry: { role: 'read_only' } })
    expect(JSON.stringify(found)).not.toContain(secret)
  })
})
