import { expect, test } from 'vitest'
import { lineBytesMax, linesOf } from './lines.ts'

async function lines(...chunks: readonly (string | Uint8Array)[]): Promise<readonly string[]> {
  const all: string[] = []
  const bytes = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk)
  })()
  for await (const block of linesOf(bytes)) all.push(...block.map((line) => Buffer.from(line).toString()))
  return all
}

test.each<readonly [string, readonly (string | Uint8Array)[], readonly string[]]>([
  ['nothing', [], []],
  ['an empty chunk', [''], []],
  ['one line', ['a\n'], ['a']],
  ['empty lines', ['\n\n'], ['', '']],
  ['several lines in a chunk', ['a\nbc\n'], ['a', 'bc']],
  ['a line over several chunks', ['a', 'b', 'c\nd\n'], ['abc', 'd']],
  ['an end that comes alone', ['a', '\n'], ['a']],
  ['a character cut in two', [Buffer.from([0xc3]), Buffer.from([0xa4, 0x0a])], ['ä']],
])('%s', async (_, chunks, expected) => {
  expect(await lines(...chunks)).toEqual(expected)
})

test.each([
  ['a last line without an end', ['a\nb'], 'Line 2 ends in the middle: the file was cut off'],
  ['only a part of a line', ['a'], 'Line 1 ends in the middle'],
  [
    'a line that never ends',
    ['a\n', Buffer.alloc(lineBytesMax, 'x'), 'x'],
    `Line 2 is longer than ${lineBytesMax} bytes`,
  ],
])('%s is refused', async (_, chunks, problem) => {
  await expect(lines(...chunks)).rejects.toThrow(problem)
})
