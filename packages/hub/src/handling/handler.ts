import { setImmediate } from 'node:timers/promises'
import { isHubError } from '../base/hub-error.ts'
import type { Logger } from '@watchbell/receiver/base'
import type { HandlerMeter } from '../base/meter.ts'
import { isStorageFault } from '../base/storage-error.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { Journaled } from '../journal/journal.ts'
import {
  aboutLoadedUser,
  receiveEventEntry,
  type HandledEvent,
  type LoadedTarget,
} from '../journal/signal-entries.ts'
import type { PendingSignal } from '../signals/signal.ts'
import { statementOfEvent, type EventStatement } from '../risk/event-statement.ts'
import { applyStatements } from '../risk/apply-statements.ts'
import type { StatementOutcome } from '../risk/plan.ts'
import type { RiskRules } from '../risk/risk-rules.ts'
import { wordJudge } from '../risk/risk-sources.ts'
import { mainIdentifier, type Identifier } from '../subjects/identifier.ts'
import { termsOf } from '../signals/signal-terms.ts'
import type { HandledBatch } from '../signals/signal-store.ts'
import type { Storage, Stores } from '../stores.ts'
import type { LogEvent } from '../systemlog/log-event.ts'

export interface BatchDeps {
  readonly storage: Journaled<Pick<Storage, 'stores' | 'transaction' | 'alone'>>
  readonly world: Pick<World, 'now' | 'newUuid' | 'newId'>
  readonly logger: Logger
  readonly rules: RiskRules
  /** The issuer of our own users' ids. */
  readonly origin: string
  /** Whether events about users that were not loaded are ignored, as at Okta (OKTA-E79). */
  readonly ignoreUnknownUsers: boolean
  readonly meter?: HandlerMeter | undefined
}

export interface HandlerDeps extends BatchDeps {
  readonly pace: HandlerPace
}

/** A readable signal and what each of its events means for risk. */
interface ReadSignal {
  readonly signal: PendingSignal
  readonly terms: readonly string[]
  readonly events: readonly EventStatement[]
  /** One entry for each event. */
  readonly received: readonly LogEvent[]
}

/** Batch size and frequency under load. A SET that arrives alone is handled at once. */
export interface HandlerPace {
  /** Per transaction. */
  readonly signalsMax: number
  /** Minimum time between the starts of two rounds, in milliseconds: large batches cost less for each signal. */
  readonly gatherMs: number
}

/** SQLite: the handler shares a thread with intake, so intake waits for one batch at most. */
export const paceBesideData: HandlerPace = { signalsMax: 128, gatherMs: 10 }
/** PostgreSQL: a round costs network round trips, and intake does not wait for it. */
export const paceOverConnections: HandlerPace = { signalsMax: 512, gatherMs: 30 }

/** A signal is set aside after its transaction failed this often. */
const attemptsMax = 5

/** Handles accepted SETs in order, each exactly once. */
export function createHandler(deps: HandlerDeps): Worker {
  let stuck = { sequence: -1, attempts: 0 }

  const alone = deps.storage.alone ?? ((_task, work) => work())
  /** While another node handles, 1 means that signals wait: the worker looks again soon. */
  const runOnce = async (): Promise<number> =>
    (await alone('handling', handleSome)) ?? (await deps.storage.stores.signals.claimOldest(1)).length

  /** When a batch does not commit, tries the oldest signal alone, and sets that one aside when it is the cause. */
  async function handleSome(): Promise<number> {
    const began = deps.meter?.now() ?? 0
    try {
      return await handleBatch(deps, deps.pace.signalsMax)
    } catch (error) {
      if (isOurs(error)) throw error
      deps.logger.warn({ err: error }, 'a batch of signals did not commit; trying the oldest one alone')
    }
    try {
      return await handleBatch(deps, 1)
    } catch (error) {
      if (isOurs(error)) throw error
      const aside = await deps.storage.transaction(async ({ stores: { signals } }) => {
        const [oldest] = await signals.claimOldest(1)
        if (oldest === undefined) return []
        stuck = {
          sequence: oldest.sequence,
          attempts: stuck.sequence === oldest.sequence ? stuck.attempts + 1 : 1,
        }
        if (stuck.attempts < attemptsMax) throw error
        await signals.settle({ handled: [], failed: [failure(deps, oldest, error)] })
        return [oldest]
      })
      countHandled(deps, { claimed: aside, failed: aside }, began)
      return aside.length
    }
  }

  return createWorker({
    name: 'handler',
    runOnce,
    idleMs: 1_000,
    afterErrorMs: 1_000,
    gatherMs: deps.pace.gatherMs,
    logger: deps.logger,
  })
}

