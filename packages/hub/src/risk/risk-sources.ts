import type { Transact } from '../base/transaction.ts'
import { scopeOf, type Identifier } from '../subjects/identifier.ts'
import { adminSource } from '../subjects/claim.ts'
import type { Claimants } from '../subjects/partition.ts'
import type { RiskAction } from './risk-action.ts'
import type { RiskReason, RiskSource } from './risk-reason.ts'
import type { Revocation } from './revocation.ts'
import { defaultTrust, mayJoin, maySend, maySpeakOf, type SourceTrust } from './source-trust.ts'

/** A security events provider or a risk provider, with its action and trust. */
export interface KnownSource {
  readonly kind: 'security_events_provider' | 'risk_provider'
  readonly id: string
  readonly name: string
  readonly action: RiskAction
  /** The issuer of a security events provider, for whose ids it vouches. */
  readonly issuer: string | undefined
  readonly registeredAt: Date
  readonly trust: SourceTrust
}

/** Stores the actions and trusts of security events providers. Implemented in storage/, held to test/contract/risk-source-store.ts. */
export interface RiskSourceStore {
  /**
   * All providers of both kinds, each kind in the order of registration. A security events provider whose action was
   * never set has `enforce_and_log`.
   */
  list(): Promise<readonly KnownSource[]>
  /** Sets the action of a security events provider. The caller makes sure that it exists. */
  setAction(providerId: string, action: RiskAction): Promise<void>
  /** Sets the trust of a security events provider, likewise. */
  setTrust(providerId: string, trust: SourceTrust): Promise<void>
  /** Deletes action and trust. */
  forget(providerId: string): Promise<void>
  /** Remembers to evaluate the claims of a source again, from `after` on; undefined when that is done. */
  putRejoin(source: string, after: string | undefined): Promise<void>
  /** One of the remembered sources. */
  nextRejoin(): Promise<{ readonly source: string; readonly after: string } | undefined>
}

/**
 * The only place that decides what a statement counts for. Handler, sign-in, API and System Log use it; see
 * docs/trust.md. An administrator's statements are always enforced, those of a deleted source never.
 */
export interface WordJudge {
  find(source: RiskSource): KnownSource | undefined
  actionOf(source: RiskSource): RiskAction
  /** What a reason counts for: `none` when its source may not state it of this subject. */
  ofReason(reason: Pick<RiskReason, 'source' | 'identifier' | 'eventType'>): RiskAction
  /** What a revocation counts for, likewise. */
  ofRevocation(
    revocation: Pick<Revocation, 'providerId' | 'user' | 'device' | 'session' | 'eventType'>,
  ): RiskAction
  /** Whether a security events provider may speak of a subject, whatever its action. */
  maySpeakOf(source: RiskSource, identifier: Identifier): boolean
  maySend(source: RiskSource, eventType: string): boolean
  readonly claimantOf: Claimants
  /** Ids of the sources whose claims join identifiers for all sources. */
  readonly believed: readonly string[]
  /** Whether ids of this source can be looked up: its action is not `none`, or it is the administrator. */
  readonly vouches: (source: string) => boolean
  /** The earliest time that claims of the source are dated to. */
  registeredAt(source: RiskSource): Date | undefined
}

export function wordJudge(known: readonly KnownSource[]): WordJudge {
  const byId = new Map(known.map((source) => [source.id, source]))
  const ranks = new Map(
    known
      .filter(({ kind }) => kind === 'security_events_provider')
      .map((source, at) => ({ source, at }))
      .toSorted(
        (a, b) =>
          (a.source.trust.precedence ?? Infinity) - (b.source.trust.precedence ?? Infinity) || a.at - b.at,
      )
      .map(({ source: { id } }, rank) => [id, rank]),
  )
  const find: WordJudge['find'] = ({ kind, id }) => {
    const source = byId.get(id)
    return source?.kind === kind ? source : undefined
  }
  const isAdmin = ({ kind }: RiskSource): boolean => kind === 'admin'
  const actionOf = (source: RiskSource): RiskAction =>
    isAdmin(source) ? 'enforce_and_log' : (find(source)?.action ?? 'none')
  const trustOf = (source: RiskSource): SourceTrust => find(source)?.trust ?? defaultTrust
  const mayName = (source: RiskSource, identifier: Identifier): boolean =>
    isAdmin(source) || maySpeakOf(trustOf(source), identifier)
  const maySay = (source: RiskSource, eventType: string): boolean =>
    isAdmin(source) || maySend(trustOf(source), eventType)
  return {
    find,
    actionOf,
    ofReason: ({ source, identifier, eventType }) =>
      mayName(source, identifier) && (eventType === undefined || maySay(source, eventType))
        ? actionOf(source)
        : 'none',
    ofRevocation({ providerId, user, device, session, eventType }) {
      const source = { kind: 'security_events_provider', id: providerId } as const
      const named = [user, device, session].filter((identifier) => identifier !== undefined)
      return named.every((identifier) => mayName(source, identifier)) && maySay(source, eventType)
        ? actionOf(source)
        : 'none'
    },
    maySpeakOf: mayName,
    maySend: maySay,
    claimantOf(id) {
      const source = byId.get(id)
      return {
        isBelieved: source?.kind === 'security_events_provider' && source.action === 'enforce_and_log',
        rank: ranks.get(id) ?? Infinity,
        may: (identifier) => {
          const scope = scopeOf(identifier)
          if (source === undefined) return false
          return (scope !== undefined && scope === source.issuer) || mayJoin(source.trust, identifier)
        },
        speaksOf: (identifier) => source !== undefined && maySpeakOf(source.trust, identifier),
      }
    },
    believed: known
      .filter(({ kind, action }) => kind === 'security_events_provider' && action === 'enforce_and_log')
      .map(({ id }) => id),
    vouches: (id) => id === adminSource || (byId.get(id)?.action ?? 'none') !== 'none',
    registeredAt: (source) => find(source)?.registeredAt,
  }
}

/** The actions and trusts of all sources, from memory. */
export interface RiskSources {
  readonly judge: () => WordJudge
  /** Reads the store again, after a change. */
  refresh(): Promise<void>
}

/** Reads the store once before it resolves. */
export async function createRiskSources(store: Pick<RiskSourceStore, 'list'>): Promise<RiskSources> {
  let judge = wordJudge([])
  let last: Promise<void> = Promise.resolve()

  const sources: RiskSources = {
    judge: () => judge,
    /** One after the other: an earlier reading must not overwrite a later one. */
    refresh() {
      const turn = last.then(async () => {
        judge = wordJudge(await store.list())
      })
      last = turn.catch(() => undefined)
      return turn
    },
  }
  await sources.refresh()
  return sources
}

/** Refreshes the sources after each transaction. */
export function refreshedAfter<Stores, Journal>(
  sources: Pick<RiskSources, 'refresh'>,
  transaction: Transact<Stores, Journal>,
): Transact<Stores, Journal> {
  return async (work) => {
    const result = await transaction(work)
    await sources.refresh()
    return result
  }
}
