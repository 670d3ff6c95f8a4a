import { HubError } from '../base/hub-error.ts'
import { inSentence, type Logger } from '@watchbell/receiver/base'
import { sha256 } from '../base/sha256.ts'
import type { World } from '../base/world.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import type { Provider } from '../providers/provider.ts'
import {
  complexMembers,
  isProprietary,
  type SimpleSubject,
  type SubjectIdentifier,
} from '@watchbell/receiver/set'
import { transmitterActor, type StreamTransaction } from './stream-journal.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { StreamChanges, StreamStore } from './stream-store.ts'
import { isConnected, type Stream } from './stream.ts'

/** A SET of a provider with a stream. */
export interface StreamSet {
  readonly provider: Pick<Provider, 'id' | 'name' | 'issuer'>
  readonly jti: string
  readonly events: readonly SecurityEvent[]
}

/** The streams' part in accepting SETs. */
export interface StreamGate {
  /** The stream, if it was connected under the provider's present issuer. From memory. */
  ofProvider(provider: Pick<Provider, 'id' | 'issuer'>): Stream | undefined
  /**
   * Checks what a SET says about the stream itself, before it is stored (SSF 1.0 §3.6, §8.1.4.1, §8.1.5; SSF-C4, SSF-C5).
   * @throws HubError `set.state_invalid`, `set.subject_invalid`, `stream.not_connected`
   */
  admit(stream: Stream, set: StreamSet): Promise<void>
  /**
   * Applies what a SET says about the stream, after it is stored. Of a repeated SET only a first verification counts, which
   * a crash may have kept from being stored: anyone can replay an old SET, and its change of status may be outdated.
   */
  accepted(stream: Stream, set: StreamSet, receipt: 'stored' | 'repeated'): Promise<void>
}

export interface StreamGateDeps {
  readonly world: Pick<World, 'now'>
  readonly logger: Logger
  readonly registry: StreamRegistry
  readonly store: Pick<StreamStore, 'useState'>
  readonly transaction: StreamTransaction
  /** Called when a stream should be checked now. */
  readonly onDoubt: (stream: Stream) => void
}

export function createStreamGate({
  world,
  logger,
  registry,
  store,
  transaction,
  onDoubt,
}: StreamGateDeps): StreamGate {
  async function applyStatus(
    known: Stream,
    provider: StreamSet['provider'],
    { status, reason }: { readonly status: 'enabled' | 'paused' | 'disabled'; readonly reason?: string },
  ): Promise<void> {
    const before = registry.find(known.id) ?? known
    const changes = { status, statusReason: reason, updatedAt: world.now() }
    const stream = { ...before, ...changes }
    await transaction(async ({ stores: { streams }, journal }) => {
      await streams.update(stream.id, changes)
      await journal.streamChanged({
        kind: 'status',
        provider,
        stream,
        before,
        by: transmitterActor(provider),
      })
    })
    registry.apply(stream.id, changes)
    const facts = { provider: provider.id, stream: stream.id, status, reason }
    if (status === 'enabled') logger.info(facts, 'a transmitter resumed its stream')
    else logger.warn(facts, 'a transmitter stopped its stream')
  }

  return {
    ofProvider({ id, issuer }) {
      const stream = registry.ofProvider(id)
      return stream?.issuer === issuer ? stream : undefined
    },
    async admit(stream, { jti, events }) {
      requireKnownMembers(stream, events)
      for (const event of events) {
        if (event.family !== 'ssf') continue
        requireStreamSubject(stream, event.subject)
        if (event.name !== 'verification') continue
        const { state } = event.claims
        const isUnreadable = event.leftOut?.some(({ claim }) => claim === 'state') === true
        if (state === undefined && !isUnreadable) continue // SSF 1.0 §8.1.4: unsolicited
        const hash = state && sha256(state)
        if (hash !== undefined && (await store.useState({ streamId: stream.id, hash, jti }))) continue
        throw new HubError('set.state_invalid', {
          detail:
            'The verification event has a state that we did not send, or that another SET has used already.',
        })
      }
    },
    async accepted(stream, { provider, events }, receipt) {
      if (registry.find(stream.id)?.issuer !== stream.issuer) return // the provider's issuer was changed meanwhile
      const isNew = receipt === 'stored'
      if (isNew) registry.noteEvent(stream.id, world.now())
      for (const event of events) {
        if (event.family !== 'ssf') continue
        if (event.name === 'verification') {
          const isProven = registry.find(stream.id)?.verifiedAt !== undefined
          if (isNew || !isProven) await registry.note(stream.id, proven(world.now()))
        } else if (isNew) await applyStatus(stream, provider, event.claims)
        else onDoubt(stream)
      }
    },
  }
}

/** A verification event resolves every error of asking for one. */
function proven(verifiedAt: Date): StreamChanges {
  return { verifiedAt, verificationError: undefined, verifyNotBefore: undefined }
}

/** Events about a stream must have the stream as their subject (SSF 1.0 §8.1.4.1, §8.1.5). */
function requireStreamSubject(stream: Stream, subject: SubjectIdentifier): void {
  if (!isConnected(stream)) throw new HubError('stream.not_connected', { retryAfterS: 5 })
  const { streamId } = stream.remote
  if (!isProprietary(subject) && subject.format === 'opaque' && subject.id === streamId) return
  throw new HubError('set.subject_invalid', {
    detail: `The sub_id of a verification or stream-updated event must be opaque, with the id of the stream (${inSentence(streamId, 200)}).`,
  })
}

/** The members of a complex subject that we understand; a transmitter may call others critical (SSF 1.0 §3.6). */
const understoodMembers: ReadonlySet<string> = new Set([
  'user',
  'device',
  'session',
  'application',
  'tenant',
  'org_unit',
  'group',
])
/** Those of them that an address cannot identify. */
const keptMembers: ReadonlySet<string> = new Set(['user', 'device', 'session'])

/** @throws HubError `set.subject_invalid` for a critical member that we cannot process (SSF 1.0 §3.6) */
function requireKnownMembers({ endpoints }: Stream, events: readonly SecurityEvent[]): void {
  const critical = new Set(endpoints?.criticalSubjectMembers)
  if (critical.size === 0) return
  for (const { subject } of events) {
    if (subject === undefined || isProprietary(subject) || subject.format !== 'complex') continue
    for (const [name, member] of complexMembers(subject)) {
      const problem = critical.has(name) ? memberProblem(name, member) : undefined
      if (problem === undefined) continue
      throw new HubError('set.subject_invalid', {
        detail: `The subject has the member ${inSentence(name, 64)}, which the transmitter calls critical, and ${problem} (SSF 1.0 §3.6).`,
      })
    }
  }
}

function memberProblem(name: string, member: SimpleSubject): string | undefined {
  if (!understoodMembers.has(name)) return 'we do not understand it'
  const identifiers = !isProprietary(member) && member.format === 'aliases' ? member.identifiers : [member]
  const foreign = identifiers.find(isProprietary)
  if (foreign !== undefined) return `its format ${inSentence(foreign.format, 64)} is none that we can read`
  return keptMembers.has(name) && identifiers.some(({ format }) => format === 'ip-addresses')
    ? `its format ip-addresses names no ${name}`
    : undefined
}
