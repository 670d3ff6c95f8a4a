/** SCIM's events (RFC 9967): known by name, kept as received; accepted from providers with the dialect `scim`. */
export const scimEvents = {
  'feed:add': 'A resource was added to the feed',
  'feed:remove': 'A resource was removed from the feed',
  'prov:create:notice': 'A resource was created (notice)',
  'prov:create:full': 'A resource was created (with its data)',
  'prov:patch:notice': 'A resource was patched (notice)',
  'prov:patch:full': 'A resource was patched (with its data)',
  'prov:put:notice': 'A resource was replaced (notice)',
  'prov:put:full': 'A resource was replaced (with its data)',
  'prov:delete': 'A resource was deleted',
  'prov:activate': 'A resource was activated',
  'prov:deactivate': 'A resource was deactivated',
  'misc:asyncresp': 'An asynchronous request was completed',
} as const

export type ScimEventName = keyof typeof scimEvents

export function isScimEventName(name: string): name is ScimEventName {
  return Object.hasOwn(scimEvents, name)
}
