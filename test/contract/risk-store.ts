import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { realWorld } from '../../src/base/world.ts'
import { applyNews, type Heard, type News } from '../../src/risk/news.ts'
import { riskLevels, type RiskLevel } from '../../src/risk/risk-level.ts'
import type { RiskReason } from '../../src/risk/risk-reason.ts'
import type { Storage } from '../../src/stores.ts'
import type { AskedAbout } from '../../src/risk/risk-reader.ts'
import type { Anchor, SubjectKind } from '../../src/subjects/anchor.ts'

const t = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))
const now = t(50)
const world = { ...realWorld(globalThis.fetch), now: () => now }

const ada: Anchor = 'user:email:ada@example.com'
const sub1: Anchor = 'user:iss_sub:https://idp.example|1'
const sub2: Anchor = 'user:iss_sub:https://idp.example|2'
const laptop: Anchor = 'device:opaque:https://mdm.example|42'
const session: Anchor = 'session:opaque:https://idp.example|s'

/** News of one provider about one thing, by these names. */
function news(at: number, level: RiskLevel, names: readonly Anchor[], over: Partial<RiskReason> = {}): News {
  const anchors = names.toSorted()
  const id = over.id ?? `sig-${at}-${level}-${names.join()}`
  const source = over.source ?? { kind: 'security_events_provider', id: 'sse1' }
  return {
    id,
    source,
    occurredAt: t(at),
    receivedAt: t(at),
    things: [{ kind: anchors[0]?.split(':')[0] ?? '', anchors }],
    reasons: [
      {
        id,
        anchor: anchors.toSorted().at(-1) ?? '',
        source,
        slot: 'user-risk',
        detection: 'User risk',
        level,
        message: undefined,
        occurredAt: t(at),
        receivedAt: t(at),
        expiresAt: undefined,
        signalId: 'sig1',
        eventType: 'https://example.com/event',
        ...over,
      },
    ],
    revokes: undefined,
    endings: [],
  }
}

const hear = (
  storage: Storage,
  all: readonly News[],
  ignoreUnknownUsers = false,
): Promise<readonly Heard[]> =>
  storage.transaction(({ subjects, risk }) =>
    applyNews({ subjects, risk, world, actionOf: () => 'enforce_and_log', ignoreUnknownUsers }, all),
  )

const asked = (...names: readonly [kind: SubjectKind, text: string][]): AskedAbout =>
  Object.fromEntries(names)

