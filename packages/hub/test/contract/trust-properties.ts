import { describe, expect, test } from 'vitest'
import { realWorld } from '../../src/base/world.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { evaluate, groundsMax } from '../../src/policy/evaluate.ts'
import { defaultOutcomeRules, outcomes } from '../../src/policy/outcome.ts'
import { statementOfEvent } from '../../src/risk/event-statement.ts'
import { applyStatements } from '../../src/risk/apply-statements.ts'
import type { Statement } from '../../src/risk/statement.ts'
import { rejoinClaims } from '../../src/risk/rejoin.ts'
import type { RiskAction } from '../../src/risk/risk-action.ts'
import { createRiskRules } from '../../src/risk/risk-rules.ts'
import { wordJudge } from '../../src/risk/risk-sources.ts'
import type { AliasesSubject, PlainSubject } from '@watchbell/receiver/set'
import type { Storage } from '../../src/stores.ts'
import { fc, propertyRuns } from '../../../receiver/test/properties.ts'
import { sampleProvider } from './provider-store.ts'

const minuteMs = 60_000
const start = Date.UTC(2026, 0, 1)
const now = new Date(start + 100 * minuteMs)
const world = { ...realWorld(globalThis.fetch), now: () => now }
const origin = 'https://hub.example'
const rules = createRiskRules([])

/** Two sources whose statements are acted on, one that is only watched, one whose statements count for nothing, in this order. */
const sources = ['idp', 'edr', 'watched', 'silent'] as const
type Source = (typeof sources)[number]
const actionOf: Readonly<Record<Source, RiskAction>> = {
  idp: 'enforce_and_log',
  edr: 'enforce_and_log',
  watched: 'log_only',
  silent: 'none',
}
const issuerOf = (source: Source): string => `https://${source}.example`

const emails = ['ada@example.com', 'bob@example.com'] as const
const identifiers: readonly PlainSubject[] = [
  ...emails.map((email) => ({ format: 'email', email }) as const),
  { format: 'phone_number', phone_number: '+15551234' },
  ...sources.flatMap((source) =>
    ['1', '2'].map((sub) => ({ format: 'iss_sub', iss: issuerOf(source), sub: `${source}-${sub}` }) as const),
  ),
]
/** The same person named twice, as somebody asks: see askedOf. */
const texts = [
  'ada@example.com',
  'bob@example.com',
  '+15551234',
  ...sources.flatMap((s) => [`${s}-1`, `${s}-2`]),
]

interface StatementDraft {
  readonly source: Source
  /** Minutes, when it happened. */
  readonly at: number
  /** Places in {@link identifiers}. */
  readonly names: readonly number[]
  readonly says: 'high' | 'medium' | 'none' | 'revoked' | 'changed' | 'recycled' | 'enabled' | 'disabled'
}

const anyDraft = (of: readonly Source[]): fc.Arbitrary<StatementDraft> =>
  fc.record({
    source: fc.constantFrom(...of),
    at: fc.integer({ min: 0, max: 40 }),
    names: fc.uniqueArray(fc.nat(identifiers.length - 1), { minLength: 1, maxLength: 3 }),
    says: fc.constantFrom(
      'high',
      'high',
      'medium',
      'none',
      'revoked',
      'changed',
      'recycled',
      'enabled',
      'disabled',
    ),
  })
const drafts = (...of: readonly Source[]): fc.Arbitrary<readonly StatementDraft[]> =>
  fc.array(anyDraft(of), { maxLength: 7 })

const okta = 'https://schemas.okta.com/secevent/okta/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'

/** The event of a statement, as it is decoded. */
function eventOf({ names, says, at }: StatementDraft): SecurityEvent {
  const named = names.flatMap((place) => identifiers[place] ?? [])
  const [only] = named
  if (only === undefined) throw new Error('Every statement names somebody.')
  const subject: PlainSubject | AliasesSubject =
    named.length === 1 ? only : { format: 'aliases', identifiers: named }
  const common = { subject, occurredAt: start + at * minuteMs, leftOut: [] }
  const event = (family: string, type: string, name: string, claims: object): SecurityEvent =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the decoder's tables
    ({ ...common, family, type: type + name, name, claims }) as unknown as SecurityEvent
  switch (says) {
    case 'revoked':
      return event('risc', risc, 'sessions-revoked', {})
    case 'changed':
      return event('risc', risc, 'identifier-changed', { 'new-value': 'new@example.com' })
    case 'recycled':
      return event('risc', risc, 'identifier-recycled', {})
    case 'enabled':
      return event('risc', risc, 'account-enabled', {})
    case 'disabled':
      return event('risc', risc, 'account-disabled', { reason: 'hijacking' })
    default:
      return event('okta', okta, 'user-risk-change', { current_level: says, previous_level: 'low' })
  }
}

