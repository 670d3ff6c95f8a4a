import { sql, type Kysely, type RawBuilder, type Selectable, type SelectQueryBuilder } from 'kysely'
import type { LogEvent } from '../../systemlog/log-event.ts'
import type {
  LogPosition,
  PublishedPosition,
  StoredLogEvent,
  SystemLogStore,
} from '../../systemlog/system-log-store.ts'
import { deletionStep, type Deletions } from './deletions.ts'
import { likePattern } from '../sql/like-pattern.ts'
import type { NewLogRow } from './log-insertion.ts'
import { packLogEvent, standsInRow, unpackLogEvent } from './log-row.ts'
import type { LogEventRow, DatabaseSchema } from '../sql/schema.ts'
import { inParts } from '../sql/sized-statement.ts'
import type { SqlVariant } from '../sql/sql-variant.ts'

export function createSystemLogStore(
  db: Kysely<DatabaseSchema>,
  variant: SqlVariant,
  deletions: Pick<Deletions, 'deleteLogEntries'>,
): SystemLogStore {
  return {
    async append(entries) {
      for (const part of inParts(entries)) await db.executeQuery(variant.logInsertion(newRows(part)))
    },

    async page({ position, eventTypes, containing = [], limit }) {
      const start = startedAt(db, position)
      const order = orderOf(position)
      const holds = containing.filter(standsInRow).map((text) => {
        const pattern = likePattern(text)
        return sql`(${variant.like(sql.ref('event'), pattern)} OR ${variant.like(sql.ref('event_type'), pattern)})`
      })
      const event =
        holds.length === 0
          ? sql<string>`event`
          : sql<string | null>`CASE WHEN ${sql.join(holds, sql` AND `)} THEN event END`
      const part = (eventType: string | undefined) => {
        const rows = eventType === undefined ? start : start.where('event_type', '=', eventType)
        return rows
          .select(['sequence', 'published', 'event_type', event.as('event')])
          .orderBy(order)
          .limit(limit)
      }
      if (eventTypes === undefined) return (await part(undefined).execute()).map(storedLogEvent)
      // One bounded index read per type, then merged: `IN` would sort all matching rows.
      const [first, ...others] = eventTypes.map((type) =>
        db.selectFrom(part(type).as('part')).select(columns),
      )
      if (first === undefined) return []
      const merged = others.reduce((all, part) => all.unionAll(part), first)
      const rows = await db
        .selectFrom(merged.as('merged'))
        .select(columns)
        .orderBy(order)
        .limit(limit)
        .execute()
      return rows.map(storedLogEvent)
    },

    deleteBefore: (published, max, now) => deletions.deleteLogEntries(deletionStep(published, max, now)),
  }
}

function newRows(entries: readonly LogEvent[]): readonly NewLogRow[] {
  let persisted = 0
  return entries.map((event) => {
    const published = Date.parse(event.published)
    persisted = Math.max(persisted, published)
    return { published, persisted, eventType: event.eventType, event: packLogEvent(event) }
  })
}

const columns = ['sequence', 'published', 'event_type', 'event'] as const
type Columns = Pick<Selectable<LogEventRow>, 'sequence' | 'published' | 'event_type'> & {
  event: string | null
}

type Rows = SelectQueryBuilder<DatabaseSchema, 'log_events', object>

function startedAt(db: Kysely<DatabaseSchema>, position: LogPosition): Rows {
  const rows = db.selectFrom('log_events')
  if (position.order === 'published') return startedByPublished(rows, position)
  if ('after' in position) return rows.where('sequence', '>', position.after)
  return rows.where('sequence', '>=', firstPersisted(position.since.getTime()))
}

/** The first sequence stored since a time. `persisted` rises with the sequence: a binary search needs no index. */
function firstPersisted(since: number): RawBuilder<number> {
  const middle = sql`(low + high) / 2`
  const isOlder = sql`
    (SELECT persisted FROM log_events WHERE sequence >= ${middle} ORDER BY sequence LIMIT 1) < ${since}`
  return sql`(
    WITH RECURSIVE stretch (low, high) AS (
      SELECT CAST(0 AS BIGINT), coalesce(max(sequence), 0) + 1 FROM log_events
      UNION ALL
      SELECT CASE WHEN ${isOlder} THEN ${middle} + 1 ELSE low END, CASE WHEN ${isOlder} THEN high ELSE ${middle} END
      FROM stretch WHERE low < high)
    SELECT max(low) FROM stretch)`
}

function startedByPublished(rows: Rows, { direction, since, until, after }: PublishedPosition): Rows {
  const within = rows.where('published', '>=', since.getTime()).where('published', '<', until.getTime())
  if (after === undefined) return within
  const published = after.published.getTime()
  const [notBehind, behind] = direction === 'ascending' ? (['>=', '>'] as const) : (['<=', '<'] as const)
  return within
    .where('published', notBehind, published)
    .where((row) => row.or([row('published', behind, published), row('sequence', behind, after.sequence)]))
}

/** `sequence` has the direction of `published`, so that the next page can start after a pair of both. */
function orderOf(position: LogPosition): RawBuilder<unknown> {
  if (position.order === 'persisted') return sql`sequence`
  return position.direction === 'ascending' ? sql`published, sequence` : sql`published DESC, sequence DESC`
}

function storedLogEvent({ sequence, published, event_type, event }: Columns): StoredLogEvent {
  return {
    sequence,
    published: new Date(published),
    event: event === null ? undefined : unpackLogEvent(event, event_type),
  }
}
