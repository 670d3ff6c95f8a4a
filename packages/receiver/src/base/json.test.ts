import { describe, expect, test } from 'vitest'
import { meant, withoutEmptyMembers, type JsonValue } from './json.ts'

describe('an empty member', () => {
  test.each<[JsonValue | undefined]>([[undefined], [null], [''], [[]], [{}]])('%j', (value) => {
    expect(meant(value)).toBeUndefined()
  })

  test.each<[JsonValue]>([[0], [false], [' '], [[null]], [{ a: null }]])('%j is not empty', (value) => {
    expect(meant(value)).toBe(value)
  })

  test('an empty member is left out of an object', () => {
    expect(withoutEmptyMembers({ a: null, b: '', c: [], d: {}, e: 0, f: { g: null } })).toEqual({
      e: 0,
      f: { g: null },
    })
  })
})
