import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import { isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { Transact } from '../base/transaction.ts'
import type { Provider } from '../providers/provider.ts'
import type { RefusedClaims, SubjectStore } from '../subjects/subject-store.ts'
import type { LevelJournal } from './level-journal.ts'
import { rejoinSource, type RejoinStores } from './rejoin.ts'
import { riskActions, type RiskAction } from './risk-action.ts'
import type { RiskSources, RiskSourceStore } from './risk-sources.ts'
import type { SourceTrust } from './source-trust.ts'

/** A committed change of the action of a security events provider. */
export interface ProviderActionChange {
  readonly provider: Provider
  readonly from: RiskAction
  readonly to: RiskAction
  readonly by: Actor
}

/** A committed change of the trust in a security events provider. */
export interface ProviderTrustChange {
  readonly provider: Provider
  readonly trust: SourceTrust
  readonly by: Actor
}

export interface ProviderActionJournal extends LevelJournal {
  providerActionChanged(change: ProviderActionChange): Promise<void>
  providerTrustChanged(change: ProviderTrustChange): Promise<void>
}

interface ProviderActionStores extends RejoinStores {
  readonly providers: { findById(id: string): Promise<Provider | undefined> }
  readonly riskSources: RiskSourceStore
}

/** The three-way action of security events providers, which Okta has for risk providers only. */
export interface ProviderActions {
  /** `enforce_and_log` until it is set. @throws HubError `provider.not_found` */
  get(providerId: string): RiskAction
  /** Takes effect with the next evaluation. The same action again changes and journals nothing. @throws HubError `provider.not_found` */
  set(providerId: string, action: RiskAction, by: Actor): Promise<RiskAction>
  /** @throws HubError `provider.not_found` */
  trust(providerId: string): SourceTrust
  /** Replaces the trust, with effect from the next evaluation. @throws HubError `provider.not_found` */
  setTrust(providerId: string, trust: SourceTrust, by: Actor): Promise<SourceTrust>
  /** Claims of the provider that are not believed, newest first, at most 10; `total` counts 1,000 at most. */
  refusedClaims(providerId: string): Promise<RefusedClaims>
}

export interface ProviderActionsDeps {
  readonly world: Pick<World, 'now'>
  readonly sources: Pick<RiskSources, 'judge'>
  readonly subjects: Pick<SubjectStore, 'refusedClaims'>
  readonly transaction: Transact<ProviderActionStores, ProviderActionJournal>
}

export function createProviderActions({
  world,
  sources,
  subjects,
  transaction,
}: ProviderActionsDeps): ProviderActions {
  const find = (id: string) => sources.judge().find({ kind: 'security_events_provider', id }) ?? notFound(id)
  return {
    get: (providerId) => find(providerId).action,
    trust: (providerId) => find(providerId).trust,
    refusedClaims: (providerId) => subjects.refusedClaims(find(providerId).id),
    setTrust: (providerId, trust, by) =>
      transaction(async (tx) => {
        const { providers, riskSources } = tx.stores
        const provider = (await providers.findById(providerId)) ?? notFound(providerId)
        await riskSources.setTrust(providerId, trust)
        await rejoinSource(world, tx, { source: providerId, by })
        await tx.journal.providerTrustChanged({ provider, trust, by })
        return trust
      }),
    set: (providerId, to, by) =>
      transaction(async (tx) => {
        const { providers, riskSources } = tx.stores
        const provider = (await providers.findById(providerId)) ?? notFound(providerId)
        const from = (await riskSources.list()).find(({ id }) => id === providerId)?.action
        if (from === undefined || from === to) return to
        await riskSources.setAction(providerId, to)
        await rejoinSource(world, tx, { source: providerId, by })
        await tx.journal.providerActionChanged({ provider, from, to, by })
        return to
      }),
  }
}

/** Reads `{"action": …}`. @throws HubError `request.invalid` */
export function readAction(body: JsonValue | undefined): RiskAction {
  const given = isJsonObject(body) ? body['action'] : undefined
  const action = riskActions.find((known) => known === given)
  if (action !== undefined) return action
  const message = `The field must be one of ${riskActions.join(', ')}`
  throw invalidFields('request.invalid', [{ field: 'action', message }])
}

function notFound(id: string): never {
  throw new HubError('provider.not_found', {
    detail: `There is no provider with the id ${id.slice(0, 50)}.`,
    facts: { id, type: 'SecurityEventsProvider' },
  })
}
