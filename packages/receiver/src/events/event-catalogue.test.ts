import { expect, test } from 'vitest'
import { eventCatalogue } from './event-catalogue.ts'

test('the catalogue lists every type once, by family', () => {
  expect(new Set(eventCatalogue.map(({ type }) => type)).size).toBe(eventCatalogue.length)
  const counts = Object.groupBy(eventCatalogue, ({ family }) => family)
  expect(Object.entries(counts).map(([family, entries]) => [family, entries.length])).toEqual([
    ['caep', 8],
    ['risc', 14],
    ['ssf', 2],
    ['okta', 3],
    ['scim', 12],
  ])
})

test('the only replaced type is RISC’s sessions-revoked, by CAEP’s session-revoked (RISC 1.0 §2.11)', () => {
  expect(eventCatalogue.filter(({ aliasOf }) => aliasOf !== undefined)).toEqual([
    expect.objectContaining({
      family: 'risc',
      name: 'sessions-revoked',
      aliasOf: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
    }),
  ])
})

test('no two types have the same title', () => {
  for (const { title } of eventCatalogue) expect(title).toMatch(/^[A-Z].{8,70}$/)
})
