import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { realWorld } from '../base/world.ts'
import type { CliIo, TextOutput } from './cli-io.ts'
import { createProgram } from './run.ts'

let printed = ''
const output: TextOutput = {
  write: (text) => (printed += text),
  drained: () => Promise.resolve(),
  isTTY: false,
  columns: 200,
}
const io: CliIo = {
  stdout: output,
  stderr: output,
  stdin: (async function* () {})(),
  env: {},
  world: realWorld(globalThis.fetch),
  stopSignal: () => new AbortController().signal,
}

function helpOf(command: Command): string {
  printed = ''
  command.outputHelp()
  return printed
}

function withPath(command: Command, path = command.name()): readonly (readonly [string, Command])[] {
  return [[path, command], ...command.commands.flatMap((child) => withPath(child, `${path} ${child.name()}`))]
}

const commands = withPath(createProgram(io))
const commandAt = new Map(commands)

test.each(commands)('the help of %s says what it does and has examples', (_path, command) => {
  const help = helpOf(command)
  expect(command.description()).toMatch(/^[A-Z].*\.$/s)
  expect(help).toMatch(/\nExamples?:\n {2}\$ /)
})

test.each(commands)('the examples of %s name commands and options that exist', (_path, command) => {
  const lines = helpOf(command)
    .replaceAll('\\\n', ' ')
    .matchAll(/^ {2}\$ .*?(watchbell .*)$/gm)
  for (const [, line = ''] of lines) {
    for (const part of line.split(/[|)]|&&/).filter((text) => text.includes('watchbell '))) {
      const words = part.slice(part.indexOf('watchbell ')).trim().split(/\s+/)
      const depth = words.findLastIndex((_word, at) => commandAt.has(words.slice(0, at + 1).join(' ')))
      const used = commandAt.get(words.slice(0, depth + 1).join(' '))
      const known = ['--help', ...(used?.options ?? []).map(({ long }) => long)]
      const unknown = words.filter((word) => word.startsWith('--') && !known.includes(word))
      expect({ part, isCommand: depth > 0, unknown }).toEqual({ part, isCommand: true, unknown: [] })
    }
  }
})
