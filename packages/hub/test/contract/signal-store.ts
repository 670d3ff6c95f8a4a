import { describe, expect, test } from 'vitest'
import type { SecurityEvent } from '@watchbell/receiver/events'
import type { Provider } from '../../src/providers/provider.ts'
import { signalId } from '../../src/signals/signal-id.ts'
import type { AcceptedSet, Refusal } from '../../src/signals/signal.ts'
import { signalTerm, termsOf } from '../../src/signals/signal-terms.ts'
import { termKey } from '../../src/storage/stores/term-key.ts'
import type { Storage } from '../../src/stores.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))

export function provider(name: string): Provider {
  return {
    id: `sse${name}`,
    name,
    type: 'test',
    status: 'ACTIVE',
    issuer: `https://${name}.example`,
    jwksUrl: `https://${name}.example/jwks.json`,
    wellKnownUrl: undefined,
    createdAt: at(0),
    updatedAt: at(0),
  }
}

const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

function revoked(email: string): SecurityEvent {
  return {
    type: sessionRevoked,
    family: 'caep',
    name: 'session-revoked',
    subject: { format: 'email', email },
    occurredAt: at(0).getTime(),
    claims: {},
  }
}

export function set(from: Provider, jti: string, over: Partial<AcceptedSet> = {}): AcceptedSet {
  return {
    provider: from,
    jti,
    issuedAt: at(0),
    receivedAt: at(1),
    events: [revoked(`${jti}@example.com`)],
    token: `header.${jti}.signature`,
    via: 'push',
    source: '192.0.2.1',
    ...over,
  }
}

function refusal(id: string, over: Partial<Refusal> = {}): Refusal {
  return {
    id: `rfs${id}`,
    providerId: undefined,
    proven: false,
    iss: 'https://nobody.example',
    jti: id,
    receivedAt: at(2),
    code: 'set.unknown_issuer',
    reason: 'No provider is registered with this issuer.',
    via: 'push',
    source: '192.0.2.9',
    ...over,
  }
}