/** Whether the storage caused the error, not a signal: unreachable, overloaded, or a missing right, table or page. */
function isOurs(error: unknown): boolean {
  return isHubError(error, 'hub.unavailable') || isStorageFault(error)
}

/**
 * Handles the oldest accepted SETs; their effects commit together with the mark that they were handled. A signal that
 * cannot be read is set aside with its error and does not delay the others.
 *
 * Everything that depends on the signals alone is computed before the transaction. The transaction uses it for the
 * signals that still wait (another node may have handled some), and computes it again after an erasure.
 * @returns the number of signals; 0 when none waited
 */
export async function handleBatch(deps: BatchDeps, signalsMax: number): Promise<number> {
  const began = deps.meter?.now() ?? 0
  const prepared = await prepare(deps, deps.storage.stores, signalsMax)
  if (prepared.signals.length === 0) return 0
  await setImmediate() // On SQLite, the same thread stores SETs: let it.
  const settled = await deps.storage.transaction(async ({ stores, journal }) => {
    const { signals, read, failed } = await stillWaiting(deps, stores, prepared, signalsMax)
    const outcomes = await applyBatch(deps, stores, read)
    const loaded = await loadedUsers(stores, read)
    await journal.eventsHandled(read.flatMap((each) => handledEvents(each, outcomes, loaded)))
    await stores.signals.settle({ handled: read.map((each) => handledSignal(each, outcomes)), failed })
    return { claimed: signals, failed }
  })
  countHandled(deps, settled, began)
  return prepared.signals.length
}

/** A batch and everything that depends on its signals alone. */
interface Prepared {
  /** @see ErasureStore.epoch */
  readonly epoch: number
  readonly signals: readonly PendingSignal[]
  readonly read: readonly ReadSignal[]
  readonly failed: HandledBatch['failed']
}

async function prepare(deps: BatchDeps, stores: Stores, signalsMax: number): Promise<Prepared> {
  const epoch = await stores.erasures.epoch() // Read before the signals: a later erasure changes it.
  const signals = await stores.signals.claimOldest(signalsMax)
  return { epoch, signals, ...readAll(deps, signals) }
}

/** The part of a batch that is not handled yet. Runs inside the transaction. */
async function stillWaiting(
  deps: BatchDeps,
  stores: Stores,
  prepared: Prepared,
  signalsMax: number,
): Promise<Prepared> {
  if ((await stores.erasures.epoch()) !== prepared.epoch) return prepare(deps, stores, signalsMax)
  const waiting = await stores.signals.waitingAmong(prepared.signals.map(({ sequence }) => sequence))
  if (waiting.size === prepared.signals.length) return prepared
  return {
    epoch: prepared.epoch,
    signals: prepared.signals.filter(({ sequence }) => waiting.has(sequence)),
    read: prepared.read.filter(({ signal }) => waiting.has(signal.sequence)),
    failed: prepared.failed.filter(({ sequence }) => waiting.has(sequence)),
  }
}

interface Settled {
  readonly claimed: readonly PendingSignal[]
  readonly failed: readonly unknown[]
}

/** After the commit. */
function countHandled({ meter, world }: BatchDeps, { claimed, failed }: Settled, began: number): void {
  if (claimed.length === 0) return
  const receivedAt = claimed.map((signal) => signal.receivedAt)
  meter?.handled({ receivedAt, failed: failed.length, at: world.now() }, began)
}

