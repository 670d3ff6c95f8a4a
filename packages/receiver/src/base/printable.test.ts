import { expect, test } from 'vitest'
import { printable } from './printable.ts'

test.each([
  ['key-1', 10, 'key-1'],
  ['0123456789', 4, '0123…'],
  ['a\nb\u0000c', 10, 'a\uFFFDb\uFFFDc'],
  ['\u202Eabc\u200B', 10, '\uFFFDabc\uFFFD'],
  ['a\u2028b', 10, 'a\uFFFDb'],
  ['\uD800', 10, '\uFFFD'],
  ['ab😀', 3, 'ab\uFFFD…'],
  ['a\u034Fb\u3164\uFE0F', 10, 'a\uFFFDb\uFFFD\uFFFD'],
  ['\u001B[31m\u009B0m', 10, '\uFFFD[31m\uFFFD0m'],
  ['Zoë 😀', 10, 'Zoë 😀'],
])('%j in %i characters is %j', (text, charsMax, shown) => {
  expect(printable(text, charsMax)).toBe(shown)
})
