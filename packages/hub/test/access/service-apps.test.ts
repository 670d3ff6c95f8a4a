import { describe, expect, test } from 'vitest'
import type { Caller } from '../../src/access/caller.ts'
import { readClientMetadata } from '../../src/access/client-metadata.ts'
import { makeKey, openAccess, type TestAccess } from './open-access.ts'

const forbidden = { code: 'access.forbidden' }

/** A service app that manages others, and may read the log. */
async function manager(
  access: TestAccess,
  granted = 'okta.clients.manage okta.logs.read',
  asked = granted,
): Promise<Caller> {
  const key = await makeKey()
  const { clientId } = await access.register({ jwks: { keys: [key.publicJwk] } }, { scope: granted })
  const { accessToken } = await access.requestToken({ ...key, clientId }, { form: { scope: asked } })
  return access.call(`Bearer ${accessToken}`, { scope: 'okta.clients.manage' })
}

async function draft(scope: string) {
  const { publicJwk } = await makeKey()
  return readClientMetadata({ client_name: 'made', jwks: { keys: [publicJwk] }, scope })
}

describe('what a service app may do to others', () => {
  test.each(['', 'okta.logs.read', 'okta.clients.manage', 'okta.clients.read okta.logs.read'])(
    'grant %j',
    async (scope) => {
      await using access = await openAccess()
      expect(await access.serviceApps.create(await draft(scope), await manager(access))).toMatchObject({
        name: 'made',
      })
    },
  )

  test.each([
    'okta.securityEventsProviders.read',
    'okta.logs.read watchbell.signals.read',
    'okta.userRisk.manage',
  ])('not grant %j, which it does not hold', async (scope) => {
    await using access = await openAccess()
    const by = await manager(access)
    const { clientId } = await access.serviceApps.create(await draft('okta.logs.read'), by)
    await expect(access.serviceApps.create(await draft(scope), by)).rejects.toMatchObject(forbidden)
    await expect(access.serviceApps.replace(clientId, await draft(scope), by)).rejects.toMatchObject(
      forbidden,
    )
    expect(await access.serviceApps.get(clientId)).toMatchObject({ scopes: ['okta.logs.read'] })
  })

  test('not grant what it holds but did not ask its token for', async () => {
    await using access = await openAccess()
    const by = await manager(access, 'okta.clients.manage okta.logs.read', 'okta.clients.manage')
    await expect(access.serviceApps.create(await draft('okta.logs.read'), by)).rejects.toMatchObject(
      forbidden,
    )
  })

  test('not take over a stronger app by giving it new keys', async () => {
    await using access = await openAccess()
    const { publicJwk } = await makeKey()
    const strong = await access.register({ jwks: { keys: [publicJwk] } }, { scope: 'okta.userRisk.manage' })
    const taking = access.serviceApps.replace(
      strong.clientId,
      await draft('okta.userRisk.manage'),
      await manager(access),
    )
    await expect(taking).rejects.toMatchObject(forbidden)
    expect(await access.serviceApps.get(strong.clientId)).toEqual(strong)
  })

  test.each([
    [
      'narrowing it',
      (by: Caller, access: TestAccess, id: string) =>
        draft('').then((to) => access.serviceApps.replace(id, to, by)),
    ],
    ['deleting it', (by: Caller, access: TestAccess, id: string) => access.serviceApps.delete(id, by)],
  ] as const)('not touch a stronger app, not even by %s', async (_, touch) => {
    await using access = await openAccess()
    const { publicJwk } = await makeKey()
    const strong = await access.register(
      { jwks: { keys: [publicJwk] } },
      { scope: 'okta.userRisk.manage okta.logs.read' },
    )
    await expect(touch(await manager(access), access, strong.clientId)).rejects.toMatchObject({
      ...forbidden,
      detail: expect.stringContaining('lacks okta.userRisk.manage'),
    })
    expect(await access.serviceApps.get(strong.clientId)).toEqual(strong)
  })

  test("a risk provider's app only where it may manage risk providers", async () => {
    await using access = await openAccess()
    const { publicJwk } = await makeKey()
    const held = 'okta.clients.manage okta.riskEvents.manage'
    const { clientId } = await access.register(
      { jwks: { keys: [publicJwk] } },
      { scope: 'okta.riskEvents.manage' },
    )
    const at = new Date(access.nowS() * 1_000)
    await access.storage.stores.riskProviders.insert({
      id: 'rkp1',
      name: 'Partner',
      clientId,
      action: 'log_only',
      createdAt: at,
      updatedAt: at,
    })
    const lacking = { ...forbidden, detail: expect.stringContaining('takes okta.riskProviders.manage too') }
    const by = await manager(access, held)
    const to = await draft('okta.riskEvents.manage')
    await expect(access.serviceApps.replace(clientId, to, by)).rejects.toMatchObject(lacking)
    await expect(access.serviceApps.delete(clientId, by)).rejects.toMatchObject(lacking)
    const wider = await manager(access, `${held} okta.riskProviders.manage`)
    expect(await access.serviceApps.replace(clientId, to, wider)).toMatchObject({ keys: to.keys })
    await access.serviceApps.delete(clientId, wider)
  })

  test('not change or delete itself', async () => {
    await using access = await openAccess()
    const by = await manager(access)
    const self = by.kind === 'client' ? by.clientId : ''
    await expect(access.serviceApps.replace(self, await draft('okta.logs.read'), by)).rejects.toMatchObject(
      forbidden,
    )
    await expect(access.serviceApps.delete(self, by)).rejects.toMatchObject(forbidden)
  })
})

test('the operator may grant everything, and what is not there is not found', async () => {
  await using access = await openAccess()
  const app = await access.serviceApps.create(await draft('okta.userRisk.manage'), 'operator')
  access.turnClock(60)
  const changed = await access.serviceApps.replace(app.clientId, await draft(''), 'operator')
  expect(changed).toMatchObject({
    scopes: [],
    createdAt: app.createdAt,
    updatedAt: new Date(access.nowS() * 1_000),
  })
  await access.serviceApps.delete(app.clientId, 'operator')
  const gone = { code: 'client.not_found', facts: { id: app.clientId } }
  await expect(access.serviceApps.get(app.clientId)).rejects.toMatchObject(gone)
  await expect(access.serviceApps.replace(app.clientId, await draft(''), 'operator')).rejects.toMatchObject(
    gone,
  )
  await expect(access.serviceApps.delete(app.clientId, 'operator')).rejects.toMatchObject(gone)
})
