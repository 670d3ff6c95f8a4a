import { HubError, type HubErrorCode } from './hub-error.ts'

/**
 * Reports all values that other things already have, together and in the order of `codes` (OKTA-X4); for concurrent
 * writes, the store reports one.
 * @param codes - the error code of each unique member
 * @throws HubError the first of the codes that apply, with the others in `also`
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
