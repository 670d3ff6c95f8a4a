import { describe, expect, test } from 'vitest'
import { providerStoreContract } from '../../test/contract/provider-store.ts'
import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { ProviderDraft } from './provider-draft.ts'
import type { ProviderStore } from './provider-store.ts'
import type { Provider } from './provider.ts'
import { createProviders, type ProviderChange, type ProvidersDeps } from './providers.ts'

/** Storage whose commits the test can delay or fail; it must pass the contract below. */
function memoryStorage() {
  let rows: readonly Provider[] = []
  let journal: readonly ProviderChange[] = []
  let beforeCommit: () => Promise<void> = async () => undefined
  let turn: Promise<unknown> = Promise.resolve()

  function refuseTaken(provider: Provider): void {
    const others = rows.filter((row) => row.id !== provider.id)
    if (others.some((row) => row.name === provider.name)) throw new HubError('provider.name_taken')
    if (others.some((row) => row.issuer === provider.issuer)) throw new HubError('provider.issuer_taken')
  }

  const store: ProviderStore = {
    list: async () => [...rows],
    findById: async (id) => rows.find((row) => row.id === id),
    findByIssuer: async (iss) => rows.find((row) => row.issuer === iss),
    async insert(provider) {
      refuseTaken(provider)
      rows = [...rows, provider]
    },
    async replace(provider) {
      if (!rows.some((row) => row.id === provider.id)) throw new HubError('provider.not_found')
      refuseTaken(provider)
      rows = rows.map((row) => (row.id === provider.id ? provider : row))
    },
    async delete(id) {
      const before = rows.length
      rows = rows.filter((row) => row.id !== id)
      return rows.length < before
    },
  }

  const transaction: ProvidersDeps['transaction'] = (work) => {
    const done = turn.then(async () => {
      const before = { rows, journal }
      const providerChanged = async (change: ProviderChange): Promise<void> => {
        journal = [...journal, change]
      }
      try {
        const result = await work({ stores: { providers: store }, journal: { providerChanged } })
        await beforeCommit()
        return result
      } catch (error) {
        ;({ rows, journal } = before)
        throw error
      }
    })
    turn = done.catch(() => undefined)
    return done
  }
  return {
    store,
    transaction,
    journal: () => journal,
    onCommit: (hook: () => Promise<void>) => (beforeCommit = hook),
  }
}

providerStoreContract('memory', async () => ({
  store: memoryStorage().store,
  async [Symbol.asyncDispose]() {},
}))

const by: Actor = { id: '00T1', type: 'User', displayName: 'Ada', alternateId: undefined }
const draft = (n: number, members: Partial<ProviderDraft> = {}): ProviderDraft => ({
  name: `Provider ${n}`,
  type: 'okta',
  settings: { issuer: `https://idp${n}.example`, jwksUrl: `https://idp${n}.example/jwks` },
  ...members,
})
const wellKnownDraft = (url: string): ProviderDraft => draft(1, { settings: { wellKnownUrl: url } })

async function start(deps: Partial<ProvidersDeps> = {}) {
  const storage = memoryStorage()
  let ids = 0
  let nowMs = Date.parse('2026-03-17T06:00:00Z')
  const all: ProvidersDeps = {
    world: { now: () => new Date((nowMs += 1_000)), newId: (prefix) => `${prefix}${++ids}` },
    store: storage.store,
    transaction: storage.transaction,
    readMetadata: async (url) => ({ issuer: new URL(url).origin, jwksUrl: `${new URL(url).origin}/keys` }),
    checkKeys: undefined,
    providersMax: 1_000,
    ...deps,
  }
  const providers = await createProviders(all)
  return { ...storage, deps: all, providers, kinds: () => storage.journal().map(({ kind }) => kind) }
}

/** Who may send, by the in-memory look-up: the provider's id or the code of the refusal. */
function mayPass({ providers }: Awaited<ReturnType<typeof start>>, iss: string): string {
  try {
    return providers.activeByIssuer(iss).id
  } catch (error) {
    if (error instanceof HubError) return error.code
    throw error
  }
}

