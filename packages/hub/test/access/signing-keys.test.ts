import { expect, test } from 'vitest'
import { pruneAccess } from '../../src/access/housekeeping.ts'
import { createSigningKeys } from '../../src/access/signing-keys.ts'
import { createSecretBox } from '../../src/base/secret-box.ts'
import { realWorld } from '../../src/base/world.ts'
import { journaled } from '../../src/journal/journal.ts'
import { openAccess } from './open-access.ts'

test('several who need the first key at once get the same one', async () => {
  await using access = await openAccess()
  const kids = await Promise.all([1, 2, 3].map(async () => (await access.signingKeys.current()).kid))
  expect(new Set(kids).size).toBe(1)
  expect(await access.signingKeys.publicKeys()).toHaveLength(1)
})

test('of two rotations at once one counts', async () => {
  await using access = await openAccess()
  await access.signingKeys.current()
  const [one, two] = await Promise.all([access.signingKeys.rotate(), access.signingKeys.rotate()])
  expect(one).toEqual(two)
  expect(await access.signingKeys.publicKeys()).toHaveLength(2)
})

test('the private part is stored sealed, and another secret key does not open it', async () => {
  await using access = await openAccess()
  const { kid } = await access.signingKeys.current()
  const records = await access.storage.stores.signingKeys.list()
  expect(records.map(({ sealedPrivateJwk }) => sealedPrivateJwk.split('.').length)).toEqual([5])
  expect(JSON.stringify(records)).not.toMatch(/"(d|p|q)"/)
  const world = { ...realWorld(globalThis.fetch), now: () => new Date(access.nowS() * 1_000) }
  const stranger = createSigningKeys({
    world,
    storage: journaled(access.storage, world),
    box: createSecretBox(new Uint8Array(32).fill(8)),
    signedForMaxMs: 1,
  })
  await expect(stranger.current()).rejects.toMatchObject({ code: 'hub.secret_unreadable' })
  expect((await stranger.publicKeys()).map((key) => key.kid)).toEqual([kid])
})

test('housekeeping forgets keys and used-up values once they cannot matter', async () => {
  await using access = await openAccess()
  await access.signingKeys.current()
  await access.signingKeys.rotate()
  const world = { now: () => new Date(access.nowS() * 1_000) }
  await access.storage.stores.usedOnce.useOnce('x', new Date((access.nowS() + 60) * 1_000))
  expect(await pruneAccess(world, access.storage)).toBe(0)
  access.turnClock(3_601)
  expect(await pruneAccess(world, access.storage)).toBe(2)
  expect(await access.storage.stores.signingKeys.list()).toHaveLength(1)
})
