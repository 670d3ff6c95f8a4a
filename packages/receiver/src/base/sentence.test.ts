import { describe, expect, test } from 'vitest'
import { hostileTexts, unsafeIn } from '../../test/hostile-text.ts'
import { inSentence, quoted } from './sentence.ts'

describe('quoted', () => {
  test.each([
    ['two countries', 20, '“two countries”'],
    ['0123456789', 4, '“0123…”'],
    ['a ”b“ "c" ‘d’', 50, "“a 'b' 'c' 'd'”"],
    ['a  \u3000 b', 50, '“a b”'],
  ])('%j in %i characters is %s', (text, charsMax, sentence) => {
    expect(quoted(text, charsMax)).toBe(sentence)
  })

  test.each(Object.entries(hostileTexts))('%s stays within one pair of marks', (_, text) => {
    const sentence = quoted(text, 500)
    expect(unsafeIn(sentence)).toEqual([])
    expect(sentence).toMatch(/^“(?:[^\p{Quotation_Mark}\n]|')*”$/u)
  })
})

test.each([
  ['https://idp.example/a?b=c', 'https://idp.example/a?b=c'],
  ['key-1', 'key-1'],
  ['', '“”'],
  ['two words', '“two words”'],
  ['a”b', "“a'b”"],
])('%j in a sentence is %s', (text, shown) => {
  expect(inSentence(text, 100)).toBe(shown)
})

test('a long value is cut and quoted', () => {
  expect(inSentence('0123456789', 4)).toBe('“0123…”')
})
