import { expect } from 'vitest'
import { readExposition, type Family } from './exposition.ts'

/** What `GET /metrics` of a hub says. */
export async function scrape(hub: {
  readonly metricsOrigin: string | undefined
}): Promise<ReadonlyMap<string, Family>> {
  const answer = await fetch(`${hub.metricsOrigin}/metrics`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return readExposition(await answer.text())
}

/** The settings that switch metrics on, on a free port. */
export const scraped = { metricsListen: '127.0.0.1:0' } as const