describe('create', () => {
  test('makes an ACTIVE provider, journals it, and accepts its SETs (OKTA-R41)', async () => {
    const hub = await start()
    const provider = await hub.providers.create(draft(1), by)
    expect(provider).toMatchObject({
      id: 'sse1',
      name: 'Provider 1',
      type: 'okta',
      status: 'ACTIVE',
      issuer: 'https://idp1.example',
      jwksUrl: 'https://idp1.example/jwks',
      wellKnownUrl: undefined,
    })
    expect(provider.createdAt).toEqual(provider.updatedAt)
    expect(await hub.providers.get('sse1')).toEqual(provider)
    expect(await hub.providers.list()).toEqual([provider])
    expect(hub.journal()).toEqual([{ kind: 'create', provider, before: undefined, by }])
    expect(mayPass(hub, 'https://idp1.example')).toBe('sse1')
    expect(mayPass(hub, 'https://idp1.example/')).toBe('set.unknown_issuer')
  })

  test('keeps the well-known URL with what it resolved to (OKTA-R43)', async () => {
    const hub = await start()
    const url = 'https://idp.example/.well-known/ssf-configuration'
    expect(await hub.providers.create(wellKnownDraft(url), by)).toMatchObject({
      issuer: 'https://idp.example',
      jwksUrl: 'https://idp.example/keys',
      wellKnownUrl: url,
    })
  })

  test.each(['provider.metadata_unusable', 'outbound.refused', 'outbound.failed'] as const)(
    'a well-known URL that ends in %s is a problem of its field (OKTA-R63)',
    async (code) => {
      const readMetadata = () => Promise.reject(new HubError(code, { detail: 'It is broken.' }))
      const hub = await start({ readMetadata })
      await expect(hub.providers.create(wellKnownDraft('https://idp.example/'), by)).rejects.toMatchObject({
        code: 'provider.invalid',
        problems: [
          { field: 'settings.well_known_url', message: 'well_known_url is not valid: It is broken.' },
        ],
      })
      expect([await hub.providers.list(), hub.kinds()]).toEqual([[], []])
    },
  )

  test('an unexpected error while resolving is passed on', async () => {
    const hub = await start({ readMetadata: () => Promise.reject(new TypeError('bug')) })
    await expect(hub.providers.create(wellKnownDraft('https://idp.example/'), by)).rejects.toThrow(TypeError)
  })

  test('with checkKeys, a JWKS URL without a usable key is a problem of its field (OKTA-R64)', async () => {
    const checked: string[] = []
    const hub = await start({
      async checkKeys(jwksUrl) {
        checked.push(jwksUrl)
        if (jwksUrl.includes('idp2')) throw new HubError('keys.unavailable', { detail: 'No usable key.' })
      },
    })
    await hub.providers.create(draft(1), by)
    await expect(hub.providers.create(draft(2), by)).rejects.toMatchObject({
      code: 'provider.invalid',
      problems: [{ field: 'settings.jwks_url', message: 'jwks_url is not valid: No usable key.' }],
    })
    await hub.providers.create(draft(3, { settings: { wellKnownUrl: 'https://idp3.example/' } }), by)
    expect(checked).toEqual([
      'https://idp1.example/jwks',
      'https://idp2.example/jwks',
      'https://idp3.example/keys',
    ])
  })

  test('a taken name or issuer changes and journals nothing (OKTA-R61, OKTA-R62)', async () => {
    const hub = await start()
    await hub.providers.create(draft(1), by)
    const sameName = draft(2, { name: 'Provider 1' })
    const sameIssuer = draft(2, { settings: draft(1).settings })
    await expect(hub.providers.create(sameName, by)).rejects.toMatchObject({ code: 'provider.name_taken' })
    await expect(hub.providers.create(sameIssuer, by)).rejects.toMatchObject({
      code: 'provider.issuer_taken',
    })
    expect(hub.kinds()).toEqual(['create'])
    expect(mayPass(hub, 'https://idp1.example')).toBe('sse1')
    expect(mayPass(hub, 'https://idp2.example')).toBe('set.unknown_issuer')
  })

  test('of many concurrent creations with one name, one succeeds', async () => {
    const hub = await start()
    const tries = Array.from({ length: 10 }, (_, n) =>
      hub.providers.create(draft(n, { name: 'one name' }), by),
    )
    const outcomes = await Promise.allSettled(tries)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(hub.kinds()).toEqual(['create'])
  })

  test('stops at providersMax, until a provider is deleted', async () => {
    const hub = await start({ providersMax: 2 })
    const { id } = await hub.providers.create(draft(1), by)
    await hub.providers.create(draft(2), by)
    await expect(hub.providers.create(draft(3), by)).rejects.toMatchObject({ code: 'provider.limit_reached' })
    await hub.providers.delete(id, by)
    expect((await hub.providers.create(draft(3), by)).name).toBe('Provider 3')
  })

  test('when the commit fails, no SETs are accepted', async () => {
    const hub = await start()
    hub.onCommit(() => Promise.reject(new Error('disk full')))
    await expect(hub.providers.create(draft(1), by)).rejects.toThrow('disk full')
    expect([await hub.providers.list(), hub.kinds()]).toEqual([[], []])
    expect(mayPass(hub, 'https://idp1.example')).toBe('set.unknown_issuer')
  })
})

