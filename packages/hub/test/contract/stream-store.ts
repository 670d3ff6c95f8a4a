import { describe, expect, test } from 'vitest'
import { HubError } from '../../src/base/hub-error.ts'
import type { DialectStore } from '../../src/streams/provider-dialects.ts'
import type { StreamStore } from '../../src/streams/stream-store.ts'
import type { Stream } from '../../src/streams/stream.ts'
import { newStream } from '../new-stream.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

const numbered = (number: number, over: Partial<Stream> = {}): Stream =>
  newStream(`str${number}`, { providerId: `sse${number}`, createdAt: at(0), updatedAt: at(0), ...over })

const everything: Partial<Stream> = {
  issuer: undefined,
  settings: {
    delivery: 'poll',
    eventsRequested: ['https://example.com/a'],
    description: 'Ours',
    auth: {
      method: 'private_key_jwt',
      clientId: 'hub',
      tokenUrl: undefined,
      authorizationServer: 'https://as.example',
      scope: 'ssf.manage',
      dpop: true,
    },
    subjects: 'listed',
    audience: ['https://hub.example'],
  },
  sealedSecrets: 'sealed anew',
  pushAuthorization: { currentHash: 'next', previous: { hash: 'hash', until: at(9) } },
  endpoints: {
    metadataUrl: 'https://idp.example/.well-known/ssf-configuration',
    configuration: 'https://idp.example/streams',
    status: 'https://idp.example/status',
    verification: undefined,
    addSubject: undefined,
    removeSubject: undefined,
    deliveryMethods: ['urn:ietf:rfc:8936'],
    defaultSubjects: 'ALL',
    criticalSubjectMembers: ['tenant'],
  },
  remote: {
    streamId: 'f67e39a0',
    iss: 'https://idp.example',
    aud: ['https://hub.example'],
    endpointUrl: 'https://idp.example/poll/1',
    eventsDelivered: [],
    minVerificationIntervalS: 60,
    inactivityTimeoutS: undefined,
  },
  status: 'paused',
  statusReason: 'Maintenance',
  verificationAskedAt: at(1),
  verifiedAt: at(2),
  lastEventAt: at(3),
  lastPollAt: at(4),
  checkedAt: at(5),
  verifyNotBefore: at(7),
  repairedAt: at(8),
  lastError: 'It was down.',
  verificationError: 'It was asked too often.',
  pollError: 'It does not answer.',
  pushError: 'It has another value.',
  updatedAt: at(6),
}