/** What every SignalStore must do. */
export function signalStoreContract(database: string, open: () => Promise<Storage>): void {
  const idp = provider('idp')
  const mdm = provider('mdm')

  const opened = async (): Promise<Storage> => {
    const storage = await open()
    await storage.stores.providers.insert(idp)
    await storage.stores.providers.insert(mdm)
    return storage
  }

  /** As the handler does it, for everything that waits. */
  const handleAll = (storage: Storage): Promise<number> =>
    storage.transaction(async ({ signals }) => {
      const claimed = await signals.claimOldest(1_000)
      await signals.settle({
        handled: claimed.map((signal) => ({ sequence: signal.sequence, terms: termsOf(signal) })),
        failed: [],
      })
      return claimed.length
    })

  describe(`SignalStore on ${database}`, () => {
    test('an appended SET is stored whole, is pending and can be claimed', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      expect(await signals.append([set(idp, 'a')])).toEqual(['stored'])
      expect(await signals.find(signalId(idp.issuer, 'a'))).toEqual({
        id: signalId(idp.issuer, 'a'),
        sequence: expect.any(Number) as number,
        outcome: 'pending',
        receivedAt: at(1),
        providerId: idp.id,
        iss: idp.issuer,
        jti: 'a',
        issuedAt: at(0),
        events: [revoked('a@example.com')],
        unmatched: [],
        repeats: 0,
        repeatedAt: undefined,
        code: undefined,
        reason: undefined,
        via: 'push',
        source: '192.0.2.1',
        token: 'header.a.signature',
      })
      expect(await signals.claimOldest(10)).toMatchObject([{ jti: 'a', provider: { id: idp.id } }])
    })

    test('a SET with the same issuer and jti is counted as a repeat and keeps the first content, within one batch as well', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      expect(await signals.append([set(idp, 'a'), set(idp, 'a', { token: 'other' }), set(mdm, 'a')])).toEqual(
        ['stored', 'repeated', 'stored'],
      )
      expect(await signals.append([set(idp, 'a', { receivedAt: at(5) })])).toEqual(['repeated'])
      const first = await signals.find(signalId(idp.issuer, 'a'))
      expect(first).toMatchObject({
        repeats: 2,
        repeatedAt: at(5),
        receivedAt: at(1),
        token: 'header.a.signature',
      })
      expect(await signals.claimOldest(10)).toHaveLength(2)
      expect(await signals.counts()).toMatchObject({ accepted: 2, repeated: 2, pending: 2 })
    })

    test('a repeat of a handled SET is not handled again', async () => {
      await using storage = await opened()
      await storage.stores.signals.append([set(idp, 'a')])
      expect(await handleAll(storage)).toBe(1)
      await storage.stores.signals.append([set(idp, 'a')])
      expect(await handleAll(storage)).toBe(0)
    })

    test('SETs of a provider that is not ACTIVE or has another issuer are not stored', async () => {
      await using storage = await opened()
      const { signals, providers } = storage.stores
      await providers.replace({ ...idp, status: 'INACTIVE' })
      await providers.replace({ ...mdm, issuer: 'https://moved.example' })
      expect(await signals.append([set(idp, 'a'), set(mdm, 'b')])).toEqual([
        'provider_inactive',
        'provider_inactive',
      ])
      await providers.replace(idp)
      expect(await signals.append([set(idp, 'a')])).toEqual(['stored']) // the refused one did not use up its jti
    })

    test('while the issuer of a provider changes, only SETs of its current issuer are stored, in any order', async () => {
      await using storage = await opened()
      const { signals, providers } = storage.stores
      const moved = { ...idp, issuer: 'https://moved.example' }
      await providers.replace(moved)
      expect(await signals.append([set(idp, 'a'), set(moved, 'b')])).toEqual(['provider_inactive', 'stored'])
      expect(await signals.append([set(moved, 'c'), set(idp, 'd')])).toEqual(['stored', 'provider_inactive'])
    })

    test('a failed transaction of the handler changes nothing', async () => {
      await using storage = await opened()
      await storage.stores.signals.append([set(idp, 'a')])
      const failing = storage.transaction(async ({ signals }) => {
        const [claimed] = await signals.claimOldest(1)
        await signals.settle({ handled: [{ sequence: claimed?.sequence ?? 0, terms: ['x'] }], failed: [] })
        throw new Error('power cut')
      })
      await expect(failing).rejects.toThrow('power cut')
      expect(await storage.stores.signals.find(signalId(idp.issuer, 'a'))).toMatchObject({
        outcome: 'pending',
      })
    })

    test('SETs of one batch are claimed in the order of arrival', async () => {
      await using storage = await opened()
      const sets = Array.from({ length: 40 }, (_, n) => set(idp, `j${n}`))
      await storage.stores.signals.append(sets)
      const claimed = await storage.stores.signals.claimOldest(100)
      expect(claimed.map(({ jti }) => jti)).toEqual(sets.map(({ jti }) => jti))
    })

    test('claims come oldest first and no more than asked', async () => {
      await using storage = await opened()
      await storage.stores.signals.append(['a', 'b', 'c'].map((jti) => set(idp, jti)))
      expect((await storage.stores.signals.claimOldest(2)).map(({ jti }) => jti)).toEqual(['a', 'b'])
    })

    test('a signal that could not be handled is failed with its reason, and is not claimed again', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      await signals.append([set(idp, 'a'), set(idp, 'b')])
      const [{ sequence } = { sequence: 0 }] = await signals.claimOldest(1)
      const terms = ['provider:sse-idp', 'type:x']
      await signals.settle({ handled: [], failed: [{ sequence, terms, error: 'Error: poison', at: at(3) }] })
      expect(await signals.find(signalId(idp.issuer, 'a'))).toMatchObject({
        outcome: 'failed',
        reason: 'Error: poison',
      })
      expect(await signals.claimOldest(10)).toMatchObject([{ jti: 'b' }])
      expect(await signals.counts()).toMatchObject({ pending: 1, failed: 1 })
      for (const query of [
        {},
        { providerId: 'sse-idp' },
        { type: 'x' },
        { providerId: 'sse-idp', type: 'x' },
      ]) {
        const { signals: failed } = await signals.list({ outcome: 'failed', limit: 10, ...query })
        expect(failed).toMatchObject([{ jti: 'a' }])
      }
      expect(await signals.list({ outcome: 'failed', providerId: 'another', limit: 10 })).toMatchObject({
        signals: [],
      })
    })

    test('accepted and refused signals are listed newest first, in pages without gap or repeat', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      for (let index = 0; index < 5; index += 1) {
        await signals.append([set(idp, `a${index}`)])
        await signals.recordRefusals({ kept: [refusal(`r${index}`)], counts: [], ringMax: 10 })
      }
      const seen: (string | undefined)[] = []
      let before: number | undefined
      do {
        const page = await signals.list({ limit: 3, ...(before !== undefined && { before }) })
        seen.push(...page.signals.map(({ jti }) => jti))
        before = page.next
      } while (before !== undefined)
      expect(seen).toEqual(['r4', 'a4', 'r3', 'a3', 'r2', 'a2', 'r1', 'a1', 'r0', 'a0'])
    })

    const filters: [name: string, query: object, found: string[]][] = [
      ['provider', { providerId: mdm.id }, ['m1']],
      ['iss', { iss: idp.issuer }, ['a2', 'a1']],
      ['jti', { jti: 'a1' }, ['a1']],
      ['jti and another issuer', { jti: 'a1', iss: mdm.issuer }, []],
      ['type', { type: sessionRevoked }, ['m1', 'a2', 'a1']],
      ['unknown type', { type: 'urn:nothing' }, []],
      ['subject, whatever its case', { subject: 'A1@Example.com' }, ['a1']],
      ['subject and type', { subject: 'a1@example.com', type: sessionRevoked }, ['a1']],
      ['subject and provider that do not meet', { subject: 'a1@example.com', providerId: mdm.id }, []],
      ['refused', { outcome: 'refused' }, ['r1']],
      ['refused of an issuer', { outcome: 'refused', iss: 'https://nobody.example' }, ['r1']],
      ['since', { since: at(2) }, ['r1', 'a2']],
      ['until', { until: at(2) }, ['m1', 'a1']],
      ['since and until', { since: at(1), until: at(2), iss: idp.issuer }, ['a1']],
    ]
    test.each(filters)('filter %s, before and after handling', async (_name, query, found) => {
      await using storage = await opened()
      const { signals } = storage.stores
      await signals.append([set(idp, 'a1'), set(idp, 'a2', { receivedAt: at(3) }), set(mdm, 'm1')])
      await signals.recordRefusals({ kept: [refusal('r1')], counts: [], ringMax: 10 })
      const list = async (): Promise<string[]> =>
        (await signals.list({ limit: 10, ...query })).signals
          .map(({ jti = '' }) => jti)
          .toSorted((a, b) => a.localeCompare(b))
      const expected = found.toSorted((a, b) => a.localeCompare(b))
      expect(await list()).toEqual(expected)
      await handleAll(storage)
      expect(await list()).toEqual(expected)
    })

    test('two identifiers with colliding keys are both stored and found', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      const twins = ['m39lfv@example.com', 'm4o67m@example.com'] // of 110 million tried
      expect(new Set(twins.map((twin) => termKey(signalTerm.subject(twin)))).size).toBe(1)
      await signals.append([set(idp, 'twins', { events: twins.map(revoked) }), set(idp, 'b')])
      expect(await handleAll(storage)).toBe(2)
      for (const subject of twins) {
        expect((await signals.list({ limit: 10, subject })).signals).toMatchObject([
          { jti: 'twins', outcome: 'handled' },
        ])
      }
    })

    test('a time range has the signals received in it, also when clocks differed', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      const minutes = [1, 2, 5, 4, 3, 6, 50, 7, 8, 9]
      for (const minute of minutes) {
        await signals.append([set(idp, `m${minute}`, { receivedAt: at(minute) })])
      }
      for (const [since, until] of [
        [0, 100],
        [2, 8],
        [4, 5],
        [9, 60],
        [51, 100],
        [0, 1],
      ] as const) {
        const { signals: found } = await signals.list({ limit: 50, since: at(since), until: at(until) })
        const expected = minutes.filter((minute) => minute >= since && minute < until)
        expect(found.map(({ jti }) => jti)).toEqual(expected.toReversed().map((minute) => `m${minute}`))
      }
    })

    test('signals are filtered by outcome', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      await signals.append([set(idp, 'a')])
      await handleAll(storage)
      await signals.append([set(idp, 'b')])
      expect((await signals.list({ outcome: 'handled', limit: 9 })).signals).toMatchObject([{ jti: 'a' }])
      expect((await signals.list({ outcome: 'pending', limit: 9 })).signals).toMatchObject([{ jti: 'b' }])
    })

    test('a ring keeps its newest refusals, and the counters count all', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      const count = { providerId: idp.id, code: 'set.bad_signature', count: 1 }
      for (let index = 0; index < 7; index += 1) {
        await signals.recordRefusals({
          kept: [refusal(`k${index}`, { providerId: idp.id, code: 'set.bad_signature' })],
          counts: [count],
          ringMax: 3,
        })
      }
      await signals.recordRefusals({
        kept: [refusal('u')],
        counts: [{ ...count, providerId: undefined }],
        ringMax: 3,
      })
      const { signals: listed } = await signals.list({ limit: 20 })
      expect(listed.map(({ jti }) => jti)).toEqual(['u', 'k6', 'k5', 'k4'])
      expect((await signals.counts()).refused).toEqual([
        { providerId: undefined, code: 'set.bad_signature', count: 1 },
        { providerId: idp.id, code: 'set.bad_signature', count: 7 },
      ])
    })

    test('refusals of a provider, and unsigned ones in its name, have separate rings', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      const record = (name: string, proven: boolean, providerId: string) =>
        signals.recordRefusals({ kept: [refusal(name, { proven, providerId })], counts: [], ringMax: 2 })
      for (const name of ['p1', 'p2', 'p3']) await record(name, true, idp.id)
      await record('other', true, mdm.id)
      for (const name of ['u1', 'u2', 'u3', 'u4']) await record(name, false, idp.id)
      const list = async (query: object) =>
        (await signals.list({ limit: 20, ...query })).signals.map(({ jti }) => jti)
      expect(await list({})).toEqual(['u4', 'u3', 'other', 'p3', 'p2'])
      expect(await list({ proven: true })).toEqual(['other', 'p3', 'p2'])
      expect(await list({ proven: false, providerId: idp.id })).toEqual(['u4', 'u3'])
      expect((await signals.list({ limit: 1, proven: true })).signals).toMatchObject([{ proven: true }])
    })

    test('a refusal is found by its id, and an unknown id finds nothing', async () => {
      await using storage = await opened()
      const { signals } = storage.stores
      await signals.recordRefusals({ kept: [refusal('r1')], counts: [], ringMax: 3 })
      expect(await signals.find('rfsr1')).toMatchObject({
        outcome: 'refused',
        code: 'set.unknown_issuer',
        jti: 'r1',
      })
      expect(await signals.find('rfsnothing')).toBeUndefined()
      expect(await signals.find(signalId('https://x.example', 'y'))).toBeUndefined()
      expect(await signals.find("sig' OR 1=1 --")).toBeUndefined()
    })

    describe('deletion', () => {
      const failFirst = async ({ stores: { signals } }: Storage): Promise<void> => {
        const [{ sequence } = { sequence: 0 }] = await signals.claimOldest(1)
        await signals.settle({ handled: [], failed: [{ sequence, terms: [], error: 'poison', at: at(3) }] })
      }
      const jtis = async ({ stores: { signals } }: Storage, query: object = {}): Promise<unknown[]> =>
        (await signals.list({ limit: 50, ...query })).signals.map(({ jti }) => jti)

      test('deletes the oldest, up to the limit, and stops at the first that is too young', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        const minutes = [1, 2, 3, 9, 4]
        await signals.append(minutes.map((minute) => set(idp, `m${minute}`, { receivedAt: at(minute) })))
        await handleAll(storage)
        expect(await signals.deleteBefore(at(1), 10, at(60))).toEqual({ rows: 0, parts: 0 })
        expect(await signals.deleteBefore(at(5), 2, at(60))).toEqual({ rows: 2, parts: 0 })
        expect(await jtis(storage)).toEqual(['m4', 'm9', 'm3'])
        expect(await signals.deleteBefore(at(5), 2, at(60))).toEqual({ rows: 1, parts: 0 })
        expect(await signals.deleteBefore(at(5), 2, at(60))).toEqual({ rows: 0, parts: 0 })
        expect(await jtis(storage)).toEqual(['m4', 'm9'])
        expect(await signals.find(signalId(idp.issuer, 'm1'))).toBeUndefined()
        expect(await jtis(storage, { providerId: idp.id })).toEqual(['m4', 'm9'])
        expect(await jtis(storage, { subject: 'm1@example.com' })).toEqual([])
      })

      test('deletes signals from a time when the clock was ahead together with those that follow', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        const minutes = [1, 5_000, 5_001, 5_002, 2, 9, 5_003]
        await signals.append(minutes.map((minute) => set(idp, `m${minute}`, { receivedAt: at(minute) })))
        await handleAll(storage)
        for (const rows of [1, 2, 2, 0]) {
          expect(await signals.deleteTokensBefore(at(5), 2, at(60))).toEqual({ rows, parts: 0 })
        }
        for (const rows of [1, 2, 2, 0]) {
          expect(await signals.deleteBefore(at(5), 2, at(60))).toEqual({ rows, parts: 0 })
        }
        expect(await jtis(storage)).toEqual(['m5003', 'm9'])
        expect(await signals.deleteBefore(at(10), 9, at(60))).toEqual({ rows: 1, parts: 0 })
        expect(await signals.deleteBefore(at(10), 9, at(60))).toEqual({ rows: 0, parts: 0 })
        expect(await jtis(storage)).toEqual(['m5003'])
      })

      test('never deletes a pending signal or a later one', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        await signals.append(['a', 'b', 'c'].map((jti) => set(idp, jti)))
        expect(await signals.deleteBefore(at(9), 10, at(60))).toEqual({ rows: 0, parts: 0 })
        expect(await signals.deleteTokensBefore(at(9), 10, at(60))).toEqual({ rows: 0, parts: 0 })
        await failFirst(storage)
        expect(await signals.deleteBefore(at(9), 10, at(60))).toEqual({ rows: 1, parts: 0 })
        expect(await jtis(storage)).toEqual(['c', 'b'])
        expect((await signals.claimOldest(10)).map(({ jti }) => jti)).toEqual(['b', 'c'])
      })

      test('lets a deleted SET be stored and handled again', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        await signals.append([set(idp, 'a'), set(idp, 'b', { receivedAt: at(7) })])
        await handleAll(storage)
        await signals.deleteBefore(at(5), 10, at(60))
        expect(await signals.append([set(idp, 'a', { receivedAt: at(8) }), set(idp, 'b')])).toEqual([
          'stored',
          'repeated',
        ])
        expect(await handleAll(storage)).toBe(1)
        expect(await handleAll(storage)).toBe(0)
        expect(await signals.find(signalId(idp.issuer, 'a'))).toMatchObject({
          outcome: 'handled',
          repeats: 0,
          receivedAt: at(8),
        })
        expect(await jtis(storage, { subject: 'a@example.com' })).toEqual(['a'])
      })

      test('does not change the counts', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        await signals.append([set(idp, 'a'), set(idp, 'a'), set(idp, 'b'), set(idp, 'c')])
        await failFirst(storage)
        await failFirst(storage)
        await handleAll(storage)
        const before = await signals.counts()
        expect(before).toMatchObject({ accepted: 3, repeated: 1, failed: 2 })
        for (const rows of [1, 1, 1, 0]) {
          expect(await signals.deleteBefore(at(9), 1, at(60))).toEqual({ rows, parts: 0 })
          expect(await signals.counts()).toEqual(before)
        }
      })

      test('deletes tokens before their signals', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        const minutes = [1, 2, 3, 9]
        await signals.append(minutes.map((minute) => set(idp, `m${minute}`, { receivedAt: at(minute) })))
        await handleAll(storage)
        const tokens = async (): Promise<unknown[]> =>
          (await signals.list({ limit: 9, withTokens: true })).signals.map(({ token }) => token)
        expect(await signals.deleteTokensBefore(at(5), 2, at(60))).toEqual({ rows: 2, parts: 0 })
        expect(await tokens()).toEqual(['header.m9.signature', 'header.m3.signature', undefined, undefined])
        expect(await signals.deleteBefore(at(2), 9, at(60))).toEqual({ rows: 1, parts: 0 })
        expect(await signals.deleteTokensBefore(at(5), 2, at(60))).toEqual({ rows: 1, parts: 0 })
        expect(await signals.deleteTokensBefore(at(5), 2, at(60))).toEqual({ rows: 0, parts: 0 })
        expect(await tokens()).toEqual(['header.m9.signature', undefined, undefined])
      })

      test('a page has tokens only on request', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        await signals.append([set(idp, 'a')])
        for (const handle of [async () => 0, handleAll]) {
          await handle(storage)
          const tokenOf = async (withTokens: boolean): Promise<unknown> =>
            (await signals.list({ limit: 1, providerId: idp.id, withTokens })).signals.map(
              ({ token }) => token,
            )
          expect(await tokenOf(true)).toEqual(['header.a.signature'])
          expect(await tokenOf(false)).toEqual([undefined])
        }
      })

      test('paging continues after signals were deleted', async () => {
        await using storage = await opened()
        const { signals } = storage.stores
        await signals.append([1, 2, 3, 4].map((minute) => set(idp, `m${minute}`, { receivedAt: at(minute) })))
        await handleAll(storage)
        const { next = 0 } = await signals.list({ limit: 2 })
        await signals.deleteBefore(at(2), 9, at(60))
        expect(await jtis(storage, { before: next })).toEqual(['m2'])
        await signals.deleteBefore(at(9), 9, at(60))
        expect(await signals.list({ limit: 2, before: next })).toEqual({ signals: [], next: undefined })
      })
    })
  })
}
