import { describe, expect, test } from 'vitest'
import { columnsOf, jsonText, type TextOutput } from './cli-io.ts'
import { facts, painter, table, wrap } from './table.ts'

function terminal(columns: number, env: Record<string, string> = { NO_COLOR: '1' }) {
  const stdout: TextOutput = { write: () => undefined, drained: async () => undefined, isTTY: true, columns }
  return { stdout, env }
}

const pipe = {
  stdout: { write: () => undefined, drained: async () => undefined, isTTY: false, columns: 80 },
  env: {},
}

describe('table', () => {
  test('columns are as wide as what is in them, and nothing trails', () => {
    expect(
      table(
        pipe,
        ['ID', 'NAME'],
        [
          ['1', 'a'],
          ['22222', ''],
        ],
      ),
    ).toBe('ID     NAME\n1      a\n22222')
  })

  test('on a terminal the widest columns give way first', () => {
    const rows = [['sse0123456789abcdefg', 'n'.repeat(60), 'i'.repeat(70)]]
    const [, line = ''] = table(terminal(80), ['ID', 'NAME', 'ISSUER'], rows).split('\n')
    expect(line).toBe(`sse0123456789abcdefg  ${'n'.repeat(27)}…  ${'i'.repeat(27)}…`)
    expect(line).toHaveLength(80)
  })

  test('what people copy is whole, also where other columns are narrower than it', () => {
    const rows = [['rpr0123456789abcdefg', 'enforce_and_log', 'n'.repeat(50), '0oa0123456789abcdefg']]
    const header = ['ID', 'ACTION', 'NAME', 'CLIENT']
    for (const columns of [80, 60, 10]) {
      const [, line = ''] = table(terminal(columns), header, rows, ['ID', 'CLIENT']).split('\n')
      expect(line).toMatch(/^rpr0123456789abcdefg  .*…  0oa0123456789abcdefg$/)
      if (columns > 70) expect(line).toHaveLength(columns)
    }
  })

  test('a terminal narrower than any table is overrun rather than everything cut away', () => {
    expect(table(terminal(10), ['A', 'B'], [['a'.repeat(30), 'b'.repeat(30)]])).toContain(
      'aaaaaaa…  bbbbbbb…',
    )
  })

  test('control characters are replaced', () => {
    expect(table(pipe, ['A'], [['x\u001b[2J\ny\u202e']])).toBe('A\nx\u{FFFD}[2J\u{FFFD}y\u{FFFD}')
  })
})

test.each([
  ['a terminal', { isTTY: true, columns: 132 }, 132],
  ['a terminal that nobody told its width', { isTTY: true, columns: 0 }, 80],
  ['no terminal', { isTTY: false, columns: 132 }, 80],
])('%s has a width', (_what, stream, columns) => {
  expect(columnsOf(stream)).toBe(columns)
})

test('facts stand below one another; missing ones are left out', () => {
  expect(facts(pipe, { id: '1', longer: 'a\nb', none: undefined })).toBe('id      1\nlonger  a\u{FFFD}b')
})

test.each([
  ['short', 80, '  short'],
  ['one two three four', 10, '  one two\n  three\n  four'],
  ['a-word-that-is-too-long here', 10, '  a-word-that-is-too-long\n  here'],
  ['', 10, '  '],
])('"%s" is wrapped at %d', (text, width, wrapped) => {
  expect(wrap(text, width, '  ')).toBe(wrapped)
})

describe('colours', () => {
  test.each([
    ['on a terminal', terminal(80, {}), true],
    ['with an empty NO_COLOR', terminal(80, { NO_COLOR: '' }), true],
    ['with NO_COLOR', terminal(80, { NO_COLOR: '1' }), false],
    ['on a dumb terminal', terminal(80, { TERM: 'dumb' }), false],
    ['in a pipe', pipe, false],
  ])('%s', (_, io, coloured) => {
    expect(painter(io)('red', 'x') !== 'x').toBe(coloured)
  })
})

test('JSON keeps its lines and escapes whatever is not printable', () => {
  const value = { a: 'x\n\u0085\u2028\u{E0041}\ud800' }
  expect(jsonText(value, 2)).toBe(
    String.raw`{@  "a": "x\n\u0085\u2028\udb40\udc41\ud800"@}`.replaceAll('@', '\n'),
  )
  expect(JSON.parse(jsonText(value))).toEqual(value)
})