function failure({ world, logger }: BatchDeps, signal: PendingSignal, error: unknown) {
  logger.error({ err: error, signal: signal.id }, 'a signal could not be handled and was set aside')
  return { sequence: signal.sequence, terms: termsOf(signal), error: String(error), at: world.now() }
}

function readAll(deps: BatchDeps, claimed: readonly PendingSignal[]): Pick<Prepared, 'read' | 'failed'> {
  const read: ReadSignal[] = []
  const failed: HandledBatch['failed'][number][] = []
  for (const signal of claimed) {
    try {
      const events = signal.events.map((event, index) => statementOfEvent(deps.rules, signal, event, index))
      const received = signal.events.map((event, index) =>
        receiveEventEntry(deps.world, signal, event, kindNamed(events[index])),
      )
      read.push({ signal, terms: termsOf(signal), events, received })
    } catch (error) {
      failed.push(failure(deps, signal, error))
    }
  }
  return { read, failed }
}

/** The outcome of each event that has a statement. */
type EventOutcomes = ReadonlyMap<EventStatement, StatementOutcome>

async function applyBatch(
  { world, origin, ignoreUnknownUsers }: BatchDeps,
  { subjects, risk, riskSources }: Stores,
  read: readonly ReadSignal[],
): Promise<EventOutcomes> {
  const events = read
    .flatMap(({ events }) => events)
    .filter((event) => event !== undefined && 'statement' in event)
  if (events.length === 0) return new Map()
  const judge = wordJudge(await riskSources.list())
  const outcomes = await applyStatements(
    { subjects, risk, world, judge, origin, ignoreUnknownUsers },
    events.map(({ statement }) => statement),
  )
  return new Map(
    events.flatMap((event, at) => (outcomes[at] === undefined ? [] : [[event, outcomes[at]] as const])),
  )
}

/** The kind of the one thing that an event names; undefined when it names several, or none. */
function kindNamed(event: EventStatement): string | undefined {
  if (event === undefined || !('statement' in event) || event.statement.things.length !== 1) return undefined
  return event.statement.things[0]?.kind
}

function userNamed(event: EventStatement): Identifier | undefined {
  if (event === undefined || !('statement' in event)) return undefined
  const user = event.statement.things.find(({ kind }) => kind === 'user')
  return user && mainIdentifier(user.identifiers)
}

/** Loaded users by their main identifier. */
type AllLoaded = ReadonlyMap<Identifier, LoadedTarget>

/** Reads the state after the claims of these signals. */
async function loadedUsers({ subjects }: Stores, read: readonly ReadSignal[]): Promise<AllLoaded> {
  const named = read.flatMap(({ events }) => events.flatMap((event) => userNamed(event) ?? []))
  return named.length === 0 ? new Map() : subjects.loadedUsersOf([...new Set(named)])
}

/** The events of a signal for the journal, without ignored events about unknown users. */
function handledEvents(
  { signal, events, received }: ReadSignal,
  outcomes: EventOutcomes,
  loaded: AllLoaded,
): readonly HandledEvent[] {
  return received.flatMap((plain, index) => {
    const { ignored = false, changes = [], contradicted = [] } = outcomes.get(events[index]) ?? {}
    if (ignored) return []
    const user = loaded.get(userNamed(events[index]) ?? '')
    return [
      {
        signal,
        received: user === undefined ? plain : aboutLoadedUser(plain, user),
        levels: changes,
        refused: contradicted,
      },
    ]
  })
}

function handledSignal(
  { signal: { sequence }, terms, events }: ReadSignal,
  outcomes: EventOutcomes,
): HandledBatch['handled'][number] {
  const unmatched = events.flatMap((event, index) => {
    if (event === undefined) return []
    const reason = 'unmatched' in event ? event.unmatched : outcomes.get(event)?.unmatched
    return reason === undefined ? [] : [{ event: index, reason }]
  })
  return { sequence, terms, unmatched }
}
