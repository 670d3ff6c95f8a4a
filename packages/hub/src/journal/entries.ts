import type { ServiceAppChange, TokenChange } from '../access/access-journal.ts'
import type { Actor } from '../base/actor.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import type { Provider } from '../providers/provider.ts'
import type { ProviderChange } from '../providers/providers.ts'
import {
  complexMembers,
  isProprietary,
  subjectTerms,
  type PlainSubject,
  type SimpleSubject,
  type SubjectIdentifier,
} from '@watchbell/receiver/set'
import type { PendingSignal } from '../signals/signal.ts'
import {
  logEvent,
  noAlternateId,
  serviceAppType,
  type LogEvent,
  type LogTarget,
} from '../systemlog/log-event.ts'

type Source = Pick<World, 'now' | 'newUuid'>

const providerType = 'SecurityEventProvider'

const changed = {
  create: 'Create',
  update: 'Update',
  delete: 'Delete',
  activate: 'Activate',
  deactivate: 'Deactivate',
  revoke: 'Revoke',
} as const

/** A provider was created, changed, deleted, activated or deactivated (OKTA-L60). */
export function providerEntry(world: Source, { kind, provider, before, by }: ProviderChange): LogEvent {
  const detailEntry = providerDetails(provider)
  const target: LogTarget = {
    id: provider.id,
    type: providerType,
    alternateId: provider.name,
    displayName: provider.issuer,
    detailEntry,
    ...(kind === 'update' && before && { changeDetails: difference(providerDetails(before), detailEntry) }),
  }
  return logEvent(world, {
    eventType: `security.events.provider.${kind}`,
    displayMessage: `${changed[kind]} a security events provider`,
    by,
    target: [target],
    debugData: requestData(by),
  })
}

function providerDetails({ issuer, jwksUrl, wellKnownUrl, type, name }: Provider): JsonObject {
  return { issuer, jwksUrl, wellKnownUrl: wellKnownUrl ?? null, providerType: type, providerName: name }
}

/** The members whose values differ, as they were and as they are. */
function difference(before: JsonObject, after: JsonObject): { from: JsonObject; to: JsonObject } {
  const names = Object.keys(after).filter((name) => before[name] !== after[name])
  const only = (from: JsonObject): JsonObject =>
    Object.fromEntries(names.map((name) => [name, from[name] ?? null]))
  return { from: only(before), to: only(after) }
}

/** What an event of a stream says of itself, which is about nobody's risk. */
const streamMessages: Readonly<Record<'verification' | 'stream-updated', string>> = {
  verification: 'Security events provider verified a stream',
  'stream-updated': 'Security events provider updated a stream',
}

/**
 * One event of a handled SET (OKTA-L61, OKTA-E90). `debugData` ties it to its SET and to the signals API.
 * @param kind - what the event's simple subject names, as far as that was worked out
 */
export function receiveEventEntry(
  world: Source,
  signal: PendingSignal,
  event: SecurityEvent,
  kind?: string,
): LogEvent {
  const { issuer } = signal.provider
  return logEvent(world, {
    eventType: 'security.events.provider.receive_event',
    displayMessage:
      event.family === 'ssf' ? streamMessages[event.name] : 'Security events provider reported risk',
    by: providerActor(signal.provider),
    target: event.subject === undefined ? null : targetsOf(event.subject, event, kind),
    debugData: {
      partnerRiskReportData: JSON.stringify({
        issuer,
        [event.type]: { subject: event.subject, ...event.claims },
      }),
      jti: signal.jti,
      signalId: signal.id,
      providerId: signal.provider.id,
    },
    job: signal.id,
  })
}

/** A user that somebody loaded, as the user is known now. */
export interface LoadedTarget {
  readonly id: string
  readonly login: string
  readonly displayName: string | undefined
}

/**
 * The entry of an event about a loaded user, with the names that the user has here. The sender's name for the user goes
 * into the debug data.
 */
