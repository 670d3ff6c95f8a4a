import {
  CompiledQuery,
  sql,
  type Kysely,
  type RawBuilder,
  type Selectable,
  type SelectQueryBuilder,
} from 'kysely'
import type { LogEvent } from '../systemlog/log-event.ts'
import type {
  LogPosition,
  PublishedPosition,
  StoredLogEvent,
  SystemLogStore,
} from '../systemlog/system-log-store.ts'
import type { LogEventRow, Schema } from './schema.ts'

export function createSystemLogStore(db: Kysely<Schema>): SystemLogStore {
  return {
    async append(entries) {
      for (let at = 0; at < entries.length; at += rowsMax) {
        await db.executeQuery(insertion(entries.slice(at, at + rowsMax)))
      }
    },

    async page({ position, eventTypes, limit }) {
      const start = startedAt(db, position)
      const order = orderOf(position)
      const part = (eventType: string | undefined) => {
        const rows = eventType === undefined ? start : start.where('event_type', '=', eventType)
        return rows.select(columns).orderBy(order).limit(limit)
      }
      if (eventTypes === undefined) return (await part(undefined).execute()).map(storedLogEvent)
      // One bounded read of an index for each type, then merged: `IN` would sort all that it finds.
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

    async deleteBefore(published, max) {
      const { numDeletedRows } = await db
        .deleteFrom('log_events')
        .where('sequence', 'in', (from) =>
          from
            .selectFrom('log_events')
            .select('sequence')
            .where('published', '<', published.getTime())
            .orderBy('published')
            .limit(max),
        )
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}

/** Statements come in these sizes only, so that they stay prepared; what they have too much of is left empty. */
const statementSizes = [1, 4, 16, 64, 256, 1_024] as const
const rowsMax = 1_024
const insertions = new Map(statementSizes.map((size) => [size, insertStatement(size)]))

/** `persisted` is what the order of storing needs: it never falls as the sequence rises. */
function insertStatement(size: number): string {
  return `INSERT INTO log_events (published, persisted, event_type, event)
    SELECT
      column1,
      max(column2, coalesce((SELECT persisted FROM log_events ORDER BY sequence DESC LIMIT 1), 0)),
      column3,
      column4
    FROM (VALUES ${Array<string>(size).fill('(?, ?, ?, ?)').join(', ')})
    WHERE column1 IS NOT NULL`
}

function insertion(entries: readonly LogEvent[]): CompiledQuery {
  const size = statementSizes.find((size) => size >= entries.length) ?? rowsMax
  const parameters: (string | number | null)[] = []
  let persisted = 0
  for (const event of entries) {
    const published = Date.parse(event.published)
    persisted = Math.max(persisted, published)
    parameters.push(published, persisted, event.eventType, JSON.stringify(event))
  }
  while (parameters.length < 4 * size) parameters.push(null)
  return CompiledQuery.raw(insertions.get(size) ?? insertStatement(size), parameters)
}

const columns = ['sequence', 'published', 'event'] as const
type Columns = Pick<Selectable<LogEventRow>, (typeof columns)[number]>

type Rows = SelectQueryBuilder<Schema, 'log_events', object>

function startedAt(db: Kysely<Schema>, position: LogPosition): Rows {
  const rows = db.selectFrom('log_events')
  if (position.order === 'published') return startedByPublished(rows, position)
  if ('after' in position) return rows.where('sequence', '>', position.after)
  const first = db
    .selectFrom('log_events')
    .select('sequence')
    .where('persisted', '>=', position.since.getTime())
    .orderBy('persisted')
    .orderBy('sequence')
    .limit(1)
  return rows.where('sequence', '>=', first)
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

/** `sequence` runs the way `published` does, so that the next page can start behind a pair of both. */
function orderOf(position: LogPosition): RawBuilder<unknown> {
  if (position.order === 'persisted') return sql`sequence`
  return position.direction === 'ascending' ? sql`published, sequence` : sql`published DESC, sequence DESC`
}

function storedLogEvent({ sequence, published, event }: Columns): StoredLogEvent {
  return { sequence, published: new Date(published), event: JSON.parse(event) as LogEvent } // written by append
}