/** @param place - in the history, whenever it is applied: what came later of two things that happened at once */
function statementOf(draft: StatementDraft, place: number): Statement {
  const signal = {
    id: `sig-${draft.source}-${place}`,
    provider: { id: draft.source, issuer: issuerOf(draft.source) },
    issuedAt: now,
    receivedAt: new Date(start + 50 * minuteMs + place),
  }
  const read = statementOfEvent(rules, signal, eventOf(draft), 0)
  if (read === undefined || 'unmatched' in read) throw new Error('Every statement is about somebody.')
  return read.statement
}

const judgeIn = async (stores: Storage['stores']) => wordJudge(await stores.riskSources.list())

async function tell(storage: Storage, statements: readonly Statement[]): Promise<void> {
  await storage.transaction(async ({ subjects, risk, riskSources }) => {
    const judge = wordJudge(await riskSources.list())
    await applyStatements({ subjects, risk, world, judge, origin, ignoreUnknownUsers: false }, statements)
  })
}

/** What of an answer does not differ from one database to another. */
interface Answer {
  readonly outcome: string
  readonly level: string
  readonly grounds: readonly string[]
  readonly reported: readonly string[]
  readonly isKnown: boolean
}

async function answers(storage: Storage): Promise<ReadonlyMap<string, Answer>> {
  const judge = await judgeIn(storage.stores)
  const given = new Map<string, Answer>()
  for (const user of texts) {
    for (const issuedAt of [undefined, new Date(start + 20 * minuteMs)]) {
      const picture = await storage.stores.riskReader.read({ user }, now)
      const question = {
        user,
        action: 'authenticate',
        resource: { type: 'app', id: 'a' },
        ip: undefined,
        device: undefined,
        session: undefined,
        userAgent: undefined,
        issuedAt,
      }
      const verdict = evaluate(question, picture, {
        sources: { judge: () => judge, refresh: async () => undefined },
        rules: defaultOutcomeRules,
      })
      const shown = (grounds: typeof verdict.grounds) =>
        grounds
          .map(({ source, level, signalId }) => `${source.id} ${level ?? 'revoked'} ${signalId ?? ''}`)
          .toSorted()
      expect(verdict.groundsTotal).toBeLessThanOrEqual(groundsMax)
      given.set(`${user} ${issuedAt?.toISOString() ?? ''}`, {
        outcome: verdict.outcome,
        level: verdict.level,
        grounds: shown(verdict.grounds),
        reported: shown(verdict.reported.grounds),
        isKnown: verdict.userId !== undefined,
      })
    }
  }
  return given
}

