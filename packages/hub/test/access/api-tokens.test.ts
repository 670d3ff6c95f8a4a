import { describe, expect, test } from 'vitest'
import { configuredTokenName } from '../../src/access/api-tokens.ts'
import { openAccess } from './open-access.ts'

describe('API tokens', () => {
  test('the secret looks like one of Okta, is shown once and is nowhere in the storage', async () => {
    await using access = await openAccess()
    const { secret, token } = await access.apiTokens.create({ name: 'ci', role: 'read_only' })
    expect(secret).toMatch(/^00[\w-]{40}$/)
    expect(token).toMatchObject({ id: expect.stringMatching(/^00T\w{17}$/), name: 'ci', role: 'read_only' })
    expect(JSON.stringify(await access.apiTokens.list())).not.toContain(secret)
    expect(await access.storage.stores.apiTokens.findLiveByHash(secret)).toBeUndefined()
    expect((await access.apiTokens.create({ name: 'other', role: 'admin' })).secret).not.toBe(secret)
  })

  test.each(['', '  ', 'a\nb', 'a\u0000', '\ud800', 'x'.repeat(101), configuredTokenName])(
    'refuses the name %j',
    async (name) => {
      await using access = await openAccess()
      await expect(access.apiTokens.create({ name, role: 'admin' })).rejects.toMatchObject({
        code: 'token.invalid',
      })
    },
  )

  test('a name is taken while its token lives', async () => {
    await using access = await openAccess()
    await access.apiTokens.create({ name: 'ci', role: 'admin' })
    await expect(access.apiTokens.create({ name: 'ci', role: 'admin' })).rejects.toMatchObject({
      code: 'token.name_taken',
    })
    await access.apiTokens.revoke('ci')
    await access.apiTokens.create({ name: 'ci', role: 'admin' })
    expect(await access.apiTokens.list()).toHaveLength(2)
  })

  test('revokes by name or id, once', async () => {
    await using access = await openAccess()
    const { token } = await access.apiTokens.create({ name: 'a', role: 'admin' })
    await access.apiTokens.create({ name: 'b', role: 'admin' })
    expect(await access.apiTokens.revoke('b')).toMatchObject({ name: 'b', revokedAt: expect.any(Date) })
    expect(await access.apiTokens.revoke(token.id)).toMatchObject({ name: 'a' })
    for (const gone of ['a', 'b', token.id, '']) {
      await expect(access.apiTokens.revoke(gone)).rejects.toMatchObject({ code: 'token.not_found' })
    }
  })

  test('works until its time is over, and its name is free then', async () => {
    await using access = await openAccess()
    const expiresAt = new Date((access.nowS() + 60) * 1_000)
    const { secret, token } = await access.apiTokens.create({ name: 'ci', role: 'admin', expiresAt })
    expect(token.expiresAt).toEqual(expiresAt)
    expect(await access.apiTokens.list()).toEqual([token])
    access.turnClock(59)
    expect(await access.apiTokens.findBySecret(secret)).toMatchObject({ id: token.id })
    await expect(access.apiTokens.create({ name: 'ci', role: 'admin' })).rejects.toMatchObject({
      code: 'token.name_taken',
    })
    access.turnClock(1)
    expect(await access.apiTokens.findBySecret(secret)).toBeUndefined()
    await expect(access.call(`SSWS ${secret}`)).rejects.toMatchObject({ code: 'access.token_invalid' })
    await access.apiTokens.create({ name: 'ci', role: 'admin' })
    expect((await access.apiTokens.list()).map(({ revokedAt }) => revokedAt !== undefined)).toEqual([
      false,
      true,
    ])
  })

  test('an expired secret in the settings stays expired', async () => {
    await using access = await openAccess()
    const expiresAt = new Date((access.nowS() + 60) * 1_000)
    const { secret } = await access.apiTokens.create({ name: 'ci', role: 'read_only', expiresAt })
    access.turnClock(60)
    expect(await access.apiTokens.ensureConfigured(secret)).toBeUndefined()
    expect(await access.apiTokens.findBySecret(secret)).toBeUndefined()
  })

  test.each([0, -1, 3_651 * 86_400, Number.NaN])('refuses to expire in %d s', async (seconds) => {
    await using access = await openAccess()
    const expiresAt = new Date((access.nowS() + seconds) * 1_000)
    await expect(access.apiTokens.create({ name: 'ci', role: 'admin', expiresAt })).rejects.toMatchObject({
      code: 'token.invalid',
    })
  })

  test('the first one is kept before it counts, and is not made when it cannot be', async () => {
    await using access = await openAccess()
    const kept: string[] = []
    const fail = async (): Promise<void> => {
      throw new Error('no room')
    }
    await expect(access.apiTokens.ensureFirst(fail)).rejects.toThrow('no room')
    expect(await access.apiTokens.list()).toEqual([])
    const made = await access.apiTokens.ensureFirst(async (secret) => void kept.push(secret))
    expect(kept).toEqual([made?.secret])
    expect(await access.apiTokens.findBySecret(kept[0] ?? '')).toMatchObject({ role: 'admin' })
    expect(await access.apiTokens.ensureFirst(fail)).toBeUndefined()
  })

  test('notes its use at most once a minute', async () => {
    await using access = await openAccess()
    const { secret, token } = await access.apiTokens.create({ name: 'ci', role: 'admin' })
    const lastUsedS = async () =>
      ((await access.storage.stores.apiTokens.find(token.id))?.lastUsedAt?.getTime() ?? NaN) / 1_000
    const start = access.nowS()
    await access.apiTokens.findBySecret(secret)
    expect(await lastUsedS()).toBe(start)
    access.turnClock(59)
    await access.apiTokens.findBySecret(secret)
    expect(await lastUsedS()).toBe(start)
    access.turnClock(1)
    await access.apiTokens.findBySecret(secret)
    expect(await lastUsedS()).toBe(start + 60)
  })
})

