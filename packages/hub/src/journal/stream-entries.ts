import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import { inSentence } from '@watchbell/receiver/base'
import type { StreamChange } from '../streams/stream-journal.ts'
import type { Stream } from '../streams/stream.ts'
import { logEvent, type LogEvent, type LogTarget } from '../systemlog/log-event.ts'
import { providerTarget, requestData, type JournalWorld } from './entry-parts.ts'

const titles: Readonly<Record<StreamChange['kind'], string>> = {
  create: 'Connect a stream',
  update: 'Update a stream',
  delete: 'Delete a stream',
  status: 'Stream status changed',
  verify: 'Ask for verification of a stream',
  repair: 'Repair a stream that had drifted',
  rotate: 'Rotate the push authorization of a stream',
}

/** A change of our stream at a transmitter. Okta does not receive by streams, so these event types are ours. */
export function streamEntry(
  world: JournalWorld,
  { kind, provider, stream, before, by }: StreamChange,
): LogEvent {
  const detailEntry = details(stream)
  const stopped = kind === 'status' && stream.status !== 'enabled' && !isAdministrator(by)
  const target: LogTarget = {
    id: stream.id,
    type: 'Stream',
    alternateId: stream.remote?.streamId ?? stream.id,
    displayName: provider.name,
    detailEntry,
    ...(before !== undefined &&
      kind !== 'delete' && { changeDetails: { from: details(before), to: detailEntry } }),
  }
  return logEvent(world, {
    eventType: `watchbell.stream.${kind}`,
    displayMessage: titles[kind],
    by,
    target: [target, providerTarget(provider)],
    debugData: requestData(by),
    // OKTA-L42: a repaired or paused stream is WARN, a stream that no longer delivers ERROR.
    ...(kind === 'repair' && { severity: 'WARN' as const }),
    ...(stopped && {
      severity: stream.status === 'disabled' ? ('ERROR' as const) : ('WARN' as const),
      outcome: {
        result: 'FAILURE' as const,
        reason:
          stream.statusReason === undefined
            ? `The stream is ${stream.status ?? 'unknown'}`
            : inSentence(stream.statusReason, 1_000),
      },
    }),
  })
}

/** An administrator who stops a stream wanted to: no failure. */
function isAdministrator({ type }: Actor): boolean {
  return type !== 'SecurityEventProvider' && type !== 'SystemPrincipal'
}

/** Without secrets, and without members that change with every event. */
function details({ settings, remote, status, statusReason }: Stream): JsonObject {
  return {
    delivery: settings.delivery,
    authMethod: settings.auth.method,
    subjects: settings.subjects,
    eventsRequested: settings.eventsRequested ?? null,
    description: settings.description ?? null,
    streamId: remote?.streamId ?? null,
    audience: remote?.aud ?? null,
    status: status ?? null,
    statusReason: statusReason ?? null,
  }
}
