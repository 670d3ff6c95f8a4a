import { expect, test } from 'vitest'
import { realWorld } from '../../src/base/world.ts'
import { journaled } from '../../src/journal/journal.ts'
import type { Storage } from '../../src/stores.ts'
import { databases } from '../contract/databases.ts'
import { provider } from '../contract/signal-store.ts'

const world = realWorld(globalThis.fetch)
const by = { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined }
const idp = provider('idp')

const logged = async ({ stores }: Storage): Promise<readonly unknown[]> => {
  const entries = await stores.systemLog.page({
    position: { order: 'persisted', after: 0 },
    eventTypes: undefined,
    limit: 100,
  })
  return entries.map(({ event }) => event?.eventType)
}

for (const [database, open] of databases) {
  test(`a change and its entry commit together or not at all, on ${database}`, async () => {
    await using storage = await open()
    const { transaction } = journaled(storage, world)
    const insert = (end: () => void): Promise<void> =>
      transaction(async ({ stores, journal }) => {
        await stores.providers.insert(idp)
        await journal.providerChanged({ kind: 'create', provider: idp, before: undefined, by })
        end()
      })
    const fault = new Error('the work failed after the entry')
    await expect(
      insert(() => {
        throw fault
      }),
    ).rejects.toBe(fault)
    expect([await storage.stores.providers.list(), await logged(storage)]).toEqual([[], []])

    await insert(() => undefined)
    expect(await storage.stores.providers.list()).toHaveLength(1)
    expect(await logged(storage)).toEqual(['security.events.provider.create'])
  })

  test(`what changed nothing writes no entry, on ${database}`, async () => {
    await using storage = await open()
    await journaled(storage, world).transaction(({ journal }) =>
      journal.levelsChanged([], { by, detectionName: 'Admin Reported User Risk' }),
    )
    expect(await logged(storage)).toEqual([])
  })
}
