import { randomBytes } from 'node:crypto'
import { fc, propertyRuns } from '../../../receiver/test/properties.ts'
import { describe, expect, test } from 'vitest'
import { realWorld } from '../../src/base/world.ts'
import { applyStatements } from '../../src/risk/apply-statements.ts'
import type { StatementOutcome } from '../../src/risk/plan.ts'
import type { Statement } from '../../src/risk/statement.ts'
import { rejoinClaims } from '../../src/risk/rejoin.ts'
import { riskLevels, type RiskLevel } from '../../src/risk/risk-level.ts'
import type { RiskReason } from '../../src/risk/risk-reason.ts'
import { reasonsInForce } from '../../src/risk/risk-state.ts'
import type { Storage } from '../../src/stores.ts'
import type { AskedAbout } from '../../src/risk/risk-reader.ts'
import type { Identifier, SubjectKind } from '../../src/subjects/identifier.ts'
import { tooManyClaims } from '../../src/subjects/join.ts'
import type { ForgettingStep, SubjectQuery } from '../../src/subjects/subject-store.ts'
import { judgeOf } from '../known-sources.ts'
import { sampleProvider } from './provider-store.ts'

const t = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute))
const now = t(50)
const world = { ...realWorld(globalThis.fetch), now: () => now }

const ada: Identifier = 'user:email:ada@example.com'
const sub1: Identifier = 'user:iss_sub:https://idp.example|1'
const sub2: Identifier = 'user:iss_sub:https://idp.example|2'
const laptop: Identifier = 'device:opaque:https://idp.example|42'
const session: Identifier = 'session:opaque:https://idp.example|s'

/** Statement of one provider about one thing, by these names. */
function statement(
  at: number,
  level: RiskLevel,
  names: readonly Identifier[],
  over: Partial<RiskReason> = {},
): Statement {
  const identifiers = names.toSorted()
  const id = over.id ?? `sig-${at}-${level}-${names.join()}`
  const source = over.source ?? { kind: 'security_events_provider', id: 'sse1' }
  const issuer = over.source?.id === 'sse2' ? 'https://sse2.example' : 'https://idp.example'
  return {
    id,
    source,
    issuer,
    occurredAt: t(at),
    receivedAt: t(at),
    things: [{ kind: identifiers[0]?.split(':')[0] ?? '', identifiers }],
    reasons: [
      {
        id,
        identifier: identifiers.toSorted().at(-1) ?? '',
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
        dismissedAt: undefined,
        ...over,
      },
    ],
    revokes: undefined,
    endings: [],
  }
}

const judge = judgeOf('sse1', 'sse2')
const origin = 'https://hub.example'

const apply = (
  storage: Storage,
  all: readonly Statement[],
  ignoreUnknownUsers = false,
): Promise<readonly StatementOutcome[]> =>
  storage.transaction(({ subjects, risk }) =>
    applyStatements({ subjects, risk, world, judge, origin, ignoreUnknownUsers }, all),
  )

const asked = (...names: readonly [kind: SubjectKind, text: string][]): AskedAbout =>
  Object.fromEntries(names)

