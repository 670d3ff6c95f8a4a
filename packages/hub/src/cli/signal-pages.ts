import { setTimeout as sleep } from 'node:timers/promises'
import type { SignalBody, SignalPageBody } from '../wire/signals.ts'
import { isPassingHubError, type HubClient } from './hub-client.ts'

/** The verdict in a word or three: what changed nothing for anybody is not called handled alone. */
export function outcomeText({
  outcome,
  about_nobody,
}: {
  readonly outcome: string
  readonly about_nobody?: boolean | undefined
}): string {
  return about_nobody === true ? `${outcome}, about nobody` : outcome
}

/** Why it was refused or failed, or why its events changed nothing. */
export function shownReasons({ reason, events }: SignalBody): readonly string[] {
  const unmatched = events.flatMap(({ unmatched_reason: why }) => (why === undefined ? [] : [why]))
  return [...new Set([...(reason === undefined ? [] : [reason]), ...unmatched])]
}

const pageSignalsMax = 200

/** The newest `limit` signals that fit, newest first, over as many pages as that takes. */
export async function newestSignals(
  hub: HubClient,
  filters: URLSearchParams,
  limit: number,
): Promise<readonly SignalBody[]> {
  const signals: SignalBody[] = []
  for await (const page of pages(hub, filters, Math.min(limit, pageSignalsMax))) {
    signals.push(...page)
    if (signals.length >= limit) break
  }
  return signals.slice(0, limit)
}

async function* pages(
  hub: HubClient,
  filters: URLSearchParams,
  limit: number,
): AsyncGenerator<readonly SignalBody[]> {
  const first = new URLSearchParams(filters)
  first.set('limit', String(limit))
  let query: URLSearchParams | undefined = first
  while (query !== undefined) {
    const page: SignalPageBody = await hub.call('GET /v1/signals', { query })
    yield page.signals
    // Only its query: the hub's public origin may not be how it is reached from here.
    query = page.next === null ? undefined : new URL(page.next).searchParams
  }
}

export interface FollowOptions {
  readonly filters: URLSearchParams
  /** How many of those that are there already come first. */
  readonly limit: number
  readonly intervalMs: number
  readonly stopped: AbortSignal
  /** Told once when the hub stops answering, and once when it answers again. */
  readonly onTrouble: (trouble: string | undefined) => void
}

/**
 * How long before the newest one that we have seen a signal may have been received and yet be stored after it. Signals
 * come in the order in which they were stored.
 */
const storedLateMaxMs = 10_000
/** How long a signal whose outcome is still pending is held back, so that it can be shown with its verdict. */
const verdictWaitMs = 5_000

/** Signals as they come, oldest first, each of them once. Ends when `stopped`; outlasts a hub that is away for a while. */
export async function* followSignals(hub: HubClient, options: FollowOptions): AsyncGenerator<SignalBody> {
  const { filters, intervalMs, stopped, onTrouble } = options
  const start = await walkBack(hub, options)
  /** Those seen that a later round may meet again, with when they were received. */
  const seen = new Map(start.older.map((signal) => [signal.id, receivedMs(signal)]))
  let floorMs = start.floorMs
  const pendingSince = new Map<string, number>()
  let inTrouble = false

  function isHeldBack(signal: SignalBody): boolean {
    const { id, outcome } = signal
    if (outcome !== 'pending' || filters.has('outcome') || receivedMs(signal) < floorMs) return false
    const since = pendingSince.get(id) ?? performance.now()
    pendingSince.set(id, since)
    return performance.now() - since < verdictWaitMs
  }

  function remember(signal: SignalBody): void {
    seen.set(signal.id, receivedMs(signal))
    pendingSince.delete(signal.id)
    floorMs = Math.max(floorMs, receivedMs(signal) - storedLateMaxMs)
    for (const [id, at] of seen) if (at < floorMs) seen.delete(id)
  }

  /** What is new since the last round, oldest first; nothing while the hub is away. */
  async function round(): Promise<readonly SignalBody[]> {
    try {
      const fresh = await unseenSince(hub, filters, floorMs, seen)
      if (inTrouble) onTrouble(undefined)
      inTrouble = false
      return fresh
    } catch (error) {
      if (!isPassingHubError(error)) throw error
      if (!inTrouble) onTrouble(error.message)
      inTrouble = true
      return []
    }
  }

  let fresh = start.latest
  while (!stopped.aborted) {
    for (const signal of fresh) {
      if (isHeldBack(signal)) break // the later ones wait with it, so that the order stays
      remember(signal)
      yield signal
    }
    await sleep(intervalMs, undefined, { signal: stopped }).catch(() => undefined)
    if (!stopped.aborted) fresh = await round()
  }
}

interface Start {
  /** The first to show, oldest first. */
  readonly latest: readonly SignalBody[]
  /** Those before them that must not pass for new ones. */
  readonly older: readonly SignalBody[]
  /** Whatever comes from now on was received later than this. */
  readonly floorMs: number
}

async function walkBack(hub: HubClient, { filters, limit }: FollowOptions): Promise<Start> {
  const walked: SignalBody[] = []
  let floorMs = 0
  for await (const page of pages(hub, filters, pageSignalsMax)) {
    walked.push(...page)
    floorMs = Math.max(0, ...walked.map(receivedMs)) - storedLateMaxMs
    if (walked.length >= limit && page.some((signal) => receivedMs(signal) < floorMs)) break
  }
  return { latest: walked.slice(0, limit).toReversed(), older: walked.slice(limit), floorMs }
}

async function unseenSince(
  hub: HubClient,
  filters: URLSearchParams,
  floorMs: number,
  seen: ReadonlyMap<string, number>,
): Promise<readonly SignalBody[]> {
  const sinceFloor = new URLSearchParams(filters)
  const wantedSinceMs = Date.parse(filters.get('since') ?? '') || 0
  sinceFloor.set('since', new Date(Math.max(0, floorMs, wantedSinceMs)).toISOString())
  const fresh: SignalBody[] = []
  for await (const page of pages(hub, sinceFloor, pageSignalsMax)) {
    const unseen = page.filter(({ id }) => !seen.has(id))
    fresh.push(...unseen)
    if (unseen.length === 0) break // the rest was stored before what we have seen
  }
  return fresh.toReversed()
}

function receivedMs({ received_at }: SignalBody): number {
  return Date.parse(received_at)
}
