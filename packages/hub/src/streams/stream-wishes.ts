import type { Dialect } from '@watchbell/receiver/set'
import { eventCatalogue, ssf } from '@watchbell/receiver/events'
import type { StreamConfiguration, WantedStream, StreamRequestChanges } from './transmitter-client.ts'
import { deliveryMethodUrns, type Stream } from './stream.ts'

/** The event types to request where none were chosen: all that we understand except SSF's own (SSF 1.0 §8.1.1). */
export function understoodEvents(dialects: ReadonlySet<Dialect>): readonly string[] {
  return eventCatalogue
    .filter(({ family }) => family !== 'ssf' && (family !== 'scim' || dialects.has('scim')))
    .map(({ type }) => type)
}

/** Types that the framework sends without a request, under their names in SSF 1.0, its drafts, and RISC (SSF 1.0 §8.1.4, §8.1.5). */
export function isFrameworkEvent(type: string): boolean {
  return frameworkPrefixes.some((prefix) => type.startsWith(prefix)) || type === riscVerification
}

const frameworkPrefixes = [ssf.prefix, 'https://schemas.openid.net/secevent/sse/event-type/']
const riscVerification = 'https://schemas.openid.net/secevent/risc/event-type/verification'

export interface Wishes {
  readonly stream: Stream
  /** `https://hub.example/ssf/streams/str…/events` */
  readonly pushUrl: string
  /** The whole Authorization value. */
  readonly pushAuthorization: string
  readonly dialects: ReadonlySet<Dialect>
}

/** The receiver's members of a stream. */
export function wishedStream({ stream, pushUrl, pushAuthorization, dialects }: Wishes): WantedStream {
  const { delivery, eventsRequested, description } = stream.settings
  const method = deliveryMethodUrns[delivery]
  return {
    delivery:
      delivery === 'push'
        ? { method, endpoint_url: pushUrl, authorization_header: pushAuthorization } // SSF 1.0 §6.1.1
        : { method },
    events_requested: eventsRequested ?? understoodEvents(dialects),
    ...(description !== undefined && { description }),
  }
}

/**
 * Members of the transmitter's stream that differ from our wishes, as the body of a PATCH; undefined when none do.
 * A wanted event type that the transmitter does not show counts as missing only when it claims to support that type: many
 * omit types that they do not know (SSF 1.0 §8.1.1). The framework's own types are ignored: some transmitters add them.
 */
export function drift(found: StreamConfiguration, wished: WantedStream): Partial<WantedStream> | undefined {
  const { delivery, events_requested: events, description } = wished
  const moved = 'endpoint_url' in delivery && found.endpointUrl !== delivery.endpoint_url
  const shown = found.eventsRequested?.filter((type) => !isFrameworkEvent(type))
  const otherEvents =
    shown !== undefined &&
    (shown.some((type) => !events.includes(type)) ||
      events.some((type) => !shown.includes(type) && found.eventsSupported?.includes(type) === true))
  const otherDescription =
    description !== undefined && found.description !== undefined && found.description !== description
  const changes: Partial<WantedStream> = {
    ...((found.method !== delivery.method || moved) && { delivery }),
    ...(otherEvents && { events_requested: events }),
    ...(otherDescription && { description }),
  }
  return Object.keys(changes).length === 0 ? undefined : changes
}

/** The members to change from one wish to the other; undefined for a removed member. */
export function changedWishes(before: WantedStream, after: WantedStream): StreamRequestChanges {
  const names = Object.keys({ ...before, ...after }) as readonly (keyof WantedStream)[] // their own keys
  const changed = names.filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]))
  return Object.fromEntries(changed.map((name) => [name, after[name]]))
}