export function aboutLoadedUser(entry: LogEvent, { id, login, displayName }: LoadedTarget): LogEvent {
  const user = entry.target?.find(({ type }) => type === 'User')
  if (user === undefined) return entry
  return {
    ...entry,
    target: (entry.target ?? []).map((target) =>
      target === user ? { ...user, id, alternateId: login, displayName: displayName ?? login } : target,
    ),
    debugContext: { debugData: { ...entry.debugContext.debugData, reportedUser: user.id } },
  }
}

/** A provider as somebody who said something. */
export function providerActor({ id, issuer }: PendingSignal['provider']): Actor {
  return { id, type: providerType, displayName: issuer, alternateId: issuer }
}

function targetsOf(
  subject: SubjectIdentifier,
  event: SecurityEvent,
  kind: string | undefined,
): readonly LogTarget[] {
  if (!isProprietary(subject) && subject.format === 'complex') {
    return complexMembers(subject).map(([name, member]) => targetOf(member, targetTypes.get(name) ?? name))
  }
  return [targetOf(subject, typeOfSimple(subject, event, kind))]
}

function typeOfSimple({ format }: SimpleSubject, event: SecurityEvent, kind: string | undefined): string {
  if (event.family === 'ssf') return 'Stream'
  const byFormat = typesByFormat.get(format)
  if (byFormat !== undefined) return byFormat
  if (kind !== undefined) return targetTypes.get(kind) ?? kind
  return event.name.startsWith('device-') && format === 'opaque' ? 'Device' : 'User'
}

/** Okta's names of the members of a complex subject. */
const targetTypes: ReadonlyMap<string, string> = new Map([
  ['user', 'User'],
  ['device', 'Device'],
  ['session', 'Session'],
  ['address', 'IpAddress'],
  ['application', 'AppInstance'],
  ['tenant', 'Org'],
  ['org_unit', 'OrgUnit'],
  ['group', 'UserGroup'],
])

/** Formats that never identify a user. */
const typesByFormat: ReadonlyMap<string, string> = new Map([
  ['ip-addresses', 'IpAddress'],
  ['jwt_id', 'Token'],
  ['saml_assertion_id', 'Token'],
])

/** The identifiers as they came stand in `detailEntry`; an address, where there is one, is also the `alternateId`. */
function targetOf(subject: SimpleSubject, type: string): LogTarget {
  const identifiers: readonly PlainSubject[] =
    isProprietary(subject) || subject.format !== 'aliases' ? [subject] : subject.identifiers
  const [first] = identifiers
  const address = identifiers.find(({ format }) => format === 'email') ?? first
  const id = nameOf(first)
  const alternateId = address === first ? id : nameOf(address)
  return { id, type, alternateId, displayName: alternateId, detailEntry: subject }
}

function nameOf(identifier: PlainSubject | undefined): string {
  return (identifier && subjectTerms(identifier)[0]) ?? noAlternateId
}

/** Okta's event types for its API tokens. */
export function tokenEntry(world: Source, { kind, token, by }: TokenChange): LogEvent {
  return logEvent(world, {
    eventType: `system.api_token.${kind}`,
    displayMessage: `${changed[kind]} API token`,
    by,
    target: [
      {
        id: token.id,
        type: 'Token',
        alternateId: noAlternateId,
        displayName: token.name,
        detailEntry: {
          role: token.role,
          ...(token.expiresAt !== undefined && { expiresAt: token.expiresAt.toISOString() }),
        },
      },
    ],
    debugData: requestData(by),
    legacyEventType: `api.token.${kind}`,
  })
}

/** Okta's event types for OAuth clients. */
export function serviceAppEntry(world: Source, { kind, app, by }: ServiceAppChange): LogEvent {
  const eventType = `app.oauth2.client.lifecycle.${kind}`
  return logEvent(world, {
    eventType,
    displayMessage: `${changed[kind]} OAuth client`,
    by,
    target: [
      {
        id: app.clientId,
        type: serviceAppType,
        alternateId: app.clientId,
        displayName: app.name,
        detailEntry: { scopes: app.scopes.join(' '), dpopBound: app.dpopBound },
      },
    ],
    debugData: requestData(by),
    legacyEventType: eventType,
  })
}

function requestData({ requestId }: Actor): JsonObject {
  return requestId === undefined ? {} : { requestId }
}
