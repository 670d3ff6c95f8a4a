import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { Provider } from '../providers/provider.ts'
import type { LogTarget } from '../systemlog/log-event.ts'

/** The time and the id of an entry. */
export type JournalWorld = Pick<World, 'now' | 'newUuid'>

export const providerType = 'SecurityEventProvider'

export const changeTitles = {
  create: 'Create',
  update: 'Update',
  delete: 'Delete',
  activate: 'Activate',
  deactivate: 'Deactivate',
  revoke: 'Revoke',
} as const

/** Okta's target type for each member of a complex subject. */
export const targetTypes: ReadonlyMap<string, string> = new Map([
  ['user', 'User'],
  ['device', 'Device'],
  ['session', 'Session'],
  ['address', 'IpAddress'],
  ['application', 'AppInstance'],
  ['tenant', 'Org'],
  ['org_unit', 'OrgUnit'],
  ['group', 'UserGroup'],
])

export function providerTarget({ id, name, issuer }: Pick<Provider, 'id' | 'name' | 'issuer'>): LogTarget {
  return { id, type: providerType, alternateId: name, displayName: issuer, detailEntry: null }
}

export function requestData({ requestId }: Actor): JsonObject {
  return requestId === undefined ? {} : { requestId }
}
