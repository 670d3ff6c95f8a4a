import type { Identifier } from '../subjects/identifier.ts'
import { adminSource, claimKey, standingOf, type Claim } from '../subjects/claim.ts'
import type { NamedThing, Statement } from './statement.ts'

/** The claims of a statement. Several addresses are no claim: each address is its own thing. */
export function claimsOf(statement: Statement): readonly Claim[] {
  const { source, id, occurredAt, claimedAt, things, issuer, loadedAs, endings } = statement
  // The event that ends an identifier claims it until then.
  const said = {
    at: (claimedAt ?? occurredAt).getTime() - Math.min(endings.length, 1),
    // Claims that are dated to the registration of their source keep their order.
    id: claimedAt === undefined || claimedAt <= occurredAt ? id : `${occurredAt.toISOString()} ${id}`,
  }
  const by = source.kind === 'admin' ? adminSource : source.id
  return things.flatMap(({ kind, identifiers }): Claim[] => {
    if (identifiers.length < 2 || kind === 'address') return []
    const standing = loadedAs !== undefined ? 0 : standingOf(issuer, identifiers)
    return [
      {
        key: claimKey(by, identifiers, loadedAs),
        source: by,
        identifiers,
        standing,
        first: said,
        last: said,
      },
    ]
  })
}

/** All identifiers of the thing that has this one. */
export function namesOf(things: readonly NamedThing[], identifier: Identifier): readonly Identifier[] {
  const thing = things.find(({ kind, identifiers }) => kind !== 'address' && identifiers.includes(identifier))
  return thing?.identifiers ?? [identifier]
}

type Members = Readonly<Record<'user' | 'device' | 'session', Identifier | undefined>>
/** Combinations of identifiers that are stored of one revocation. */
export const revokedWaysMax = 256

/**
 * Every combination of identifiers that names the members of a revocation. Above the maximum, the user and then the
 * device are left out: the revocation then matches more sessions, never fewer.
 */
export function waysToName(things: readonly NamedThing[], members: Members): readonly Members[] {
  const names = (identifier: Identifier | undefined): readonly (Identifier | undefined)[] =>
    identifier === undefined ? [undefined] : namesOf(things, identifier)
  let users = names(members.user)
  let devices = names(members.device)
  const sessions = names(members.session)
  const isTooMany = (): boolean => users.length * devices.length * sessions.length > revokedWaysMax
  if (isTooMany() && (members.session ?? members.device) !== undefined) users = [undefined]
  if (isTooMany() && members.session !== undefined) devices = [undefined]
  return users.flatMap((user) =>
    devices.flatMap((device) => sessions.map((session) => ({ user, device, session }))),
  )
}