describe('replace', () => {
  test('changes name, type and settings, and leaves id, status and creation (OKTA-R28, OKTA-R29, OKTA-R30)', async () => {
    const hub = await start()
    const before = await hub.providers.create(wellKnownDraft('https://idp.example/'), by)
    await hub.providers.deactivate(before.id, by)
    const after = await hub.providers.replace(before.id, draft(2, { type: 'Google' }), by)
    expect(after).toMatchObject({
      id: before.id,
      name: 'Provider 2',
      type: 'Google',
      status: 'INACTIVE',
      issuer: 'https://idp2.example',
      wellKnownUrl: undefined,
      createdAt: before.createdAt,
    })
    expect(after.updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime())
    expect(hub.journal().at(-1)).toMatchObject({
      kind: 'update',
      provider: after,
      before: { issuer: 'https://idp.example' },
    })
    expect(mayPass(hub, 'https://idp.example')).toBe('set.unknown_issuer')
    expect(mayPass(hub, 'https://idp2.example')).toBe('set.provider_inactive')
  })

  test('of an unknown id sends no request to a transmitter', async () => {
    const asked: string[] = []
    const hub = await start({
      async readMetadata(url) {
        asked.push(url)
        return { issuer: 'x', jwksUrl: 'y' }
      },
    })
    await expect(
      hub.providers.replace('sse9', wellKnownDraft('https://idp.example/'), by),
    ).rejects.toMatchObject({
      code: 'provider.not_found',
      detail: expect.stringContaining('sse9'),
    })
    expect(asked).toEqual([])
  })

  test("with another provider's name is refused and changes nothing", async () => {
    const hub = await start()
    await hub.providers.create(draft(1), by)
    const { id } = await hub.providers.create(draft(2), by)
    const clash = draft(3, { name: 'Provider 1' })
    await expect(hub.providers.replace(id, clash, by)).rejects.toMatchObject({ code: 'provider.name_taken' })
    expect(mayPass(hub, 'https://idp2.example')).toBe(id)
    expect(mayPass(hub, 'https://idp3.example')).toBe('set.unknown_issuer')
  })
})