/** What every RiskStore, SubjectStore and RiskReader must do together. */
export function riskStoreContract(database: string, open: () => Promise<Storage>): void {
  describe(`RiskStore, SubjectStore and RiskReader on ${database}`, () => {
    test('news is read back whole, by every name', async () => {
      await using storage = await open()
      const told = news(1, 'HIGH', [ada, sub1], { message: 'why', expiresAt: t(60) })
      const [heard] = await hear(storage, [told])
      expect(heard?.changes).toMatchObject([
        { previous: 'NONE', level: 'HIGH', entity: { kind: 'user', name: 'ada@example.com' } },
      ])
      for (const name of ['ADA@example.com', '1']) {
        const picture = await storage.stores.riskReader.read(asked(['user', name]), now)
        expect(picture.entities).toMatchObject([{ kind: 'user', reasons: told.reasons }])
        const [{ id } = { id: '' }] = picture.entities
        expect((await storage.stores.riskReader.read(asked(['user', id]), now)).entities).toEqual(
          picture.entities,
        )
        expect((await storage.stores.riskReader.read(asked(['device', id]), now)).entities).toEqual([])
      }
      expect(
        (await storage.stores.riskReader.read(asked(['user', 'ada@example.com']), t(60))).entities,
      ).toMatchObject([{ reasons: [] }])
    })

    test('nobody is known of whom nothing was said', async () => {
      await using storage = await open()
      expect(
        await storage.stores.riskReader.read(asked(['user', 'ada'], ['address', '1.2.3.4']), now),
      ).toEqual({
        entities: [],
        revocations: [],
      })
    })

    test('many questions at once are each answered with their own', async () => {
      await using storage = await open()
      const names = Array.from({ length: 600 }, (_, at) => `user:email:${at}@example.com`)
      await hear(
        storage,
        names.map((name) => news(1, 'LOW', [name])),
      )
      const pictures = await Promise.all(
        names.map((_, at) => storage.stores.riskReader.read(asked(['user', `${at}@example.com`]), now)),
      )
      expect(pictures.map(({ entities }) => entities[0]?.reasons[0]?.anchor)).toEqual(names)
    })

    test('what was replaced, and what came too late, is history', async () => {
      await using storage = await open()
      await hear(storage, [news(2, 'HIGH', [ada]), news(3, 'LOW', [ada])])
      await hear(storage, [news(1, 'MEDIUM', [ada])])
      const [entity] = await storage.stores.subjects.resolve([ada])
      const history = await storage.stores.risk.history(entity?.entity ?? 0, 10)
      expect(history.map(({ level, occurredAt }) => [level, occurredAt])).toEqual([
        ['MEDIUM', t(1)],
        ['HIGH', t(2)],
      ])
      expect(await storage.stores.risk.deleteHistoryBefore(t(2), 10)).toBe(1)
      expect(await storage.stores.risk.history(entity?.entity ?? 0, 10)).toHaveLength(1)
    })

    test('a level that runs out is due then, and not before', async () => {
      await using storage = await open()
      await hear(storage, [news(1, 'HIGH', [ada], { expiresAt: t(55) }), news(1, 'LOW', [laptop])])
      const { risk, subjects } = storage.stores
      expect(await risk.due(t(54), 10)).toEqual([])
      const [entity] = await subjects.resolve([ada])
      expect(await risk.due(t(55), 10)).toEqual([entity?.entity])
      await risk.putLevels([{ entity: entity?.entity ?? 0, level: 0, changesAt: undefined }])
      expect(await risk.due(t(59), 10)).toEqual([])
    })

    test('joining an entity takes the level of whoever is older, and says what changes', async () => {
      await using storage = await open()
      await hear(storage, [news(1, 'LOW', [ada])])
      await hear(storage, [
        news(2, 'HIGH', [sub1], { source: { kind: 'security_events_provider', id: 'sse2' } }),
      ])
      const [heard] = await hear(storage, [{ ...news(3, 'LOW', [ada, sub1]), reasons: [] }])
      expect(heard?.changes).toMatchObject([{ previous: 'LOW', level: 'HIGH' }])
      expect((await storage.stores.subjects.list({ limit: 10 })).subjects).toMatchObject([{ level: 3 }])
      expect((await storage.stores.subjects.list({ limit: 10, level: 3 })).subjects).toHaveLength(1)
    })

    test('a recycled identifier: somebody else, of whom nothing is known', async () => {
      await using storage = await open()
      await hear(storage, [news(1, 'HIGH', [ada])])
      const [before] = await storage.stores.subjects.resolve([ada])
      const [heard] = await hear(storage, [
        { ...news(2, 'NONE', [ada]), reasons: [], endings: [{ anchor: ada, at: t(2), recycled: true }] },
      ])
      expect(heard?.changes).toMatchObject([{ previous: 'HIGH', level: 'NONE' }])
      const [after] = await storage.stores.subjects.resolve([ada])
      expect(after?.id).not.toBe(before?.id)
      expect(
        (await storage.stores.riskReader.read(asked(['user', 'ada@example.com']), now)).entities,
      ).toMatchObject([{ reasons: [] }])
      await hear(storage, [news(3, 'LOW', [ada])])
      expect(
        (await storage.stores.riskReader.read(asked(['user', 'ada@example.com']), now)).entities,
      ).toMatchObject([{ reasons: [{ level: 'LOW' }] }])
    })

    test('unknown users are ignored when told so, with all they would have joined', async () => {
      await using storage = await open()
      const [heard] = await hear(storage, [news(1, 'HIGH', [ada, sub1])], true)
      expect(heard).toMatchObject({
        ignored: true,
        changes: [],
        unmatched: expect.stringContaining('unknown') as string,
      })
      expect(await storage.stores.subjects.resolve([ada, sub1])).toEqual([])
      expect((await hear(storage, [news(1, 'HIGH', [laptop])], true))[0]).toMatchObject({ ignored: false })
    })

    describe('revocations', () => {
      const revoked = (at: number, members: { user?: Anchor; device?: Anchor; session?: Anchor }): News => ({
        ...news(at, 'LOW', [Object.values(members)[0] ?? '']),
        reasons: [],
        things: Object.entries(members).map(([kind, anchor]) => ({ kind, anchors: [anchor] })),
        revokes: {
          user: undefined,
          device: undefined,
          session: undefined,
          ...members,
          signalId: `sig-${at}`,
          message: 'm',
        },
      })
      const user: [SubjectKind, string] = ['user', 'ada@example.com']

      test.each<[string, Parameters<typeof revoked>[1], [SubjectKind, string][], number]>([
        ['of a user, for the user', { user: ada }, [user], 1],
        ['of a user, for one of the sessions', { user: ada }, [user, ['session', 's']], 1],
        ['of a session, for the session', { session }, [['session', 's']], 1],
        ['of a session, not for its user alone', { user: ada, session }, [user], 0],
        ['of a session of a user, for both', { user: ada, session }, [user, ['session', 's']], 1],
        [
          'of a session of a user, not for another user',
          { user: ada, session },
          [
            ['session', 's'],
            ['user', 'bob@example.com'],
          ],
          0,
        ],
        ['of a user on a device, for both', { user: ada, device: laptop }, [user, ['device', '42']], 1],
        ['of a user on a device, not for the user elsewhere', { user: ada, device: laptop }, [user], 0],
      ])('%s (R67)', async (_name, members, question, count) => {
        await using storage = await open()
        await hear(storage, [revoked(1, members)])
        const { revocations } = await storage.stores.riskReader.read(asked(...question), now)
        expect(revocations).toHaveLength(count)
        if (count > 0)
          expect(revocations).toMatchObject([
            { ...members, revokedAt: t(1), providerId: 'sse1', message: 'm' },
          ])
      })

      test('of the same only the latest is kept, in whichever order they come', async () => {
        await using storage = await open()
        for (const at of [2, 3, 1]) await hear(storage, [revoked(at, { user: ada })])
        const { revocations } = await storage.stores.riskReader.read(asked(user), now)
        expect(revocations).toMatchObject([{ revokedAt: t(3), signalId: 'sig-3' }])
        expect(await storage.stores.risk.deleteRevocationsBefore(t(4), 10)).toBe(1)
      })
    })

    test('the order in which news comes, contradictions included, changes nothing of who is who and how risky', async () => {
      const names = [ada, sub1, sub2, 'user:phone:+1', 'user:email:b@example.com']
      const someNews = fc
        .array(
          fc.record({
            at: fc.integer({ min: 0, max: 8 }),
            level: fc.constantFrom(...riskLevels),
            names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
            source: fc.constantFrom('sse1', 'sse2'),
            ending: fc.constantFrom(undefined, undefined, undefined, false, true),
          }),
          { maxLength: 8 },
        )
        .map((all) =>
          all.map(({ at, level, names, source, ending }, index): News => ({
            ...news(at, level, names, {
              id: `sig-${index}`,
              source: { kind: 'security_events_provider', id: source },
            }),
            endings: ending === undefined ? [] : [{ anchor: ada, at: t(at), recycled: ending }],
          })),
        )
      const outcome = async (batches: readonly (readonly News[])[]) => {
        await using storage = await open()
        for (const batch of batches) await hear(storage, batch)
        const nodes = await storage.stores.subjects.resolve(names)
        const entities = [...new Set(nodes.map(({ entity }) => entity))]
        const states = await storage.stores.risk.states(entities)
        const anchorsOf = (entity: number) =>
          nodes.flatMap((node) => (node.entity === entity ? [node.anchor] : [])).toSorted()
        return new Map(
          states
            .map((state) => [anchorsOf(state.entity).join(' '), state.level] as const)
            .toSorted(([a], [b]) => (a < b ? -1 : 1)),
        )
      }
      await fc.assert(
        fc.asyncProperty(
          someNews.chain((all) =>
            fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }), fc.nat(8)),
          ),
          async ([listed, shuffled, cut]) => {
            const expected = await outcome([listed])
            expect(await outcome([shuffled.slice(0, cut), shuffled.slice(cut)])).toEqual(expected)
          },
        ),
        { numRuns: 40 },
      )
    }, 120_000)
  })
}
