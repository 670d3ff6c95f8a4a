import { setTimeout as sleep } from 'node:timers/promises'
import { isPassingHubError, type HubClient } from './hub-client.ts'

/** An entry of the System Log as the API shows it; what the command line reads of it. */
export interface ShownLogEntry {
  readonly uuid: string
  readonly published: string
  readonly severity: string
  readonly eventType: string
  readonly displayMessage: string
  readonly outcome: { readonly result: string; readonly reason: string | null }
  readonly actor: LogNameBody
  readonly target: readonly LogNameBody[] | null
}

export interface LogNameBody {
  readonly type: string
  readonly id: string
  readonly alternateId: string
  readonly displayName: string
}

interface LogPageBody {
  readonly entries: readonly ShownLogEntry[]
  /** The query of the next page. */
  readonly next: string | undefined
}

const logsPath = '/api/v1/logs'
const pageEntriesMax = 1_000

/** The newest `limit` entries that fit, newest first, over as many pages as that takes. */
export async function newestEntries(
  hub: HubClient,
  filters: URLSearchParams,
  limit: number,
): Promise<readonly ShownLogEntry[]> {
  const entries: ShownLogEntry[] = []
  let query: string | undefined = queryOf(filters, {
    sortOrder: 'DESCENDING',
    limit: Math.min(limit, pageEntriesMax),
  })
  while (query !== undefined && entries.length < limit) {
    const page: LogPageBody = await readPage(hub, query)
    entries.push(...page.entries)
    query = page.next
  }
  return entries.slice(0, limit)
}

export interface FollowLogOptions {
  /** `filter`, `q` and `since` of Okta's System Log API. */
  readonly filters: URLSearchParams
  /** How many of those that are there already come first. */
  readonly limit: number
  readonly intervalMs: number
  readonly stopped: AbortSignal
  /** Told once when the hub stops answering, and once when it answers again. */
  readonly onTrouble: (trouble: string | undefined) => void
}

/** Entries as they come, oldest first, each of them once. Ends when `stopped`; outlasts a hub that is away for a while. */
export async function* followEntries(
  hub: HubClient,
  options: FollowLogOptions,
): AsyncGenerator<ShownLogEntry> {
  const { filters, limit, intervalMs, stopped, onTrouble } = options
  // The place in the log first, then the newest entries: what is stored in between comes twice, and is shown once.
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

/** A polling query that goes on behind the last entry. */
async function endOfLog(hub: HubClient, filters: URLSearchParams): Promise<string> {
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

async function readPage(hub: HubClient, query: string): Promise<LogPageBody> {
  const { body, next } = await hub.page(logsPath + query)
  return { entries: body as readonly ShownLogEntry[], next } // Okta's shape
}

function queryOf(filters: URLSearchParams, more: Readonly<Record<string, string | number>>): string {
  const query = new URLSearchParams(filters)
  for (const [name, value] of Object.entries(more)) query.set(name, String(value))
  return `?${query.toString()}`
}
