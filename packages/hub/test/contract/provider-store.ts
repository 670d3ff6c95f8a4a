import { describe, expect, test } from 'vitest'
import type { ProviderStore } from '../../src/providers/provider-store.ts'
import type { Provider } from '../../src/providers/provider.ts'

let made = 0

/** A provider that clashes with no other. */
export function sampleProvider(members: Partial<Provider> = {}): Provider {
  const n = ++made
  return {
    id: `sse${String(n).padStart(17, '0')}`,
    name: `Provider ${n}`,
    type: 'okta',
    status: 'ACTIVE',
    issuer: `https://idp${n}.example`,
    jwksUrl: `https://idp${n}.example/jwks`,
    wellKnownUrl: undefined,
    createdAt: new Date('2026-03-17T06:00:14.123Z'),
    updatedAt: new Date('2026-03-17T06:00:15.456Z'),
    ...members,
  }
}

/** What every ProviderStore must do. `open` gives an empty one. */
export function providerStoreContract(
  database: string,
  open: () => Promise<{ readonly store: ProviderStore } & AsyncDisposable>,
): void {
  describe(`ProviderStore on ${database}`, () => {
    test('an empty store returns nothing', async () => {
      await using opened = await open()
      const { store } = opened
      expect(await store.list()).toEqual([])
      expect(await store.findById('sse1')).toBeUndefined()
      expect(await store.findByIssuer('https://idp.example')).toBeUndefined()
      expect(await store.delete('sse1')).toBe(false)
    })

    test.each([
      sampleProvider(),
      sampleProvider({
        status: 'INACTIVE',
        wellKnownUrl: 'https://idp.example/.well-known/ssf-configuration',
      }),
      sampleProvider({ name: 'Ünïcødé 🔔 \'"; DROP TABLE providers --', type: ' spaced ', issuer: 'Issuer' }),
      sampleProvider({
        name: '🔔'.repeat(50),
        type: 'é'.repeat(255),
        issuer: '木'.repeat(700),
        jwksUrl: `https://idp.example/${'x'.repeat(980)}`,
        wellKnownUrl: `https://idp.example/${'y'.repeat(980)}`,
      }),
    ])('case %# comes back whole', async (provider) => {
      await using opened = await open()
      const { store } = opened
      await store.insert(provider)
      expect(await store.findById(provider.id)).toEqual(provider)
      expect(await store.findByIssuer(provider.issuer)).toEqual(provider)
      expect(await store.list()).toEqual([provider])
    })

    test('the list is in the order of insertion, whatever the ids, names and times, also after a replace', async () => {
      await using opened = await open()
      const { store } = opened
      const providers = [
        sampleProvider({ id: 'sseZ0000000000000000', name: 'c', createdAt: new Date('2026-03-03') }),
        sampleProvider({ id: 'sseA0000000000000000', name: 'b', createdAt: new Date('2026-03-01') }),
        sampleProvider({ id: 'sseM0000000000000000', name: 'a', createdAt: new Date('2026-03-02') }),
      ]
      for (const provider of providers) await store.insert(provider)
      await store.replace({ ...sampleProvider(), id: 'sseZ0000000000000000', name: 'z' })
      expect((await store.list()).map(({ id }) => id)).toEqual(providers.map(({ id }) => id))
      await store.delete('sseA0000000000000000')
      await store.insert(sampleProvider({ id: 'sseB0000000000000000' }))
      expect((await store.list()).map(({ id }) => id)).toEqual([
        'sseZ0000000000000000',
        'sseM0000000000000000',
        'sseB0000000000000000',
      ])
    })

    test.each([
      'HTTPS://IDP.EXAMPLE',
      'https://idp.example/',
      ' https://idp.example',
      'https://idp.exampl_',
      'https://idp%',
    ])('the issuer is compared character for character: %j does not find it', async (other) => {
      await using opened = await open()
      const { store } = opened
      await store.insert(sampleProvider({ issuer: 'https://idp.example' }))
      expect(await store.findByIssuer('https://idp.example')).toBeDefined()
      expect(await store.findByIssuer(other)).toBeUndefined()
      await store.insert(sampleProvider({ issuer: other }))
      expect(await store.list()).toHaveLength(2)
    })

    test('a second provider with the same name or issuer is refused and not stored (OKTA-R20, OKTA-R24)', async () => {
      await using opened = await open()
      const { store } = opened
      const first = sampleProvider()
      await store.insert(first)
      const sameName = sampleProvider({ name: first.name })
      const sameIssuer = sampleProvider({ issuer: first.issuer })
      await expect(store.insert(sameName)).rejects.toMatchObject({ code: 'provider.name_taken' })
      await expect(store.insert(sameIssuer)).rejects.toMatchObject({ code: 'provider.issuer_taken' })
      expect(await store.list()).toEqual([first])
    })

    test('names that differ in case are different', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(sampleProvider({ name: 'Netskope' }))
      await store.insert(sampleProvider({ name: 'netskope' }))
      expect(await store.list()).toHaveLength(2)
    })

    test('exactly one of many concurrent inserts with the same name or issuer succeeds', async () => {
      await using opened = await open()
      const { store } = opened
      const sameName = Array.from({ length: 10 }, () => sampleProvider({ name: 'one name' }))
      const sameIssuer = Array.from({ length: 10 }, () => sampleProvider({ issuer: 'one issuer' }))
      const outcomes = await Promise.allSettled([...sameName, ...sameIssuer].map((one) => store.insert(one)))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
      const codes = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason.code] : [],
      )
      expect(codes.filter((code) => code === 'provider.name_taken')).toHaveLength(9)
      expect(codes.filter((code) => code === 'provider.issuer_taken')).toHaveLength(9)
      expect(await store.list()).toHaveLength(2)
    })

    test('replace changes every member but the id, and can remove the well-known URL (OKTA-R29)', async () => {
      await using opened = await open()
      const { store } = opened
      const before = sampleProvider({ wellKnownUrl: 'https://idp.example/.well-known/ssf-configuration' })
      const bystander = sampleProvider()
      await store.insert(before)
      await store.insert(bystander)
      const after = sampleProvider({
        id: before.id,
        status: 'INACTIVE',
        updatedAt: new Date('2026-04-01T00:00:00.001Z'),
      })
      await store.replace(after)
      expect(await store.findById(before.id)).toEqual(after)
      expect(await store.findByIssuer(before.issuer)).toBeUndefined()
      expect(await store.findByIssuer(after.issuer)).toEqual(after)
      expect(await store.list()).toEqual([after, bystander])
    })

    test('replace accepts the provider’s own name and issuer, and refuses those of another', async () => {
      await using opened = await open()
      const { store } = opened
      const [one, other] = [sampleProvider(), sampleProvider()]
      await store.insert(one)
      await store.insert(other)
      await store.replace({ ...one, type: 'changed' })
      await expect(store.replace({ ...one, name: other.name })).rejects.toMatchObject({
        code: 'provider.name_taken',
      })
      await expect(store.replace({ ...one, issuer: other.issuer })).rejects.toMatchObject({
        code: 'provider.issuer_taken',
      })
      expect(await store.list()).toEqual([{ ...one, type: 'changed' }, other])
    })

    test('replacing an unknown provider is refused and inserts nothing', async () => {
      await using opened = await open()
      const { store } = opened
      await expect(store.replace(sampleProvider())).rejects.toMatchObject({ code: 'provider.not_found' })
      expect(await store.list()).toEqual([])
    })

    test('a provider is deleted once, and its name and issuer are free again', async () => {
      await using opened = await open()
      const { store } = opened
      const provider = sampleProvider()
      const bystander = sampleProvider()
      await store.insert(provider)
      await store.insert(bystander)
      expect(await store.delete(provider.id)).toBe(true)
      expect(await store.delete(provider.id)).toBe(false)
      expect(await store.findById(provider.id)).toBeUndefined()
      expect(await store.findByIssuer(provider.issuer)).toBeUndefined()
      const again = sampleProvider({ name: provider.name, issuer: provider.issuer })
      await store.insert(again)
      expect(await store.list()).toEqual([bystander, again])
    })
  })
}