export function streamStoreContract(
  name: string,
  open: () => Promise<{ readonly store: StreamStore; readonly dialects: DialectStore } & AsyncDisposable>,
): void {
  describe(`StreamStore on ${name}`, () => {
    test('a stream is stored and read back unchanged, with no optional member and with all', async () => {
      await using opened = await open()
      const { store } = opened
      const [bare, full] = [numbered(1), numbered(2, everything)]
      await store.insert(bare)
      await store.insert(full)
      expect(await store.list()).toEqual([bare, full])
      expect(await store.findByProvider('sse2')).toEqual(full)
      expect(await store.findByProvider('sse3')).toBeUndefined()
    })

    test('a provider has at most one stream', async () => {
      await using opened = await open()
      await opened.store.insert(numbered(1))
      const second = opened.store.insert(numbered(2, { providerId: 'sse1' }))
      await expect(second).rejects.toSatisfy(
        (error) => error instanceof HubError && error.code === 'stream.exists',
      )
    })

    test('an update changes only the named members, to null as well', async () => {
      await using opened = await open()
      const { store } = opened
      await store.insert(numbered(1))
      await store.insert(numbered(2))
      await store.update('str1', everything)
      await Promise.all([
        store.update('str1', { lastPollAt: at(30) }),
        store.update('str1', { lastError: undefined, status: undefined }),
        store.update('str1', {}),
        store.update('str9', { lastPollAt: at(30) }),
      ])
      const changed = {
        ...numbered(1),
        ...everything,
        lastPollAt: at(30),
        lastError: undefined,
        status: undefined,
      }
      expect(await store.list()).toEqual([changed, numbered(2)])
    })

    test('a previous authorization without an expiry keeps none', async () => {
      await using opened = await open()
      const pushAuthorization = { currentHash: 'a', previous: { hash: 'b', until: undefined } }
      await opened.store.insert(numbered(1, { pushAuthorization }))
      expect((await opened.store.findByProvider('sse1'))?.pushAuthorization).toEqual(pushAuthorization)
    })

    test('a stream is deleted with its states, by its own id and with its provider', async () => {
      await using opened = await open()
      const { store } = opened
      for (const number of [1, 2]) {
        await store.insert(numbered(number))
        await store.addState({ streamId: `str${number}`, hash: 'h', at: at(0), keepSince: at(0) })
      }
      expect(await store.delete('str1')).toBe(true)
      expect(await store.delete('str1')).toBe(false)
      await store.deleteOfProvider('sse2')
      await store.deleteOfProvider('sse2')
      expect(await store.list()).toEqual([])
      expect(await store.useState({ streamId: 'str1', hash: 'h', jti: 'a' })).toBe(false)
      expect(await store.useState({ streamId: 'str2', hash: 'h', jti: 'a' })).toBe(false)
    })

    test('a state is valid for one SET, which may be repeated, and for one stream (SSF 1.0 §8.1.4.1)', async () => {
      await using opened = await open()
      const { store } = opened
      await store.addState({ streamId: 'str1', hash: 'h', at: at(0), keepSince: at(0) })
      const use = (streamId: string, hash: string, jti: string): Promise<boolean> =>
        store.useState({ streamId, hash, jti })
      expect(await use('str2', 'h', 'a')).toBe(false)
      expect(await use('str1', 'H', 'a')).toBe(false)
      expect(await use('str1', 'h', 'a')).toBe(true)
      expect(await use('str1', 'h', 'a')).toBe(true)
      expect(await use('str1', 'h', 'b')).toBe(false)
    })

    test('exactly one of many concurrent SETs with one state is accepted', async () => {
      await using opened = await open()
      const { store } = opened
      await store.addState({ streamId: 'str1', hash: 'h', at: at(0), keepSince: at(0) })
      const wins = await Promise.all(
        Array.from({ length: 20 }, (_, n) => store.useState({ streamId: 'str1', hash: 'h', jti: String(n) })),
      )
      expect(wins.filter(Boolean)).toHaveLength(1)
    })

    test('storing a new state deletes old ones', async () => {
      await using opened = await open()
      const { store } = opened
      await store.addState({ streamId: 'str1', hash: 'old', at: at(0), keepSince: at(0) })
      await store.addState({ streamId: 'str2', hash: 'old', at: at(0), keepSince: at(0) })
      await store.addState({ streamId: 'str1', hash: 'new', at: at(20), keepSince: at(10) })
      expect(await store.useState({ streamId: 'str1', hash: 'old', jti: 'a' })).toBe(false)
      expect(await store.useState({ streamId: 'str2', hash: 'old', jti: 'a' })).toBe(true)
      expect(await store.useState({ streamId: 'str1', hash: 'new', jti: 'b' })).toBe(true)
    })

    test('dialects are replaced as a whole, per provider', async () => {
      await using opened = await open()
      const { dialects } = opened
      await dialects.set('sse1', { dialects: ['apple', 'scim'], audiences: [] })
      await dialects.set('sse2', { dialects: ['apple'], audiences: [] })
      const kept = { dialects: ['google-risc'], audiences: ['a', 'b'] } as const
      await dialects.set('sse1', kept)
      await dialects.set('sse2', undefined)
      expect(await dialects.list()).toEqual([{ providerId: 'sse1', ...kept }])
    })
  })
}
