import { printable } from '@watchbell/receiver/base'
import { CliError } from './cli-io.ts'

/** How a command finds one thing by a name. */
export interface Lookup<T> {
  /** The noun for messages, such as `provider`. */
  readonly noun: string
  /** The command that lists all of them. */
  readonly listCommand: string
  /** The words for the kinds of name that are compared, such as `id, name or issuer`. */
  readonly by: string
  /** Every name that a thing is found by; the first is its id. URLs match with and without a slash at their end. */
  namesOf(thing: T): readonly (string | undefined)[]
  /** One candidate for people, where several match. */
  describe(thing: T): string
}

const nameCharsMax = 200

/** All things that have this name: those that have it exactly, else those that have it as a URL written differently. */
export function findAll<T>(all: readonly T[], wanted: string, { namesOf }: Lookup<T>): readonly T[] {
  const exact = all.filter((thing) => namesOf(thing).includes(wanted))
  const url = sameUrl(wanted)
  if (exact.length > 0 || url === undefined) return exact
  return all.filter((thing) => namesOf(thing).some((name) => name !== undefined && sameUrl(name) === url))
}

/** @throws CliError when nothing has this name, or several things have it */
export function findOne<T>(all: readonly T[], wanted: string, lookup: Lookup<T>): T {
  const { noun, by, listCommand, describe } = lookup
  const found = findAll(all, wanted, lookup)
  const [only, ...more] = found
  const shown = printable(wanted, nameCharsMax)
  if (only === undefined) {
    throw new CliError(`There is no ${noun} with the ${by} '${shown}'; \`${listCommand}\` shows them all.`)
  }
  if (more.length === 0) return only
  const candidates = found.map((thing) => `\n  ${printable(describe(thing), 2 * nameCharsMax)}`).join('')
  throw new CliError(
    `'${shown}' may mean ${found.length} ${noun}s; take a name that only one of them has:${candidates}`,
  )
}

/** The normal form of an http(s) URL; undefined for other texts. */
function sameUrl(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  return url.href.replace(/\/$/, '')
}
