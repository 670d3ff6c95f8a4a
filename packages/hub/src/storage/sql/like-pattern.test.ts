import Database from 'better-sqlite3'
import { fc, propertyRuns } from '../../../../receiver/test/properties.ts'
import { expect, test } from 'vitest'
import { likePattern } from './like-pattern.ts'

test.each([
  ['user', '%user%'],
  ['100%_\\', '%100\\%\\_\\\\%'],
  ['kim', '%__m%'],
  ['Ünal Müllermann', '%llermann%'],
  ['鐘', '%%'],
])('%s becomes %s', (text, pattern) => {
  expect(likePattern(text)).toBe(pattern)
})

const odd = fc.constantFrom(
  '\u0130',
  '\u212A',
  'i\u0307',
  'K',
  'k',
  '%',
  '_',
  '\\',
  '"',
  'ß',
  'ẞ',
  'Σ',
  'ς',
  'é',
  'É',
)
const text = fc
  .array(fc.oneof(odd, fc.string({ unit: 'grapheme', maxLength: 3 })), { maxLength: 8 })
  .map((parts) => parts.join(''))

test('the pattern matches every text that contains the other, in any letter case', () => {
  const database = new Database(':memory:')
  const isLike = database.prepare(`SELECT ? LIKE ? ESCAPE '\\'`).pluck()
  fc.assert(
    fc.property(text, text, text, fc.boolean(), (before, inner, after, upper) => {
      const whole = before + (upper ? inner.toUpperCase() : inner) + after
      fc.pre(whole.toLowerCase().includes(inner.toLowerCase()))
      expect(isLike.get(whole, likePattern(inner.toLowerCase()))).toBe(1)
    }),
    { numRuns: propertyRuns(100) },
  )
})
