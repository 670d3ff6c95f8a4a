import type { RiskAction } from './risk-action.ts'
import type { RiskSource } from './risk-reason.ts'

/** Somebody whose word can count: a security events provider or a risk provider. */
export interface KnownSource {
  readonly kind: 'security_events_provider' | 'risk_provider'
  readonly id: string
  readonly name: string
  readonly action: RiskAction
}

/** What the words of security events providers count for. Implemented in storage/, held to test/contract/risk-source-store.ts. */
export interface RiskSourceStore {
  /** Every provider of either kind there is; a security events provider whose action was never set enforces. */
  list(): Promise<readonly KnownSource[]>
  /** Of a security events provider; that there is one is the caller's business. */
  setAction(providerId: string, action: RiskAction): Promise<void>
  forgetAction(providerId: string): Promise<void>
}

/** What each source's word counts for at this moment, from memory. */
export interface RiskSources {
  /** Undefined for who is no provider any more: what it said counts for nothing. Administrators are no providers. */
  find(source: RiskSource): KnownSource | undefined
  /** See {@link actionLookup}. */
  actionOf(source: RiskSource): RiskAction
  /** Reads memory anew from the store: at the start, and after something changed. */
  refresh(): Promise<void>
}

/** `none` for who is no provider any more; an administrator's word is always acted on. */
export function actionLookup(known: Iterable<KnownSource>): RiskSources['actionOf'] {
  const byId = new Map([...known].map((source) => [source.id, source]))
  return ({ kind, id }) => {
    if (kind === 'admin') return 'enforce_and_log'
    const source = byId.get(id)
    return source?.kind === kind ? source.action : 'none'
  }
}

/** Reads the store once before it resolves. */
export async function createRiskSources(store: Pick<RiskSourceStore, 'list'>): Promise<RiskSources> {
  let known: ReadonlyMap<string, KnownSource> = new Map()
  let actionOf = actionLookup([])
  let last: Promise<void> = Promise.resolve()

  const sources: RiskSources = {
    find({ kind, id }) {
      const source = known.get(id)
      return source?.kind === kind ? source : undefined
    },
    actionOf: (source) => actionOf(source),
    /** One after the other: what was read first must not overwrite what was read last. */
    refresh() {
      const turn = last.then(async () => {
        known = new Map((await store.list()).map((source) => [source.id, source]))
        actionOf = actionLookup(known.values())
      })
      last = turn.catch(() => undefined)
      return turn
    },
  }
  await sources.refresh()
  return sources
}
