import type { JsonObject } from '../base/json.ts'
import { scimEventPrefix } from '../set/dialect.ts'
import type { EventFamily } from './event-family.ts'
import { families } from './read-events.ts'
import { scimEvents } from './scim.ts'
import type { EventFamilyName } from './security-event.ts'

/** A known event type, as documentation shows it. */
export interface CatalogueEntry {
  /** The event type URI. */
  readonly type: string
  readonly family: EventFamilyName
  readonly name: string
  readonly title: string
  /** A valid event of this type, without its subject. */
  readonly example: JsonObject
  /** The type that replaces this one. */
  readonly aliasOf: string | undefined
}

/** Every known event type (SSF 1.0, CAEP 1.0, RISC 1.0, Okta OKTA-E60–OKTA-E65, SCIM). */
export const eventCatalogue: readonly CatalogueEntry[] = [
  ...families.flatMap((family) => entriesOf(family.family, family)),
  ...Object.entries(scimEvents).map(([name, title]) => ({
    type: scimEventPrefix + name,
    family: 'scim' as const,
    name,
    title,
    example: {},
    aliasOf: undefined,
  })),
]

function entriesOf(family: EventFamilyName, { prefix, types }: EventFamily): CatalogueEntry[] {
  return Object.entries(types).map(([name, { title, example, aliasOf }]) => ({
    type: prefix + name,
    family,
    name,
    title,
    example,
    aliasOf,
  }))
}