describe('lifecycle', () => {
  test('deactivate stops the flow and activate resumes it, each journalled once (OKTA-R6, OKTA-R7, OKTA-R8, OKTA-R9)', async () => {
    const hub = await start()
    const { id, issuer } = await hub.providers.create(draft(1), by)
    expect(await hub.providers.activate(id, by)).toMatchObject({ status: 'ACTIVE' })
    expect(await hub.providers.deactivate(id, by)).toMatchObject({ status: 'INACTIVE' })
    expect(await hub.providers.deactivate(id, by)).toMatchObject({ status: 'INACTIVE' })
    expect(mayPass(hub, issuer)).toBe('set.provider_inactive')
    expect(hub.providers.findByIssuer(issuer)).toMatchObject({ status: 'INACTIVE' })
    expect(await hub.providers.activate(id, by)).toMatchObject({ status: 'ACTIVE' })
    expect(mayPass(hub, issuer)).toBe(id)
    expect(hub.kinds()).toEqual(['create', 'deactivate', 'activate'])
    expect(hub.journal()[1]).toMatchObject({
      before: { status: 'ACTIVE' },
      provider: { status: 'INACTIVE' },
      by,
    })
  })

  test.each(['deactivate', 'delete'] as const)('%s stops the flow before it commits', async (verb) => {
    const hub = await start()
    const { id, issuer } = await hub.providers.create(draft(1), by)
    const seen: string[] = []
    hub.onCommit(async () => void seen.push(mayPass(hub, issuer)))
    await hub.providers[verb](id, by)
    expect(seen).toEqual(['set.provider_inactive'])
  })

  test.each(['deactivate', 'delete'] as const)(
    'a %s that cannot be committed lets the flow go on',
    async (verb) => {
      const hub = await start()
      const { id, issuer } = await hub.providers.create(draft(1), by)
      hub.onCommit(() => Promise.reject(new Error('disk full')))
      await expect(hub.providers[verb](id, by)).rejects.toThrow('disk full')
      expect(mayPass(hub, issuer)).toBe(id)
      expect(hub.kinds()).toEqual(['create'])
    },
  )

  test('activate resumes the flow only after it is committed', async () => {
    const hub = await start()
    const { id, issuer } = await hub.providers.create(draft(1), by)
    await hub.providers.deactivate(id, by)
    const seen: string[] = []
    hub.onCommit(async () => void seen.push(mayPass(hub, issuer)))
    await hub.providers.activate(id, by)
    expect(seen).toEqual(['set.provider_inactive'])
    hub.onCommit(() => Promise.reject(new Error('disk full')))
    await hub.providers.deactivate(id, by).catch(() => undefined)
    expect(mayPass(hub, issuer)).toBe(id)
  })

  test('after concurrent changes memory has the last one, as the store does', async () => {
    const hub = await start()
    const { id, issuer } = await hub.providers.create(draft(1), by)
    const changes = Array.from({ length: 21 }, (_, n) =>
      hub.providers[n % 2 === 0 ? 'deactivate' : 'activate'](id, by),
    )
    await Promise.all(changes)
    expect(await hub.providers.get(id)).toMatchObject({ status: 'INACTIVE' })
    expect(mayPass(hub, issuer)).toBe('set.provider_inactive')
  })

  test('delete works on an ACTIVE provider, and its name and issuer are free again (OKTA-R10)', async () => {
    const hub = await start()
    const provider = await hub.providers.create(draft(1), by)
    await hub.providers.delete(provider.id, by)
    expect(hub.journal().at(-1)).toEqual({ kind: 'delete', provider, before: provider, by })
    expect(mayPass(hub, provider.issuer)).toBe('set.unknown_issuer')
    const again = await hub.providers.create(draft(1), by)
    expect(mayPass(hub, provider.issuer)).toBe(again.id)
  })

  test.each(['get', 'delete', 'activate', 'deactivate'] as const)('%s of an unknown id', async (verb) => {
    const hub = await start()
    await expect(hub.providers[verb]('sse9', by)).rejects.toMatchObject({ code: 'provider.not_found' })
    expect(hub.kinds()).toEqual([])
  })
})

describe('memory', () => {
  test('is read from the store at the start', async () => {
    const first = await start()
    await first.providers.create(draft(1), by)
    await first.providers.create(draft(2), by)
    await first.providers.deactivate('sse2', by)
    const second = { ...first, providers: await createProviders(first.deps) }
    expect(mayPass(second, 'https://idp1.example')).toBe('sse1')
    expect(mayPass(second, 'https://idp2.example')).toBe('set.provider_inactive')
    expect(mayPass(second, 'https://idp3.example')).toBe('set.unknown_issuer')
  })

  test("shows another node's changes after a refresh, and its own changes meanwhile", async () => {
    const first = await start()
    const second = { ...first, providers: await createProviders(first.deps) }
    await first.providers.create(draft(1), by)
    expect(mayPass(second, 'https://idp1.example')).toBe('set.unknown_issuer')
    await second.providers.refresh()
    expect(mayPass(second, 'https://idp1.example')).toBe('sse1')
    await first.providers.replace('sse1', draft(2), by)
    await second.providers.deactivate('sse1', by)
    expect(mayPass(second, 'https://idp1.example')).toBe('set.unknown_issuer')
    expect(mayPass(second, 'https://idp2.example')).toBe('set.provider_inactive')
    await first.providers.delete('sse1', by)
    await second.providers.deactivate('sse1', by).catch(() => undefined)
    await second.providers.refresh()
    expect(mayPass(second, 'https://idp2.example')).toBe('set.unknown_issuer')
  })

  test.each(['', '__proto__', 'constructor', 'x'.repeat(100_000)])(
    'has nothing for a strange issuer',
    async (iss) => {
      const hub = await start()
      expect(mayPass(hub, iss)).toBe('set.unknown_issuer')
    },
  )
})
