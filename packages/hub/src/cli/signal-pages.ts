import { setTimeout as sleep } from 'node:timers/promises'
import type { SignalBody, SignalPageBody } from '../wire/signals.ts'
import { isPassingHubError, type HubClient } from './hub-client.ts'

/** The verdict in one to three words, which also say when a handled signal changed no subject. */
export function outcomeText({
  outcome,
  about_nobody,
}: {
  readonly outcome: string
  readonly about_nobody?: boolean | undefined
}): string {
  return about_nobody === true ? `${outcome}, about nobody` : outcome
}

/** Why the signal was refused or failed, or why its events changed nothing. */
export function shownReasons({ reason, events }: SignalBody): readonly string[] {
  const unmatched = events.flatMap(({ unmatched_reason: why }) => (why === undefined ? [] : [why]))
  return [...new Set([...(reason === undefined ? [] : [reason]), ...unmatched])]
}

const pageSignalsMax = 200

/** The newest `limit` matching signals, newest first, from as many pages as needed. */
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
    // Only its query: this machine may not reach the hub at its public origin.
    query = page.next === null ? undefined : new URL(page.next).searchParams
  }
}

export interface FollowOptions {
  readonly filters: URLSearchParams
  /** How many existing signals come first. */
  readonly limit: number
  readonly intervalMs: number
  readonly stopped: AbortSignal
  /** Called once when the hub stops answering, and once when it answers again. */
  readonly onTrouble: (trouble: string | undefined) => void
}

/**
 * A signal may be stored after one that was received up to this much later. The list has the order of storage, not of
 * receipt.
 */
const storedLateMaxMs = 10_000
/** How long to hold back a pending signal, to show it with its verdict. */
const verdictWaitMs = 5_000

/** New signals, oldest first, each once, until `stopped`. Keeps trying while the hub does not answer. */
export async function* followSignals(hub: HubClient, options: FollowOptions): AsyncGenerator<SignalBody> {
  const { filters, intervalMs, stopped, onTrouble } = options
  const start = await walkBack(hub, options)
  /** Seen signals that a later round may return again, with their time of receipt. */
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

  /** New signals since the last round, oldest first; none while the hub does not answer. */
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
      if (isHeldBack(signal)) break // Later ones wait too, to keep the order.
      remember(signal)
      yield signal
    }
    await sleep(intervalMs, undefined, { signal: stopped }).catch(() => undefined)
    if (!stopped.aborted) fresh = await round()
  }
}

interface Start {
  /** The first signals to show, oldest first. */
  readonly latest: readonly SignalBody[]
  /** Earlier signals, which are not new. */
  readonly older: readonly SignalBody[]
  /** All later signals were received after this time. */
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
    if (unseen.length === 0) break // The rest was stored before the seen signals.
  }
  return fresh.toReversed()
}

function receivedMs({ received_at }: SignalBody): number {
  return Date.parse(received_at)
}
