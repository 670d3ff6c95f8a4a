import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import { isJsonArray } from '@watchbell/receiver/base'
import { isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import { printable } from '@watchbell/receiver/base'
import type { Transact } from '../base/transaction.ts'
import type { Provider } from '../providers/provider.ts'
import { dialectNames, isDialect, oktasPathDialects, type Dialect } from '@watchbell/receiver/set'

/** How a provider may differ from SSF 1.0. */
export interface Compatibility {
  readonly dialects: readonly Dialect[]
  /** The required `aud` where there is no stream; our origin when empty. Google and Apple put their app's id there. */
  readonly audiences: readonly string[]
}

/** Stores dialects. Implemented in storage/, held to test/contract/stream-store.ts. */
export interface DialectStore {
  list(): Promise<readonly (Compatibility & { readonly providerId: string })[]>
  /** Replaces all dialects of the provider; undefined deletes them. */
  set(providerId: string, compatibility: Compatibility | undefined): Promise<void>
}

export interface DialectsChange {
  readonly provider: Provider
  readonly from: Compatibility
  readonly to: Compatibility
  readonly by: Actor
}

export interface DialectJournal {
  dialectsChanged(change: DialectsChange): Promise<void>
}

export interface ProviderDialectsDeps {
  readonly store: DialectStore
  readonly providers: { get(id: string): Promise<Provider> }
  readonly transaction: Transact<{ readonly dialects: DialectStore }, DialectJournal>
}

/** How each provider may differ from the standards. */
export interface ProviderDialects {
  /** The dialects switched on for it. From memory. */
  of(providerId: string): ReadonlySet<Dialect>
  /** Those, and the ones that every provider may use on Okta's path. From memory. */
  onOktasPath(providerId: string): ReadonlySet<Dialect>
  /** The required `aud` where there is no stream; undefined when it is our origin. From memory. */
  audiencesOf(providerId: string): readonly string[] | undefined
  get(providerId: string): Compatibility
  /** @throws HubError `provider.not_found` */
  set(providerId: string, to: Compatibility, by: Actor): Promise<void>
  forget(providerId: string): void
  /** Reads memory again from the store: at the start, and after a change by another node. */
  refresh(): Promise<void>
}

/** The memory of one provider. */
interface Known extends Compatibility {
  readonly spoken: ReadonlySet<Dialect>
  readonly onOktasPath: ReadonlySet<Dialect>
}

const none: ReadonlySet<Dialect> = new Set()
const usual: Compatibility = { dialects: [], audiences: [] }
const audiencesMax = 20
const audienceCharsMax = 1_000

export async function createProviderDialects(deps: ProviderDialectsDeps): Promise<ProviderDialects> {
  let known = new Map<string, Known>()
  const refresh = async (): Promise<void> => {
    const stored = await deps.store.list()
    known = new Map(stored.map(({ providerId, ...compatibility }) => [providerId, knownOf(compatibility)]))
  }

  const get = (providerId: string): Compatibility => {
    const { dialects, audiences } = known.get(providerId) ?? usual
    return { dialects, audiences }
  }
  await refresh()
  return {
    of: (providerId) => known.get(providerId)?.spoken ?? none,
    onOktasPath: (providerId) => known.get(providerId)?.onOktasPath ?? oktasPathDialects,
    audiencesOf(providerId) {
      const audiences = known.get(providerId)?.audiences
      return audiences === undefined || audiences.length === 0 ? undefined : audiences
    },
    get,
    async set(providerId, to, by) {
      const provider = await deps.providers.get(providerId)
      await deps.transaction(async ({ stores, journal }) => {
        await stores.dialects.set(providerId, to)
        await journal.dialectsChanged({ provider, from: get(providerId), to, by })
      })
      known.set(providerId, knownOf(to))
    },
    forget: (providerId) => void known.delete(providerId),
    refresh,
  }
}

function knownOf({ dialects, audiences }: Compatibility): Known {
  const spoken = new Set(dialects)
  return { dialects, audiences, spoken, onOktasPath: new Set([...dialects, ...oktasPathDialects]) }
}

/** Reads `{"dialects": ["apple"], "audiences": ["com.example.app"]}`. @throws HubError `provider.invalid` */
export function readCompatibility(body: JsonValue | undefined): Compatibility {
  const { dialects, audiences = [] } = isJsonObject(body) ? body : {}
  if (dialects === undefined || !isJsonArray(dialects)) {
    throw invalid('dialects', `must be a list of ${dialectNames.join(', ')}; an empty one switches all off`)
  }
  const unknown = dialects.find((name) => typeof name !== 'string' || !isDialect(name))
  if (unknown !== undefined) {
    throw invalid(
      'dialects',
      `${printable(JSON.stringify(unknown), 100)} is none of ${dialectNames.join(', ')}`,
    )
  }
  const isAudience = (value: JsonValue): value is string =>
    typeof value === 'string' && value !== '' && value.length <= audienceCharsMax
  if (!isJsonArray(audiences) || audiences.length > audiencesMax || !audiences.every(isAudience)) {
    throw invalid('audiences', `must be a list of at most ${audiencesMax} strings`)
  }
  return { dialects: dialectNames.filter((name) => dialects.includes(name)), audiences }
}

function invalid(field: string, message: string): HubError {
  return new HubError('provider.invalid', {
    detail: `${field}: ${message}`,
    problems: [{ field, message }],
  })
}