describe('the token of the settings', () => {
  test('works, survives a restart, and gives way to the next one', async () => {
    await using access = await openAccess()
    const first = await access.apiTokens.ensureConfigured('first-secret')
    expect(first).toMatchObject({ name: configuredTokenName, role: 'admin' })
    expect(await access.apiTokens.ensureConfigured('first-secret')).toEqual(first)
    expect(await access.apiTokens.findBySecret('first-secret')).toMatchObject({ id: first?.id })

    await access.apiTokens.ensureConfigured('second-secret')
    expect(await access.apiTokens.findBySecret('first-secret')).toBeUndefined()
    expect(await access.apiTokens.findBySecret('second-secret')).toMatchObject({ name: configuredTokenName })

    // a node that starts again with the settings of before
    expect(await access.apiTokens.ensureConfigured('first-secret')).toBeUndefined()
    expect(await access.apiTokens.findBySecret('first-secret')).toBeUndefined()
    expect(await access.apiTokens.findBySecret('second-secret')).toMatchObject({ name: configuredTokenName })
  })

  test('stays revoked, whoever starts again with it', async () => {
    await using access = await openAccess()
    await access.apiTokens.ensureConfigured('stolen-secret')
    await access.apiTokens.revoke(configuredTokenName)
    expect(await access.apiTokens.ensureConfigured('stolen-secret')).toBeUndefined()
    expect(await access.apiTokens.findBySecret('stolen-secret')).toBeUndefined()
    await access.apiTokens.ensureConfigured('new-secret')
    expect(await access.apiTokens.findBySecret('new-secret')).toMatchObject({ name: configuredTokenName })
  })

  test('may be the secret of a token that is there already, which then bears its name', async () => {
    await using access = await openAccess()
    const { secret } = await access.apiTokens.create({ name: 'reader', role: 'read_only' })
    await access.apiTokens.ensureConfigured(secret)
    expect(await access.apiTokens.findBySecret(secret)).toMatchObject({
      name: configuredTokenName,
      role: 'admin',
    })
  })

  test.each(['', ' ', 'a b', 'a\n', 'é', 'x'.repeat(513)])('refuses %j', async (secret) => {
    await using access = await openAccess()
    await expect(access.apiTokens.ensureConfigured(secret)).rejects.toMatchObject({ code: 'token.invalid' })
  })
})

describe('the first token', () => {
  test('is made once, of several starts at once too', async () => {
    await using access = await openAccess()
    const made = await Promise.all([1, 2, 3].map(() => access.apiTokens.ensureFirst()))
    const [first, ...others] = made.filter((token) => token !== undefined)
    expect(others).toEqual([])
    expect(await access.apiTokens.findBySecret(first?.secret ?? '')).toMatchObject({ role: 'admin' })
    await access.apiTokens.revoke(first?.token.id ?? '')
    expect(await access.apiTokens.ensureFirst()).toBeUndefined()
  })

  test('is not made when the settings have one', async () => {
    await using access = await openAccess()
    await access.apiTokens.ensureConfigured('secret')
    expect(await access.apiTokens.ensureFirst()).toBeUndefined()
  })
})