/** What every RiskStore, SubjectStore and RiskReader must do together. */
export function riskStoreContract(database: string, openEmpty: () => Promise<Storage>): void {
  /** With the providers that the judge knows. */
  const open = async (): Promise<Storage> => {
    const storage = await openEmpty()
    for (const id of ['sse1', 'sse2'])
      await storage.stores.providers.insert(
        sampleProvider({ id, issuer: id === 'sse1' ? 'https://idp.example' : `https://${id}.example` }),
      )
    return storage
  }
  describe(`RiskStore, SubjectStore and RiskReader on ${database}`, () => {
    test('a statement is read back whole by every identifier', async () => {
      await using storage = await open()
      const stated = statement(1, 'HIGH', [ada, sub1], { message: 'why', expiresAt: t(60) })
      const [outcome] = await apply(storage, [stated])
      expect(outcome?.changes).toMatchObject([
        { previous: 'NONE', level: 'HIGH', entity: { kind: 'user', name: 'ada@example.com' } },
      ])
      for (const name of ['ADA@example.com', '1']) {
        const picture = await storage.stores.riskReader.read(asked(['user', name]), now)
        expect(picture.entities).toMatchObject([{ kind: 'user', reasons: stated.reasons }])
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

    test('a subject without statements is unknown', async () => {
      await using storage = await open()
      expect(
        await storage.stores.riskReader.read(asked(['user', 'ada'], ['address', '1.2.3.4']), now),
      ).toEqual({
        entities: [],
        revocations: [],
      })
    })

    test('concurrent questions each get their own answer', async () => {
      await using storage = await open()
      const names = Array.from({ length: 600 }, (_, at) => `user:email:${at}@example.com`)
      await apply(
        storage,
        names.map((name) => statement(1, 'LOW', [name])),
      )
      const pictures = await Promise.all(
        names.map((_, at) => storage.stores.riskReader.read(asked(['user', `${at}@example.com`]), now)),
      )
      expect(pictures.map(({ entities }) => entities[0]?.reasons[0]?.identifier)).toEqual(names)
    })

    test('any number of identifiers are numbered in the given order, and a number is never reused', async () => {
      await using storage = await open()
      const names = Array.from({ length: 3_000 }, (_, at): Identifier => `user:email:${at}@example.com`)
      const add = (given: readonly Identifier[]) =>
        storage.transaction(({ subjects }) =>
          subjects.add(
            given.map((identifier) => ({
              identifier,
              id: world.newId('00u'),
              seenAt: now,
              vouchedBy: undefined,
            })),
          ),
        )
      const added = await add(names)
      expect(added).toHaveLength(names.length)
      expect(added.every(({ node, entity }) => node === entity)).toBe(true)
      const inOrder = added.toSorted((a, b) => a.node - b.node)
      expect(inOrder.map(({ identifier }) => identifier)).toEqual(names)
      const known = await storage.stores.subjects.resolve([...names, 'user:email:nobody@example.com'])
      expect(known).toHaveLength(names.length)
      expect(known).toEqual(expect.arrayContaining([inOrder[0], inOrder.at(-1)]))

      const last = inOrder.at(-1)
      const request = {
        id: 'era1',
        subject: { id: last?.id ?? '', kind: 'user' as const },
        requestedAt: new Date(0),
        requestedBy: { id: 'admin', type: 'User', displayName: 'admin', alternateId: undefined },
        names: { pseudonym: 'p', identifiers: [], ids: [], displayName: undefined },
      }
      await storage.transaction(({ erasures }) => erasures.begin(last?.entity ?? 0, request))
      expect(await storage.stores.subjects.find(last?.id ?? '')).toBeUndefined()
      const [next] = await add(['user:email:next@example.com'])
      expect(next?.node).toBeGreaterThan(last?.node ?? Infinity)
    })

    test('texts with any characters are read back unchanged', async () => {
      await using storage = await open()
      const names = [
        'user:email:"quoted, {list} \\ \'and\' NULL"@example.com',
        'user:uri:\u{1f4bb}\u2028%_\t',
        'user:uri:\u0130\u00e9',
      ]
      await apply(
        storage,
        names.map((name) => statement(1, 'LOW', [name], { message: `about ${name}` })),
      )
      const nodes = await storage.stores.subjects.resolve(names)
      expect(nodes.map(({ identifier }) => identifier).toSorted()).toEqual(names.toSorted())
      const states = await storage.stores.risk.states(nodes.map(({ entity }) => entity))
      expect(states.map(({ known }) => known.reasons[0]?.reason.message ?? '').toSorted()).toEqual(
        names.map((name) => `about ${name}`).toSorted(),
      )
    })

    test('an identifier may be as long as a SET', async () => {
      await using storage = await open()
      const long = randomBytes(20_000).toString('base64url')
      const names = [`device:uri:${long}`, `device:uri:${long}+`, `device:opaque:https://idp.example|${long}`]
      await apply(storage, [
        ...names.map((name) => statement(1, 'HIGH', [name])),
        statement(2, 'LOW', names.slice(0, 2), { message: long }),
      ])
      const isLong = ({ identifier }: { identifier: Identifier }) => names.includes(identifier)
      expect((await storage.stores.subjects.resolve(names)).map(isLong)).toEqual([true, true, true])
      const { entities } = await storage.stores.riskReader.read(asked(['device', long]), now)
      expect(entities.map(({ reasons }) => reasons.map(isLong))).toEqual([[true], [true]])
    })

    test.each(['user\0', '\ud800', "'; DROP TABLE identifiers; --", '{"a"}', '%', ''])(
      '%j is an unknown identifier and no error',
      async (name) => {
        await using storage = await open()
        await apply(storage, [statement(1, 'HIGH', [ada])])
        const { entities } = await storage.stores.riskReader.read(
          asked(['user', name], ['device', name], ['session', name]),
          now,
        )
        expect(entities).toEqual([])
        expect(await storage.stores.subjects.resolve([name])).toEqual([])
        expect(await storage.stores.subjects.find(name)).toBeUndefined()
      },
    )

    test('a bare id finds the ids of all issuers that stated it, and no invented ones', async () => {
      await using storage = await open()
      const names = Array.from({ length: 25 }, (_, at): Identifier => `device:opaque:https://${at}.example|7`)
      const ids = names.map((_, at) => `sse-${at}`)
      const judge = judgeOf(...ids)
      for (const [at, name] of names.entries()) {
        const [id = '', issuer] = [ids[at], `https://${at}.example`]
        await storage.stores.providers.insert(sampleProvider({ id, issuer }))
        const stated = {
          ...statement(1, 'LOW', [name], { source: { kind: 'security_events_provider', id } }),
          issuer,
        }
        await storage.transaction(({ subjects, risk }) =>
          applyStatements({ subjects, risk, world, judge, origin, ignoreUnknownUsers: false }, [stated]),
        )
      }
      const made: Identifier = 'device:iss_sub:https://elsewhere.example|7'
      await apply(storage, [statement(1, 'HIGH', [made])])
      const read = (text: string) => storage.stores.riskReader.read(asked(['device', text]), now)
      const { entities } = await read('7')
      expect(entities.map(({ reasons }) => reasons[0]?.identifier ?? '').toSorted()).toEqual(names.toSorted())
      expect(await storage.stores.subjects.findBare('device:7')).toHaveLength(25)
      const reaches = async () => (await read('7')).entities.map(({ reach }) => reach)
      await storage.stores.riskSources.setAction('sse-0', 'log_only')
      expect((await reaches()).filter((reach) => reach === 'reported')).toHaveLength(1)
      await storage.stores.riskSources.setAction('sse-0', 'none')
      expect(await reaches()).toHaveLength(24)
      await storage.stores.providers.delete('sse-1')
      expect(await reaches()).toHaveLength(23)
    })

    test('a reason about two identifiers counts for each while they are not joined', async () => {
      await using storage = await open()
      const reported = (id: string) => ({ source: { kind: 'security_events_provider', id } as const })
      await apply(storage, [statement(2, 'NONE', [ada, sub1]), statement(1, 'NONE', [sub2])])
      const [outcome] = await apply(storage, [statement(3, 'HIGH', [ada, sub2], reported('sse2'))])
      expect(outcome).toMatchObject({ refused: expect.stringContaining('exclude') as string })
      const look = async (identifier: Identifier, text: string) => {
        const nodes = await storage.stores.subjects.resolve([identifier])
        const [state] = await storage.stores.risk.states(nodes.map(({ entity }) => entity))
        const { entities } = await storage.stores.riskReader.read(asked(['user', text]), now)
        const counting = state && reasonsInForce(state.known, now)
        const levels = (reasons: readonly RiskReason[] = []) =>
          reasons.flatMap(({ level, identifier }) => (level === 'HIGH' ? [identifier] : []))
        return [state?.level, levels(counting), entities.map(({ reasons }) => levels(reasons))]
      }
      // Its source calls them one, and the most lasting name is shown.
      expect(await look(ada, 'ada@example.com')).toEqual([3, [sub2], [[sub2]]])
      expect(await look(sub2, '2')).toEqual([3, [sub2], [[sub2]]])
      // The first claim has ended, so that nothing contradicts the other any more.
      await apply(storage, [
        {
          ...statement(3, 'NONE', [ada]),
          reasons: [],
          endings: [{ identifier: ada, recycled: false, successor: undefined }],
        },
      ])
      for (const [identifier, text] of [
        [ada, 'ada@example.com'],
        [sub2, '2'],
      ] as const) {
        expect(await look(identifier, text)).toEqual([3, [sub2], [[sub2]]])
      }
    })

    test('a join beyond the limit is not made, counts for each identifier, and does not prevent loading', async () => {
      await using storage = await open()
      const names = (at: number) =>
        Array.from({ length: 49 }, (_, n): Identifier => `user:email:${at}.${n}@example.com`)
      const crowd = Array.from({ length: 10 }, (_, at) => ({
        ...statement(1, 'NONE', [sub1, ...names(at)]),
        reasons: [],
      }))
      await apply(storage, crowd)
      const [outcome] = await apply(storage, [statement(2, 'HIGH', [sub1, ada, ...names(99)])])
      expect(outcome?.refused).toBe(tooManyClaims)
      const levelOf = async (identifier: Identifier) => {
        const [node] = await storage.stores.subjects.resolve([identifier])
        return (await storage.stores.risk.states([node?.entity ?? 0]))[0]?.level
      }
      expect([await levelOf(ada), await levelOf(sub1)]).toEqual([3, 3])

      const login: Identifier = 'user:login:ada'
      const loaded = { ...statement(3, 'NONE', [login, ada, sub1]), reasons: [], loadedAs: login }
      expect((await apply(storage, [loaded]))[0]?.refused).toBeUndefined()
      const nodes = await storage.stores.subjects.resolve([login, ada, sub1])
      expect(new Set(nodes.map(({ entity }) => entity)).size).toBe(1)
    })

    test('the same end is stored once, with all its statements', async () => {
      await using storage = await open()
      await apply(storage, [statement(1, 'LOW', [ada, sub1])])
      const ending = { source: 'sse1', identifier: ada, at: t(5).getTime(), successor: undefined }
      const end = (recycled: boolean, successor?: Identifier) =>
        storage.transaction(({ subjects }) => subjects.end([{ ...ending, recycled, successor }]))
      await end(true)
      await end(false, sub1)
      const [node] = await storage.stores.subjects.resolve([ada])
      const component = await storage.stores.subjects.component([node?.node ?? 0], ['sse1'])
      expect(component.endings).toEqual([{ ...ending, recycled: true, successor: sub1, everybody: false }])
      expect((await storage.stores.subjects.component([node?.node ?? 0], ['sse2'])).endings).toEqual([])
    })

    test('the latest ends of one source and identifier are kept, in any order of arrival', async () => {
      await using storage = await open()
      await apply(storage, [statement(1, 'LOW', [ada])])
      const times = Array.from({ length: 40 }, (_, at) => at)
      const ending = { source: 'sse1', identifier: ada, recycled: true, successor: undefined }
      for (const at of [...times.slice(20), ...times.slice(0, 20)]) {
        await storage.transaction(({ subjects }) => subjects.end([{ ...ending, at }]))
      }
      const [node] = await storage.stores.subjects.resolve([ada])
      const { endings } = await storage.stores.subjects.component([node?.node ?? 0], ['sse1'])
      expect(endings.map(({ at }) => at).toSorted((a, b) => a - b)).toEqual(times.slice(-16))
      expect((await storage.stores.subjects.namedBy('sse1', '', 100)).nodes).toHaveLength(16)
    })

    test('a source with very many claims is reviewed in steps, each of them whole', async () => {
      await using storage = await open()
      const pairs = Array.from({ length: 1_100 }, (_, at): readonly Identifier[] => [
        `user:email:${at}@example.com`,
        `user:iss_sub:https://idp.example|${at}`,
      ])
      await apply(
        storage,
        pairs.map((names) => ({ ...statement(1, 'NONE', names), reasons: [] })),
      )
      const joined = async (): Promise<number> => {
        const nodes = await storage.stores.subjects.resolve(pairs.flat())
        return nodes.length - new Set(nodes.map(({ entity }) => entity)).size
      }
      expect(await joined()).toBe(1_100)
      const step = (after: string | undefined) =>
        storage.transaction(async ({ subjects, risk, riskSources }) => {
          const deps = { subjects, risk, riskSources, world, judge: judgeOf('sse2') }
          await rejoinClaims(deps, 'sse1', after)
          return riskSources.nextRejoin()
        })
      const left = await step(undefined)
      expect(left).toMatchObject({ source: 'sse1' })
      expect(await joined()).toBeGreaterThan(0)
      expect(await step(left?.after)).toBeUndefined()
      expect(await joined()).toBe(0)
    })

    test('a loaded user replaces what was loaded before', async () => {
      await using storage = await open()
      await apply(storage, [statement(1, 'LOW', [ada]), statement(1, 'LOW', [sub1])])
      const { subjects } = storage.stores
      const user = { login: 'ada@example.com', displayName: 'Ada', loadedAt: t(1), claim: undefined }
      expect(await subjects.loadedBefore(ada)).toBeUndefined()
      await subjects.putLoaded(ada, user)
      expect(await subjects.loadedBefore(ada)).toEqual({ claim: undefined })
      await subjects.putLoaded(ada, { ...user, displayName: undefined, loadedAt: t(2), claim: 'k' })
      expect(await subjects.loadedBefore(ada)).toEqual({ claim: 'k' })
      const nodes = await subjects.resolve([ada, sub1])
      const entities = nodes.map(({ entity }) => entity)
      const loaded = nodes.filter(({ identifier }) => identifier === ada).map(({ entity }) => entity)
      expect(await subjects.loadedAmong(entities)).toEqual(loaded)
      expect((await subjects.ofEntities(loaded))[0]?.loaded).toEqual({
        login: 'ada@example.com',
        displayName: undefined,
        loadedAt: t(2),
      })
    })

    test('lists have the newest first, and filter by kind, level and part of an identifier', async () => {
      await using storage = await open()
      const names = Array.from({ length: 7 }, (_, at): Identifier => `user:email:${at}@Example.com`)
      await apply(storage, [
        ...names.map((name, at) => statement(1, at % 2 === 0 ? 'HIGH' : 'NONE', [name])),
        statement(1, 'HIGH', [laptop]),
        statement(1, 'LOW', ['users:uri:urn:ada']),
      ])
      await apply(storage, [{ ...statement(2, 'NONE', ['user:email:0@Example.com', sub1]), reasons: [] }])
      const list = async (query: Omit<SubjectQuery, 'limit'>, limit = 3): Promise<string[]> => {
        const found: string[] = []
        let next: number | undefined
        do {
          const page = await storage.stores.subjects.list({
            ...query,
            limit,
            ...(next !== undefined && { before: next }),
          })
          expect(page.subjects.length).toBeLessThanOrEqual(limit)
          found.push(...page.subjects.map(({ identifiers }) => identifiers[0]?.identifier ?? ''))
          next = page.next
        } while (next !== undefined)
        return found
      }
      const newest = ['users:uri:urn:ada', ...names.toReversed(), laptop] // the most lasting names are added first
      expect(await list({})).toEqual(newest)
      expect(await list({}, 100)).toEqual(newest)
      expect(await list({ kind: 'user' })).toEqual(names.toReversed())
      expect(await list({ kind: 'device' })).toEqual([laptop])
      expect(await list({ level: 3 })).toEqual([names[6], names[4], names[2], names[0], laptop])
      expect(await list({ kind: 'user', level: 3 })).toHaveLength(4)
      expect(await list({ text: '@example' })).toEqual(names.toReversed())
      expect(await list({ text: '@example', level: 3 })).toHaveLength(4)
      expect(await list({ text: 'iss_sub', level: 3 })).toEqual([names[0]]) // by another name of the entity
      for (const text of ['%', '_x', '\\', '\0', '@EXAMPLE']) expect(await list({ text })).toEqual([])
    })

    test('concurrent changes are applied one after the other, each of them whole', async () => {
      await using storage = await open()
      const names = Array.from(
        { length: 12 },
        (_, at): Identifier => `user:iss_sub:https://idp.example|${at}`,
      )
      const all = names.flatMap((name, at) => [
        apply(storage, [statement(at, 'LOW', [`user:uri:urn:${at % 3}`, name])]), // three entities at most get one of them
        apply(storage, [statement(at + 12, 'HIGH', [`user:uri:urn:${at % 3}`])]),
      ])
      await Promise.all(all)
      const nodes = await storage.stores.subjects.resolve([0, 1, 2].map((at) => `user:uri:urn:${at}`))
      expect(nodes).toHaveLength(3)
      const states = await storage.stores.risk.states(nodes.map(({ entity }) => entity))
      expect(states.map(({ level }) => level)).toEqual([3, 3, 3])
      expect(await storage.stores.subjects.resolve(names)).toHaveLength(names.length)
    })

    test('an answer shows each concurrent change whole or not at all', async () => {
      await using storage = await open()
      const turnTo = (side: 'user' | 'device', at: number) =>
        apply(storage, [
          statement(at, side === 'user' ? 'HIGH' : 'NONE', [ada]),
          statement(at, side === 'device' ? 'HIGH' : 'NONE', [laptop]),
        ])
      await turnTo('user', 0)
      const change = async (): Promise<void> => {
        for (let at = 1; at <= 40; at += 1) await turnTo(at % 2 === 0 ? 'user' : 'device', at)
      }
      const ask = async (): Promise<void> => {
        for (let times = 0; times < 100; times += 1) {
          const about = asked(['user', 'ada@example.com'], ['device', '42'])
          const { entities } = await storage.stores.riskReader.read(about, now)
          expect(entities.flatMap(({ reasons }) => reasons.map(({ level }) => level))).toEqual(['HIGH'])
        }
      }
      await Promise.all([change(), ask()])
    })

    test('replaced and late statements are history', async () => {
      await using storage = await open()
      await apply(storage, [statement(2, 'HIGH', [ada]), statement(3, 'LOW', [ada])])
      await apply(storage, [statement(1, 'MEDIUM', [ada])])
      const [entity] = await storage.stores.subjects.resolve([ada])
      const history = await storage.stores.risk.history(entity?.entity ?? 0, 10)
      expect(history.map(({ level, occurredAt }) => [level, occurredAt])).toEqual([
        ['MEDIUM', t(1)],
        ['HIGH', t(2)],
      ])
    })

    test('history is kept from the time it was replaced, and pruned oldest first', async () => {
      await using storage = await open()
      const { risk, subjects } = storage.stores
      await apply(storage, [statement(1, 'HIGH', [ada]), statement(2, 'LOW', [ada])])
      const entity = (await subjects.resolve([ada]))[0]?.entity ?? 0
      const left = async (): Promise<readonly unknown[]> =>
        (await risk.history(entity, 10)).map(({ level }) => level)
      expect(await risk.deleteHistoryBefore(now, 10, t(60))).toEqual({ rows: 0, parts: 0 })
      expect(await left()).toEqual(['HIGH'])
      const reason = (at: number) =>
        statement(at, 'MEDIUM', [ada]).reasons.map((reason) => ({ node: entity, reason }))
      await risk.addHistory(reason(3), t(51))
      await risk.addHistory(reason(0), t(5_000)) // a clock was ahead
      await risk.addHistory(reason(4), t(52))
      expect(await risk.deleteHistoryBefore(t(52), 1, t(60))).toEqual({ rows: 1, parts: 0 })
      expect(await left()).toEqual(['MEDIUM', 'MEDIUM', 'MEDIUM'])
      expect(await risk.deleteHistoryBefore(t(52), 10, t(60))).toEqual({ rows: 1, parts: 0 })
      expect(await risk.deleteHistoryBefore(t(53), 10, t(60))).toEqual({ rows: 2, parts: 0 })
      expect(await left()).toEqual([])
    })

    test('a level is due when it expires, and not before', async () => {
      await using storage = await open()
      await apply(storage, [statement(1, 'HIGH', [ada], { expiresAt: t(55) }), statement(1, 'LOW', [laptop])])
      const { risk, subjects } = storage.stores
      expect(await risk.due(t(54), 10)).toEqual([])
      const [entity] = await subjects.resolve([ada])
      expect(await risk.due(t(55), 10)).toEqual([entity?.entity])
      await risk.putLevels([{ entity: entity?.entity ?? 0, level: 0, changesAt: undefined }])
      expect(await risk.due(t(59), 10)).toEqual([])
    })

    test('joining entities keeps the older one, and returns the changes of level', async () => {
      await using storage = await open()
      await apply(storage, [statement(1, 'LOW', [ada])])
      await apply(storage, [
        statement(2, 'HIGH', [sub1], { source: { kind: 'security_events_provider', id: 'sse2' } }),
      ])
      const [outcome] = await apply(storage, [{ ...statement(3, 'LOW', [ada, sub1]), reasons: [] }])
      expect(outcome?.changes).toMatchObject([{ previous: 'LOW', level: 'HIGH' }])
      expect((await storage.stores.subjects.list({ limit: 10 })).subjects).toMatchObject([{ level: 3 }])
      expect((await storage.stores.subjects.list({ limit: 10, level: 3 })).subjects).toHaveLength(1)
    })

    test('a recycled identifier belongs to a new entity without statements', async () => {
      await using storage = await open()
      await apply(storage, [statement(1, 'HIGH', [ada])])
      const [outcome] = await apply(storage, [
        {
          ...statement(2, 'NONE', [ada]),
          reasons: [],
          endings: [{ identifier: ada, recycled: true, successor: undefined }],
        },
      ])
      expect(outcome?.changes).toMatchObject([{ previous: 'HIGH', level: 'NONE' }])
      expect(
        (await storage.stores.riskReader.read(asked(['user', 'ada@example.com']), now)).entities,
      ).toMatchObject([{ reasons: [] }])
      await apply(storage, [statement(3, 'LOW', [ada])])
      expect(
        (await storage.stores.riskReader.read(asked(['user', 'ada@example.com']), now)).entities,
      ).toMatchObject([{ reasons: [{ level: 'LOW' }] }])
    })

    test('unknown users are ignored when the setting says so, with their joins', async () => {
      await using storage = await open()
      const [outcome] = await apply(storage, [statement(1, 'HIGH', [ada, sub1])], true)
      expect(outcome).toMatchObject({
        ignored: true,
        changes: [],
        unmatched: expect.stringContaining('unknown') as string,
      })
      expect(await storage.stores.subjects.resolve([ada, sub1])).toEqual([])
      expect((await apply(storage, [statement(1, 'HIGH', [laptop])], true))[0]).toMatchObject({
        ignored: false,
      })
    })

    describe('pruning', () => {
      const known = async (storage: Storage, names: readonly Identifier[]): Promise<readonly Identifier[]> =>
        (await storage.stores.subjects.resolve(names)).map(({ identifier }) => identifier).toSorted()
      const forget = (storage: Storage, before: Date, step: Partial<ForgettingStep> = {}) =>
        storage.stores.subjects.forget({ before, after: 0, lookedAt: 100, deletedMax: 100, ...step })
      const address: Identifier = 'address:203.0.113.7'
      const over = { expiresAt: t(20) }

      test('removes sessions and addresses without statements, with their history', async () => {
        await using storage = await open()
        const names = [session, address, ada, laptop]
        await apply(
          storage,
          names.map((name) => statement(1, 'LOW', [name], over)),
        )
        expect(await forget(storage, t(50))).toMatchObject({ forgotten: 0 }) // first seen at t(50)
        expect(await forget(storage, t(51))).toMatchObject({ forgotten: 2 })
        expect(await known(storage, names)).toEqual([laptop, ada])
        expect(await forget(storage, t(51))).toMatchObject({ forgotten: 0 })
        await apply(storage, [statement(2, 'LOW', [session], { expiresAt: t(60) })])
        const { entities } = await storage.stores.riskReader.read(asked(['session', 's']), now)
        expect(entities).toMatchObject([{ reasons: [{ occurredAt: t(2) }] }])
      })

      test.each<[string, Statement[]]>([
        ['a reason without an end', [statement(1, 'LOW', [session])]],
        ['a reason that held lately', [statement(1, 'LOW', [session], { expiresAt: t(52) })]],
        ['a reason that came lately', [statement(52, 'LOW', [session], over)]],
        ['history', [statement(1, 'LOW', [session], over), statement(2, 'LOW', [session], over)]],
        ['a claim', [statement(1, 'LOW', [session, 'session:jwt_id:https://idp.example|j'], over)]],
        [
          'a revocation',
          [
            {
              ...statement(1, 'LOW', [session], over),
              receivedAt: t(51),
              revokes: {
                user: undefined,
                device: undefined,
                session,
                signalId: 'sig',
                eventType: 'e',
                message: undefined,
              },
            },
          ],
        ],
      ])('%s keeps them', async (_name, all) => {
        await using storage = await open()
        await apply(storage, all)
        expect(await forget(storage, t(51))).toMatchObject({ forgotten: 0 })
        expect(await known(storage, [session])).toEqual([session])
      })

      test('keeps ended levels and old revocations', async () => {
        await using storage = await open()
        await apply(storage, [
          {
            ...statement(1, 'NONE', [session]),
            revokes: {
              user: undefined,
              device: undefined,
              session,
              signalId: 'sig',
              eventType: 'e',
              message: undefined,
            },
          },
        ])
        expect(await forget(storage, t(10))).toMatchObject({ revocations: 1, forgotten: 0 })
        expect(await forget(storage, t(51))).toMatchObject({ revocations: 0, forgotten: 1 })
      })

      test('removes old revocations first, up to the limit', async () => {
        await using storage = await open()
        const sessions = [1, 2, 3, 4].map((at): Identifier => `session:opaque:s${at}`)
        await apply(
          storage,
          sessions.map((session, at) => ({
            ...statement(at === 3 ? 20 : 1, 'NONE', [session]),
            revokes: {
              user: undefined,
              device: undefined,
              session,
              signalId: 'sig',
              eventType: 'e',
              message: undefined,
            },
          })),
        )
        const step = { deletedMax: 2 }
        expect(await forget(storage, t(10), step)).toEqual({ revocations: 2, forgotten: 0, next: 0 })
        expect(await forget(storage, t(10), step)).toMatchObject({ revocations: 1, forgotten: 0 })
        expect(await forget(storage, t(10), step)).toMatchObject({ revocations: 0, forgotten: 0 })
      })

      test('reaches every entity in small steps', async () => {
        await using storage = await open()
        const names = Array.from({ length: 7 }, (_, at) => `address:203.0.113.${at}`)
        await apply(
          storage,
          names.map((name, at) => statement(1, 'LOW', [name], at === 3 ? {} : over)),
        )
        let forgotten = 0
        let steps = 0
        for (let after: number | undefined = 0; after !== undefined; steps += 1) {
          const step = await forget(storage, t(51), { after, lookedAt: 2 })
          forgotten += step.forgotten
          after = step.next
        }
        expect({ forgotten, steps }).toEqual({ forgotten: 6, steps: 5 })
        expect(await known(storage, names)).toEqual(['address:203.0.113.3'])
      })
    })

    describe('revocations', () => {
      const revoked = (
        at: number,
        members: { user?: Identifier; device?: Identifier; session?: Identifier },
      ): Statement => ({
        ...statement(at, 'LOW', Object.values(members)),
        reasons: [],
        things: Object.entries(members).map(([kind, identifier]) => ({ kind, identifiers: [identifier] })),
        revokes: {
          user: undefined,
          device: undefined,
          session: undefined,
          ...members,
          signalId: `sig-${at}`,
          eventType: 'e',
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
      ])('%s (CAEP 1.0 §3.1)', async (_name, members, question, count) => {
        await using storage = await open()
        await apply(storage, [revoked(1, members)])
        const { revocations } = await storage.stores.riskReader.read(asked(...question), now)
        expect(revocations).toHaveLength(count)
        if (count > 0)
          expect(revocations).toMatchObject([
            { ...members, revokedAt: t(1), providerId: 'sse1', message: 'm' },
          ])
      })

      test.each([
        ['falling', [3, 2, 1]],
        ['rising', [1, 2, 3]],
        ['mixed', [2, 3, 3, 1]],
      ])(
        'of the same revocation several times in one batch the latest is kept (%s)',
        async (_order, times) => {
          await using storage = await open()
          await apply(
            storage,
            times.map((at) => revoked(at, { user: ada })),
          )
          const { revocations } = await storage.stores.riskReader.read(asked(user), now)
          expect(revocations).toMatchObject([{ revokedAt: t(3), signalId: 'sig-3' }])
        },
      )

      test('of the same revocation the latest is kept, in any order of arrival', async () => {
        await using storage = await open()
        for (const at of [2, 3, 1]) await apply(storage, [revoked(at, { user: ada })])
        const { revocations } = await storage.stores.riskReader.read(asked(user), now)
        expect(revocations).toMatchObject([{ revokedAt: t(3), signalId: 'sig-3' }])
        const step = { before: t(4), after: 0, lookedAt: 10, deletedMax: 10 }
        expect(await storage.stores.subjects.forget(step)).toMatchObject({ revocations: 1 })
      })
    })

    test('the order of arrival, with contradictions, changes neither entities nor levels', async () => {
      const names = [ada, sub1, sub2, 'user:phone:+1', 'user:email:b@example.com']
      const someStatements = fc
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
          all.map(({ at, level, names, source, ending }, index): Statement => {
            const named = statement(at, level, names, {
              id: `sig-${index}`,
              source: { kind: 'security_events_provider', id: source },
            })
            return {
              ...named,
              endings:
                ending === undefined ? [] : [{ identifier: ada, recycled: ending, successor: undefined }],
              // Of two things that happened at once, what came later counts: that is no matter of the order of handling.
              reasons: named.reasons.map((reason) => ({
                ...reason,
                receivedAt: new Date(t(10).getTime() + index),
              })),
            }
          }),
        )
      const outcome = async (batches: readonly (readonly Statement[])[]) => {
        await using storage = await open()
        for (const batch of batches) await apply(storage, batch)
        const nodes = await storage.stores.subjects.resolve(names)
        const entities = [...new Set(nodes.map(({ entity }) => entity))]
        const states = await storage.stores.risk.states(entities)
        const identifiersOf = (entity: number) =>
          nodes.flatMap((node) => (node.entity === entity ? [node.identifier] : [])).toSorted()
        return new Map(
          states
            .map((state) => [identifiersOf(state.entity).join(' '), state.level] as const)
            .toSorted(([a], [b]) => (a < b ? -1 : 1)),
        )
      }
      await fc.assert(
        fc.asyncProperty(
          someStatements.chain((all) =>
            fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }), fc.nat(8)),
          ),
          async ([listed, shuffled, cut]) => {
            const expected = await outcome([listed])
            expect(await outcome([shuffled.slice(0, cut), shuffled.slice(cut)])).toEqual(expected)
          },
        ),
        { numRuns: propertyRuns(10) },
      )
    }, 120_000)
  })
}
