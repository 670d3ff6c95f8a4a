import type { World } from '../base/world.ts'
import { kindOf, valueOf, type Identifier } from './identifier.ts'

/** Okta's prefix for users. */
const prefixes = { user: '00u', device: 'dev', session: 'ses' } as const

/** A new id for an identifier, and for the entity that it is until it is joined; an address is its own. */
export function newSubjectId(world: Pick<World, 'newId'>, identifier: Identifier): string {
  const kind = kindOf(identifier)
  if (kind === 'address') return valueOf(identifier)
  return world.newId(kind === 'user' || kind === 'device' || kind === 'session' ? prefixes[kind] : 'ent')
}
