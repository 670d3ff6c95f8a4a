import { setTimeout as sleep } from 'node:timers/promises'
import type { LogEntryBody } from '../wire/system-log.ts'
import { isPassingHubError, type HubClient } from './hub-client.ts'

interface LogPage {
  readonly entries: readonly LogEntryBody[]
  /** The query of the next page. */
  readonly next: URLSearchParams | undefined
}

const pageEntriesMax = 1_000

/** The newest `limit` matching entries, newest first, from as many pages as needed. */
export async function newestEntries(
  hub: HubClient,
  filters: URLSearchParams,
  limit: number,
): Promise<readonly LogEntryBody[]> {
  const entries: LogEntryBody[] = []
  let query: URLSearchParams | undefined = queryOf(filters, {
    sortOrder: 'DESCENDING',
    limit: Math.min(limit, pageEntriesMax),
  })
  while (query !== undefined && entries.length < limit) {
    const page: LogPage = await readPage(hub, query)
    entries.push(...page.entries)
    query = page.next
  }
  return entries.slice(0, limit)
}

export interface FollowLogOptions {
  /** `filter`, `q` and `since` of Okta's System Log API. */
  readonly filters: URLSearchParams
  /** How many existing entries come first. */
  readonly limit: number
  readonly intervalMs: number
  readonly stopped: AbortSignal
  /** Called once when the hub stops answering, and once when it answers again. */
  readonly onTrouble: (trouble: string | undefined) => void
}

/** New entries, oldest first, each once, until `stopped`. Keeps trying while the hub does not answer. */
export async function* followEntries(
  hub: HubClient,
  options: FollowLogOptions,
): AsyncGenerator<LogEntryBody> {
  const { filters, limit, intervalMs, stopped, onTrouble } = options
  // First the position in the log, then the newest entries: entries stored in between are returned twice, and shown once.
  let query = await endOfLog(hub, filters)
  const latest = await newestEntries(hub, filters, limit)
  const shown = new Set(latest.map(({ uuid }) => uuid))
  yield* latest.toReversed()

  let inTrouble = false
  while (!stopped.aborted) {
    try {
      const { entries, next } = await readPage(hub, query)
      if (inTrouble) onTrouble(undefined)
      inTrouble = false
      for (const entry of entries) if (!shown.delete(entry.uuid)) yield entry
      query = next ?? query
      if (entries.length > 0) continue
    } catch (error) {
      if (!isPassingHubError(error)) throw error
      if (!inTrouble) onTrouble(error.message)
      inTrouble = true
    }
    await sleep(intervalMs, undefined, { signal: stopped }).catch(() => undefined)
  }
}

/** A polling query that continues after the last entry. */
async function endOfLog(hub: HubClient, filters: URLSearchParams): Promise<URLSearchParams> {
  const [newest] = await newestEntries(hub, new URLSearchParams(), 1)
  const from = new URLSearchParams(filters)
  if (newest !== undefined) from.set('since', newest.published)
  let query = queryOf(from, { limit: pageEntriesMax })
  for (;;) {
    const { entries, next } = await readPage(hub, query)
    query = next ?? query
    if (entries.length === 0) return query
  }
}

async function readPage(hub: HubClient, query: URLSearchParams): Promise<LogPage> {
  const { body, next } = await hub.page('GET /api/v1/logs', { query })
  return { entries: body, next }
}

function queryOf(filters: URLSearchParams, more: Readonly<Record<string, string | number>>): URLSearchParams {
  const query = new URLSearchParams(filters)
  for (const [name, value] of Object.entries(more)) query.set(name, String(value))
  return query
}
