import { HubError, type HubErrorCode } from './hub-error.ts'

/**
 * Tells of everything that others have already, together and in the order of `codes` (OKTA-X4); of those that come at once, the
 * store knows one.
 * @param codes - for each member that no two may share, what is said of it
 * @throws HubError the first of the codes that apply, with the others beside it
 */
export function requireUntaken<Thing extends { readonly id: string }>(
  wanted: Thing,
  all: readonly Thing[],
  codes: readonly (readonly [member: keyof Thing, code: HubErrorCode])[],
): void {
  const others = all.filter(({ id }) => id !== wanted.id)
  const [taken, ...also] = codes
    .filter(([member]) => others.some((other) => other[member] === wanted[member]))
    .map(([, code]) => code)
  if (taken !== undefined) throw new HubError(taken, { also })
}
