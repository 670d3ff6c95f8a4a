const isoTime = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/

/** Milliseconds since 1970 of an ISO 8601 date, or date and time; UTC without an offset. */
export function readIsoTime(text: string): number | undefined {
  const [, date, time = '00:00', offset = 'Z'] = isoTime.exec(text.toUpperCase()) ?? []
  if (date === undefined || !isCalendarDay(date)) return undefined
  const ms = Date.parse(`${date}T${time}${offset}`)
  return Number.isNaN(ms) ? undefined : ms
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isCalendarDay(date: string): boolean {
  const ms = Date.parse(`${date}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date)
}
