import type { AccessJournal } from '../access/access-journal.ts'
import type { Actor } from '../base/actor.ts'
import type { Transact } from '../base/transaction.ts'
import type { ProviderJournal } from '../providers/providers.ts'
import type { PeopleJournal } from '../risk/people.ts'
import type { ProviderActionJournal } from '../risk/provider-actions.ts'
import type { RiskEventJournal } from '../risk/risk-events.ts'
import type { RiskProviderJournal } from '../risk/risk-providers.ts'
import type { Storage, Stores } from '../stores.ts'
import type { DialectJournal } from '../streams/provider-dialects.ts'
import type { StreamJournal } from '../streams/stream-journal.ts'
import type { Subject } from '../subjects/subject-store.ts'
import type { LogEvent } from '../systemlog/log-event.ts'
import type { SystemLogStore } from '../systemlog/system-log-store.ts'
import { serviceAppEntry, tokenEntry } from './access-entries.ts'
import type { JournalWorld } from './entry-parts.ts'
import { dialectsEntry, providerActionEntry, providerEntry, providerTrustEntry } from './provider-entries.ts'
import { dismissalEntry, riskEntry, subjectEntry } from './risk-entries.ts'
import { riskProviderEntry, riskSignalEntry } from './risk-provider-entries.ts'
import { handledEventEntries, type HandledEvent } from './signal-entries.ts'
import { streamEntry } from './stream-entries.ts'

/** Every change that becomes an entry of the System Log. Each room declares its own changes. */
export interface Journal
  extends
    AccessJournal,
    ProviderJournal,
    StreamJournal,
    DialectJournal,
    RiskProviderJournal,
    RiskEventJournal,
    ProviderActionJournal,
    PeopleJournal {
  subjectErased(subject: Subject, erasureId: string, by: Actor): Promise<void>
  eventsHandled(events: readonly HandledEvent[]): Promise<void>
}

/** The journal of one transaction: it writes its entries in the same commit. */
export function createJournal(world: JournalWorld, systemLog: Pick<SystemLogStore, 'append'>): Journal {
  const append = async (entries: readonly LogEvent[]): Promise<void> => {
    if (entries.length > 0) await systemLog.append(entries)
  }
  return {
    tokenChanged: (change) => append([tokenEntry(world, change)]),
    serviceAppChanged: (change) => append([serviceAppEntry(world, change)]),
    providerChanged: (change) => append([providerEntry(world, change)]),
    streamChanged: (change) => append([streamEntry(world, change)]),
    dialectsChanged: (change) => append([dialectsEntry(world, change)]),
    riskProviderChanged: (change) => append([riskProviderEntry(world, change)]),
    riskEventsConsumed: (consumed) =>
      append(
        consumed.flatMap(({ events, ...from }) =>
          events.map((event) => riskSignalEntry(world, { ...from, event })),
        ),
      ),
    providerActionChanged: (change) => append([providerActionEntry(world, change)]),
    providerTrustChanged: (change) => append([providerTrustEntry(world, change)]),
    levelsChanged: (changes, cause) => append(changes.map((change) => riskEntry(world, change, cause))),
    userLoaded: (subject, by) => append([subjectEntry(world, { kind: 'load', subject, by })]),
    reasonDismissed: (change) => append([dismissalEntry(world, change)]),
    subjectErased: (subject, erasureId, by) =>
      append([subjectEntry(world, { kind: 'erase', subject, erasureId, by })]),
    eventsHandled: (events) => append(events.flatMap((event) => handledEventEntries(world, event))),
  }
}

/** A storage whose transactions carry the journal. */
export type Journaled<S> = Omit<S, 'transaction'> & { readonly transaction: Transact<Stores, Journal> }

export function journaled<S extends Pick<Storage, 'transaction'>>(
  storage: S,
  world: JournalWorld,
): Journaled<S> {
  return {
    ...storage,
    transaction: (work) =>
      storage.transaction((stores) => work({ stores, journal: createJournal(world, stores.systemLog) })),
  }
}
