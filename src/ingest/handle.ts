import type { Logger } from '../base/logger.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { PendingSignal } from '../signals/signal.ts'
import { newsOfEvent, type EventNews } from '../risk/event-news.ts'
import { applyNews, type Heard } from '../risk/news.ts'
import type { RiskRules } from '../risk/risk-rules.ts'
import { createRiskSources } from '../risk/risk-sources.ts'
import { termsOf } from '../signals/signal-terms.ts'
import type { HandledBatch } from '../signals/signal-store.ts'
import type { Storage, Stores } from '../stores.ts'
import type { LogEvent } from '../systemlog/log-event.ts'
import { providerActor, receiveEventEntry } from '../systemlog/entries.ts'
import { riskEntry } from '../systemlog/risk-entries.ts'

export interface HandlerDeps {
  readonly storage: Pick<Storage, 'transaction'>
  readonly world: Pick<World, 'now' | 'newUuid' | 'newId'>
  readonly logger: Logger
  readonly rules: RiskRules
  /** Whether events about users whom nobody loaded lead to nothing, as at Okta (E79). */
  readonly ignoreUnknownUsers: boolean
}

/** A signal that can be handled, and what each of its events means for risk. */
interface ReadSignal {
  readonly signal: PendingSignal
  readonly terms: readonly string[]
  readonly events: readonly EventNews[]
}

/** Signals per transaction: small enough that intake, which shares the writer, never waits long. */
export const handleBatchMax = 128

/** How often the oldest signal may make its transaction fail before it is set aside. */
const attemptsMax = 5

/** Works out, in order and exactly once, what accepted SETs lead to. */
export function createHandler(deps: HandlerDeps): Worker {
  let stuck = { sequence: -1, attempts: 0 }

  /** A batch that will not commit is taken apart: the oldest signal alone, and that one aside when it is to blame. */
  async function runOnce(): Promise<number> {
    try {
      return await handleBatch(deps, handleBatchMax)
    } catch (error) {
      deps.logger.warn({ err: error }, 'a batch of signals did not commit; trying the oldest one alone')
    }
    try {
      return await handleBatch(deps, 1)
    } catch (error) {
      return deps.storage.transaction(async ({ signals }) => {
        const [oldest] = await signals.claimOldest(1)
        if (oldest === undefined) return 0
        stuck = {
          sequence: oldest.sequence,
          attempts: stuck.sequence === oldest.sequence ? stuck.attempts + 1 : 1,
        }
        if (stuck.attempts < attemptsMax) throw error
        await signals.settle({ handled: [], failed: [failure(deps, oldest, error)] })
        return 1
      })
    }
  }

  return createWorker({ name: 'handler', runOnce, idleMs: 1_000, afterErrorMs: 1_000, logger: deps.logger })
}

/**
 * Handles the oldest accepted SETs; their effects commit together with the mark that they were handled. A signal whose
 * consequences cannot be worked out is set aside with its error and holds up nobody.
 * @returns how many; 0 means there was nothing to do
 */
export async function handleBatch(deps: HandlerDeps, signalsMax: number): Promise<number> {
  return deps.storage.transaction(async (stores) => {
    const claimed = await stores.signals.claimOldest(signalsMax)
    if (claimed.length === 0) return 0
    const { read, failed } = readAll(deps, claimed)
    const heard = await hear(deps, stores, read)
    await stores.systemLog.append(read.flatMap((each) => entriesOf(deps.world, each, heard)))
    await stores.signals.settle({ handled: read.map((each) => handledSignal(each, heard)), failed })
    return claimed.length
  })
}

function failure({ world, logger }: HandlerDeps, signal: PendingSignal, error: unknown) {
  logger.error({ err: error, signal: signal.id }, 'a signal could not be handled and was set aside')
  return { sequence: signal.sequence, error: String(error), at: world.now() }
}

function readAll(deps: HandlerDeps, claimed: readonly PendingSignal[]) {
  const read: ReadSignal[] = []
  const failed: ReturnType<typeof failure>[] = []
  for (const signal of claimed) {
    try {
      const events = signal.events.map((event, index) => newsOfEvent(deps.rules, signal, event, index))
      read.push({ signal, terms: termsOf(signal), events })
    } catch (error) {
      failed.push(failure(deps, signal, error))
    }
  }
  return { read, failed }
}

/** What became of each event that is news. */
type AllHeard = ReadonlyMap<EventNews, Heard>

async function hear(
  { world, ignoreUnknownUsers }: HandlerDeps,
  { subjects, risk, riskSources }: Stores,
  read: readonly ReadSignal[],
): Promise<AllHeard> {
  const events = read
    .flatMap(({ events }) => events)
    .filter((event) => event !== undefined && 'news' in event)
  if (events.length === 0) return new Map()
  const { actionOf } = await createRiskSources(riskSources)
  const heard = await applyNews(
    { subjects, risk, world, actionOf, ignoreUnknownUsers },
    events.map(({ news }) => news),
  )
  return new Map(
    events.flatMap((event, at) => (heard[at] === undefined ? [] : [[event, heard[at]] as const])),
  )
}

/** One entry for each event, and one for each change of a level; none for events about unknown users that are ignored. */
function entriesOf(world: HandlerDeps['world'], { signal, events }: ReadSignal, heard: AllHeard): LogEvent[] {
  return signal.events.flatMap((event, index) => {
    const { ignored = false, changes = [] } = heard.get(events[index]) ?? {}
    if (ignored) return []
    const { issuer } = signal.provider
    const cause = {
      by: providerActor(signal.provider),
      detectionName: 'Security Events Provider Reported Risk',
      issuer,
      signalId: signal.id,
    } as const
    return [
      receiveEventEntry(world, signal, event),
      ...changes.map((change) => riskEntry(world, change, cause)),
    ]
  })
}

function handledSignal(
  { signal: { sequence }, terms, events }: ReadSignal,
  heard: AllHeard,
): HandledBatch['handled'][number] {
  const unmatched = events.flatMap((event, index) => {
    if (event === undefined) return []
    const reason = 'unmatched' in event ? event.unmatched : heard.get(event)?.unmatched
    return reason === undefined ? [] : [{ event: index, reason }]
  })
  return { sequence, terms, unmatched }
}
