import { expect } from 'vitest'

/** What a 429 says of its limit: by `Reset` wait Okta's SDKs, by `Retry-After` Terraform's client (OKTA-Q1 to OKTA-Q3). */
export function expectLimit(headers: Headers, limit: string): void {
  expect([headers.get('x-rate-limit-limit'), headers.get('x-rate-limit-remaining')]).toEqual([limit, '0'])
  const reset = headers.get('x-rate-limit-reset')
  expect(reset).toMatch(/^\d+$/) // OKTA-Q3: once, and nothing joined to it
  for (const waitS of [
    Number(reset) - Date.parse(headers.get('date') ?? '') / 1_000,
    Number(headers.get('retry-after')),
  ]) {
    expect(waitS).toBeGreaterThanOrEqual(0)
    expect(waitS).toBeLessThanOrEqual(62)
  }
}
