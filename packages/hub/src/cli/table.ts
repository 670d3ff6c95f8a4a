import { styleText } from 'node:util'
import { printable } from '@watchbell/receiver/base'
import type { CliIo } from './cli-io.ts'

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow'
export type Paint = (style: Style, text: string) => string

const cellCharsMax = 1_000
const columnCharsMin = 8
const gap = '  '

/** Colours on a terminal, unless NO_COLOR is set (no-color.org) or the terminal has none. */
export function painter({ stdout, env }: Pick<CliIo, 'stdout' | 'env'>): Paint {
  const coloured = stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text)
}

/** How long lines may be: a terminal's width; what goes into a file or a pipe is never cut. */
export function lineWidth({ stdout }: Pick<CliIo, 'stdout'>): number {
  return stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY
}

/**
 * Rows below a header; on a terminal the widest columns are shortened until a line fits.
 * @param whole - columns that are never shortened: people copy from them
 */
export function table(
  io: Pick<CliIo, 'stdout' | 'env'>,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  whole: readonly string[] = ['ID'],
): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell, cellCharsMax)))
  const widths = header.map((title, at) =>
    Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)),
  )
  const room = lineWidth(io) - gap.length * (header.length - 1)
  const giving = header.flatMap((title, at) => (whole.includes(title) ? [] : [at]))
  const widthAt = (at: number): number => widths[at] ?? 0
  while (sum(widths) > room) {
    const widest = giving.toSorted((a, b) => widthAt(b) - widthAt(a))[0]
    if (widest === undefined || widthAt(widest) <= columnCharsMin) break
    widths[widest] = widthAt(widest) - 1
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => shorten(cell, widthAt(at)).padEnd(widthAt(at)))
      .join(gap)
      .trimEnd()
  return [painter(io)('bold', line(header)), ...cells.map(line)].join('\n')
}

/** Names and values, one pair a line, the values below one another. */
export function facts(
  io: Pick<CliIo, 'stdout' | 'env'>,
  pairs: Readonly<Record<string, string | undefined>>,
): string {
  const given = Object.entries(pairs).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const width = Math.max(...given.map(([name]) => name.length))
  const paint = painter(io)
  return given
    .map(([name, value]) => `${paint('bold', name.padEnd(width))}  ${printable(value, cellCharsMax)}`)
    .join('\n')
}

/** Text from outside on one line of at most `charsMax` characters. */
export function oneLine(text: string, charsMax: number): string {
  return shorten(printable(text, cellCharsMax), charsMax)
}

function shorten(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, Math.max(0, charsMax - 1)).toWellFormed()}…`
}

/** Breaks text between words so that lines fit, each behind `indent`. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = []
  let line = ''
  for (const word of printable(text, 2 * cellCharsMax).split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, indent + line].join('\n')
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
