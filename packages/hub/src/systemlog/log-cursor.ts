import type { LogPosition } from './system-log-store.ts'

/** Incremented when the meaning of a cursor's parts changes; cursors of other versions are refused. */
const version = 1
const cursorCharsMax = 200

/**
 * A position as the opaque text of `after` (OKTA-L3). It is neither secret nor signed: a client that may read the log may start
 * anywhere in it.
 */
export function printCursor(position: LogPosition): string {
  return Buffer.from(JSON.stringify([version, ...partsOf(position)])).toString('base64url')
}

function partsOf(position: LogPosition): readonly (string | number | null)[] {
  if (position.order === 'persisted') {
    return 'since' in position ? ['since', position.since.getTime()] : ['after', position.after]
  }
  const { direction, since, until, after } = position
  return [
    direction,
    since.getTime(),
    until.getTime(),
    after?.published.getTime() ?? null,
    after?.sequence ?? null,
  ]
}

/** The position, or undefined for any text that {@link printCursor} does not write. */
export function parseCursor(cursor: string): LogPosition | undefined {
  const position = cursor.length <= cursorCharsMax ? readParts(decode(cursor)) : undefined
  return position !== undefined && printCursor(position) === cursor ? position : undefined
}

function decode(cursor: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

function readParts([found, kind, first, second, third, fourth]: readonly unknown[]): LogPosition | undefined {
  if (found !== version) return undefined
  switch (kind) {
    case 'since':
      return isTime(first) ? { order: 'persisted', since: new Date(first) } : undefined
    case 'after':
      return isSequence(first) ? { order: 'persisted', after: first } : undefined
    case 'ascending':
    case 'descending': {
      if (!isTime(first) || !isTime(second)) return undefined
      const position = {
        order: 'published',
        direction: kind,
        since: new Date(first),
        until: new Date(second),
      } as const
      if (third === null && fourth === null) return { ...position, after: undefined }
      if (!isTime(third) || !isSequence(fourth)) return undefined
      return { ...position, after: { published: new Date(third), sequence: fourth } }
    }
    default:
      return undefined
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && !Number.isNaN(new Date(value).getTime())
}

function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