/** Four properties that hold for every history of statements: see docs/trust.md. */
export function trustProperties(database: string, openEmpty: () => Promise<Storage>, runs: number): void {
  const limits = { numRuns: propertyRuns(runs) }

  async function open(): Promise<Storage> {
    const storage = await openEmpty()
    for (const [at, source] of sources.entries()) {
      await storage.stores.providers.insert(
        sampleProvider({
          id: source,
          name: source,
          issuer: issuerOf(source),
          createdAt: new Date(start - (10 - at) * minuteMs),
        }),
      )
      await storage.stores.riskSources.setAction(source, actionOf[source])
    }
    return storage
  }

  async function after(...batches: readonly (readonly Statement[])[]): Promise<ReadonlyMap<string, Answer>> {
    await using storage = await open()
    for (const batch of batches) if (batch.length > 0) await tell(storage, batch)
    return await answers(storage)
  }

  const mixed = (few: readonly StatementDraft[], many: readonly StatementDraft[]) =>
    [
      ...few.map((draft, at) => statementOf(draft, 2 * at)),
      ...many.map((draft, at) => statementOf(draft, 2 * at + 1)),
    ].toSorted((a, b) => a.receivedAt.getTime() - b.receivedAt.getTime())

  describe(`effective statements on ${database}`, () => {
    test('statements of sources with the action none change no answer', { timeout: 600_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(drafts('idp', 'edr', 'watched'), drafts('silent'), async (counting, silent) => {
          expect(await after(mixed(counting, silent))).toEqual(await after(mixed(counting, [])))
        }),
        limits,
      )
    })

    test('statements of log_only sources change no decision', { timeout: 600_000 }, async () => {
      const acted = (all: ReadonlyMap<string, Answer>) =>
        new Map([...all].map(([asked, { outcome, level, grounds }]) => [asked, { outcome, level, grounds }]))
      await fc.assert(
        fc.asyncProperty(drafts('idp', 'edr'), drafts('watched'), async (counting, watched) => {
          expect(acted(await after(mixed(counting, watched)))).toEqual(
            acted(await after(mixed(counting, []))),
          )
        }),
        limits,
      )
    })

    test(
      'statements of an enforced source end none of another source about its own subjects',
      { timeout: 600_000 },
      async () => {
        await fc.assert(
          fc.asyncProperty(drafts('idp'), drafts('edr'), fc.boolean(), async (first, second, isSwapped) => {
            const [mine, theirs] = isSwapped ? [second, first] : [first, second]
            const before = await after(mixed(mine, []))
            const together = await after(mixed(mine, theirs))
            const named = new Set(mine.flatMap(({ names }) => names.map((place) => texts[place])))
            for (const [asked, { grounds, outcome, level }] of before) {
              if (![...named].some((text) => text !== undefined && asked.startsWith(text))) continue
              const other = together.get(asked)
              expect(other?.grounds).toEqual(expect.arrayContaining([...grounds]))
              expect(outcomes.indexOf(other?.outcome as 'allow')).toBeGreaterThanOrEqual(
                outcomes.indexOf(outcome as 'allow'),
              )
              expect(['NONE', 'LOW', 'MEDIUM', 'HIGH'].indexOf(other?.level ?? '')).toBeGreaterThanOrEqual(
                ['NONE', 'LOW', 'MEDIUM', 'HIGH'].indexOf(level),
              )
            }
          }),
          limits,
        )
      },
    )

    test('the order of arrival changes nothing', { timeout: 600_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(
          drafts('idp', 'edr', 'watched').chain((all) =>
            fc.tuple(
              fc.constant(all.map(statementOf)),
              fc.shuffledSubarray(all.map(statementOf), { minLength: all.length }),
              fc.nat(7),
            ),
          ),
          async ([listed, shuffled, cut]) => {
            expect(await after(shuffled.slice(0, cut), shuffled.slice(cut))).toEqual(await after(listed))
          },
        ),
        limits,
      )
    })

    test(
      'deleting or disabling a source removes its effects, and enabling it restores them',
      { timeout: 600_000 },
      async () => {
        await fc.assert(
          fc.asyncProperty(
            drafts('idp', 'watched'),
            drafts('edr'),
            fc.boolean(),
            async (others, theirs, goes) => {
              await using storage = await open()
              const all = mixed(others, theirs)
              if (all.length > 0) await tell(storage, all)
              const together = await answers(storage)
              const change = (work: (stores: Storage['stores']) => Promise<unknown>) =>
                storage.transaction(async (stores) => {
                  await work(stores)
                  const { subjects, risk, riskSources } = stores
                  const deps = { subjects, risk, riskSources, world, judge: await judgeIn(stores) }
                  await rejoinClaims(deps, 'edr')
                  for (
                    let left = await riskSources.nextRejoin();
                    left !== undefined;
                    left = await riskSources.nextRejoin()
                  )
                    await rejoinClaims(deps, left.source, left.after)
                })
              await change(({ riskSources }) => riskSources.setAction('edr', 'none'))
              const without = await after(mixed(others, []))
              expect(await answers(storage)).toEqual(without)
              await change(({ riskSources }) => riskSources.setAction('edr', 'enforce_and_log'))
              expect(await answers(storage)).toEqual(together)
              if (!goes) return
              await change(({ providers }) => providers.delete('edr'))
              expect(await answers(storage)).toEqual(without)
            },
          ),
          limits,
        )
      },
    )
  })
}
