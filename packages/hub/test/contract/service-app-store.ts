import { describe, expect, test } from 'vitest'
import type { ServiceApp, ServiceAppStore } from '../../src/access/service-app.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

function app(clientId: string, over: Partial<ServiceApp> = {}): ServiceApp {
  return {
    clientId,
    name: `App ${clientId}`,
    keys: { jwks: [{ kty: 'OKP', crv: 'Ed25519', x: 'AAAA', kid: 'ключ', 'x-more': [1, null] }] },
    scopes: ['okta.logs.read', 'watchbell.signals.read'],
    dpopBound: false,
    createdAt: at(0),
    updatedAt: at(0),
    ...over,
  }
}

export function serviceAppStoreContract(
  name: string,
  open: () => Promise<{ readonly store: ServiceAppStore } & AsyncDisposable>,
): void {
  describe(`ServiceAppStore on ${name}`, () => {
    test.each([
      ['keys by value', app('0oaA')],
      ['keys by reference', app('0oaB', { keys: { jwksUri: 'https://app.example/jwks' } })],
      ['no scopes, bound', app('0oaC', { scopes: [], dpopBound: true })],
    ])('a service app is stored and read back unchanged: %s', async (_name, one) => {
      await using opened = await open()
      await opened.store.insert(one)
      expect(await opened.store.find(one.clientId)).toEqual(one)
      expect(await opened.store.find(one.clientId.toLowerCase())).toBeUndefined()
    })

    test('replacing keeps the id and the time of creation', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(app('0oaA'))
      await store.insert(app('0oaB'))
      const changed = app('0oaA', {
        name: 'New',
        keys: { jwksUri: 'https://app.example/jwks' },
        scopes: ['okta.logs.read'],
        dpopBound: true,
        createdAt: at(30),
        updatedAt: at(30),
      })
      expect(await store.replace(changed)).toBe(true)
      expect(await store.find('0oaA')).toEqual({ ...changed, createdAt: at(0) })
      expect(await store.find('0oaB')).toEqual(app('0oaB'))
      expect(await store.replace(app('0oaZ'))).toBe(false)
      expect(await store.find('0oaZ')).toBeUndefined()
    })

    test('lists by id in pages', async () => {
      await using opened = await open()
      const { store } = opened
      for (const id of ['0oaC', '0oaA', '0oab', '0oaB']) await store.insert(app(id))
      const ids = async (after: string | undefined, limit: number) =>
        (await store.list({ after, limit })).map(({ clientId }) => clientId)
      expect(await ids(undefined, 10)).toEqual(['0oaA', '0oaB', '0oaC', '0oab'])
      expect(await ids(undefined, 2)).toEqual(['0oaA', '0oaB'])
      expect(await ids('0oaB', 2)).toEqual(['0oaC', '0oab'])
      expect(await ids('0oab', 2)).toEqual([])
    })

    test('deletes a service app once', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(app('0oaA'))
      await store.insert(app('0oaB'))
      expect(await store.delete('0oaA')).toBe(true)
      expect(await store.delete('0oaA')).toBe(false)
      expect(await store.find('0oaA')).toBeUndefined()
      expect(await store.find('0oaB')).toBeDefined()
    })
  })
}
