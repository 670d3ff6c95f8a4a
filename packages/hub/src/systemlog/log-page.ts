import type { World } from '../base/world.ts'
import { printCursor } from './log-cursor.ts'
import type { LogEvent } from './log-event.ts'
import type { LogQuery } from './log-query.ts'
import type { LogPosition, StoredLogEvent, SystemLogStore } from './system-log-store.ts'

export interface LogPage {
  readonly events: readonly LogEvent[]
  /** The `after` of the next page; undefined on the last page of a query that ends (OKTA-L11). */
  readonly next: string | undefined
}

export interface LogPageDeps {
  readonly systemLog: Pick<SystemLogStore, 'page'>
  readonly world: Pick<World, 'now'>
  readonly budgets?: ScanBudgets
}

/** How many entries one request may examine, and for how long. */
export interface ScanBudget {
  readonly entriesMax: number
  readonly ms: number
}

/** Pages that are still empty get the larger budget, because some clients take an empty page for the end (OKTA-L14). */
export interface ScanBudgets {
  readonly some: ScanBudget
  readonly none: ScanBudget
}

const scanBudgets: ScanBudgets = {
  some: { entriesMax: 60_000, ms: 2_000 },
  none: { entriesMax: 400_000, ms: 5_000 },
}
/**
 * Entries per read: few first, because many may match, then more. Where an index leaves out other types, as
 * for nearly every SIEM, most entries match: then the first read is no larger than the page.
 */
const scanBatch = { first: 500, further: 4_000 } as const

/**
 * One page of the log. The search ends when its budget is spent: then the page is short, and its `next`
 * continues after the last examined entry, so that no entry is lost or repeated.
 */
export async function readLogPage(deps: LogPageDeps, query: LogQuery): Promise<LogPage> {
  const { systemLog, world, budgets = scanBudgets } = deps
  const { limit, eventTypes, containing, matches } = query
  const endless = query.position.order === 'persisted'
  if (limit === 0) return { events: [], next: endless ? printCursor(query.position) : undefined }

  const wanted = endless ? limit : limit + 1 // one more shows whether this page is the last
  const startedAt = world.now().getTime()
  const found: (StoredLogEvent & { readonly event: LogEvent })[] = []
  let { position } = query
  let looked = 0
  let carried = 1
  let more = true
  while (more && found.length < wanted) {
    const { entriesMax, ms } = found.length === 0 ? budgets.none : budgets.some
    if (looked >= entriesMax || world.now().getTime() - startedAt >= ms) break
    const ofTypes = looked === 0 && eventTypes !== undefined
    const scanned = ofTypes ? wanted : carried === 0 ? scanBatch.further : scanBatch.first
    const batchMax = matches === undefined ? wanted : Math.max(wanted, scanned)
    const batch = await systemLog.page({ position, eventTypes, containing, limit: batchMax })
    more = batch.length === batchMax
    carried = batch.filter(({ event }) => event !== undefined).length
    for (const entry of batch) {
      looked += 1
      position = behind(position, entry)
      const { event } = entry
      if (event !== undefined && (matches === undefined || matches(event))) found.push({ ...entry, event })
      if (found.length === wanted) break
    }
  }

  const lastShown = found.length > limit ? found[limit - 1] : undefined
  const events = found.slice(0, limit).map(({ event }) => event)
  if (lastShown !== undefined) return { events, next: printCursor(behind(position, lastShown)) }
  return { events, next: more || endless ? printCursor(position) : undefined }
}

function behind(position: LogPosition, { published, sequence }: StoredLogEvent): LogPosition {
  return position.order === 'persisted'
    ? { order: 'persisted', after: sequence }
    : { ...position, after: { published, sequence } }
}
