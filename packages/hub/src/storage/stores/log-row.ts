import type { JsonObject } from '@watchbell/receiver/base'
import type { LogActor, LogEvent, LogTarget, LogTransaction } from '../../systemlog/log-event.ts'

/**
 * The row of an entry is a JSON array, half as long as the entry: it omits the type, which has its own column, members
 * with the values of nearly all entries, and repeated values. Every other value is in it as in the entry's own JSON.
 */
type PackedLogEvent = readonly [
  uuid: string,
  published: string,
  displayMessage: string,
  actor: PackedParty,
  target: readonly PackedParty[] | null,
  debugData: JsonObject,
  transaction: LogTransaction | typeof jobOfSignal | typeof jobOfItself,
  unusual?: Unusual,
]

/** A 0 means the same value as the member before, and as `detailEntry` it means null. */
type PackedParty = readonly [
  id: string,
  type: string,
  alternateId: string | 0,
  displayName: string | 0,
  detailEntry: object | 0,
  changeDetails?: LogTarget['changeDetails'],
]

/** The members that differ from {@link usual}. */
type Unusual = {
  -readonly [Member in 'client' | 'outcome' | 'severity' | 'legacyEventType' | 'request']?: LogEvent[Member]
}

/** A job whose id is the `signalId` of the debug data, or the entry's own id. */
const jobOfSignal = 0
const jobOfItself = 1

const usual = {
  client: null,
  outcome: { result: 'SUCCESS', reason: null },
  severity: 'INFO',
  legacyEventType: null,
  request: { ipChain: [] },
} as const satisfies Required<Unusual>

/** Values of entries that their rows may omit. */
const unwritten = ['SUCCESS', 'INFO', 'JOB', '0'].map((value) => value.toLowerCase())

/** Whether the row (packed entry or type) of every entry with this text in a value contains it, in any letter case. */
export function standsInRow(text: string): boolean {
  const looked = text.toLowerCase()
  return !unwritten.some((value) => value.includes(looked))
}

export function packLogEvent(event: LogEvent): string {
  const packed: PackedLogEvent = [
    event.uuid,
    event.published,
    event.displayMessage,
    packParty(event.actor),
    event.target?.map(packParty) ?? null,
    event.debugContext.debugData,
    packTransaction(event),
  ]
  const unusual = unusualOf(event)
  return JSON.stringify(unusual === undefined ? packed : [...packed, unusual])
}

/** @param text - by {@link packLogEvent}, or the plain JSON of an entry after an erasure */
export function unpackLogEvent(text: string, eventType: string): LogEvent {
  const read = JSON.parse(text) as PackedLogEvent | LogEvent
  if (!('length' in read)) return read
  const [uuid, published, displayMessage, actor, target, debugData, transaction, unusual] = read
  const { client, outcome, severity, legacyEventType, request } = { ...usual, ...unusual }
  const { signalId } = debugData
  return {
    actor: unpackParty(actor),
    client,
    device: null,
    authenticationContext: null,
    displayMessage,
    eventType,
    outcome,
    published,
    securityContext: null,
    severity,
    debugContext: { debugData },
    legacyEventType,
    transaction:
      typeof transaction === 'object'
        ? transaction
        : {
            type: 'JOB',
            id: transaction === jobOfSignal && typeof signalId === 'string' ? signalId : uuid,
            detail: null,
          },
    uuid,
    version: '0',
    request,
    target: target?.map(unpackParty) ?? null,
  }
}

function packParty({
  id,
  type,
  alternateId,
  displayName,
  detailEntry,
  changeDetails,
}: LogTarget): PackedParty {
  const party = [
    id,
    type,
    alternateId === id ? 0 : alternateId,
    displayName === alternateId ? 0 : displayName,
    detailEntry ?? 0,
  ] as const
  return changeDetails === undefined ? party : [...party, changeDetails]
}

function unpackParty([id, type, otherId, name, detailEntry, changeDetails]: PackedParty): LogActor &
  LogTarget {
  const alternateId = otherId === 0 ? id : otherId
  const displayName = name === 0 ? alternateId : name
  const party = { id, type, alternateId, displayName, detailEntry: detailEntry === 0 ? null : detailEntry }
  return changeDetails === undefined ? party : { ...party, changeDetails }
}

function packTransaction({ transaction, uuid, debugContext }: LogEvent): PackedLogEvent[6] {
  const { type, id, detail } = transaction
  if (type === 'JOB' && detail === null) {
    if (id === debugContext.debugData['signalId']) return jobOfSignal
    if (id === uuid) return jobOfItself
  }
  return transaction
}

function unusualOf({ client, outcome, severity, legacyEventType, request }: LogEvent): Unusual | undefined {
  const unusual: Unusual = {}
  if (client !== null) unusual.client = client
  if (outcome.result !== usual.outcome.result || outcome.reason !== null) unusual.outcome = outcome
  if (severity !== usual.severity) unusual.severity = severity
  if (legacyEventType !== null) unusual.legacyEventType = legacyEventType
  if (request.ipChain.length > 0) unusual.request = request
  return Object.keys(unusual).length === 0 ? undefined : unusual
}
