import { printableJson, printableLines } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'

export interface TextOutput {
  write(text: string): unknown
  /** As it is, to programs: for data that must not change on its way. Undefined on a terminal. */
  readonly raw?: ((text: string) => unknown) | undefined
  /** Resolves when the reader has kept up: whoever writes much waits for it, else memory fills. */
  drained(): Promise<void>
  readonly isTTY: boolean
  /** Width of the terminal, when it is one. */
  readonly columns: number
}

/** All that a command touches of the process that it runs in; tests hand in their own. */
export interface CliIo {
  readonly stdout: TextOutput
  readonly stderr: TextOutput
  readonly stdin: AsyncIterable<Uint8Array>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly world: World
  /** Aborted by Ctrl-C or SIGTERM. From the first call on these no longer end the process by themselves. */
  stopSignal(): AbortSignal
}

const columnsUnknown = 80

/** Width of a terminal, or what it is taken for: a serial line or a container's terminal that nobody told says 0. */
export function columnsOf({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number {
  return isTTY && columns > 0 ? columns : columnsUnknown
}

/** The hub or the command said no. */
export const exitRefused = 1
/** The command line or a setting is wrong. */
export const exitWrongUsage = 2

/** Ends a command with a message for its user, which names the fix. Only the command line throws it. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitRefused) {
    super(message)
    this.exitCode = exitCode
  }
}

export function wrongUsage(message: string): CliError {
  return new CliError(message, exitWrongUsage)
}

/** One line; without an argument an empty one. */
export function printLine({ write }: Pick<TextOutput, 'write'>, text = ''): void {
  write(`${text}\n`)
}

/** What a command found or did: with `--json` the value, else the text that says it. */
export function printResult(
  io: Pick<CliIo, 'stdout'>,
  options: { readonly json?: boolean | undefined },
  value: unknown,
  text: () => string,
): void {
  printLine(io.stdout, options.json === true ? jsonText(value, 2) : text())
}

/** JSON that cannot steer a terminal, whatever stands in it: what is not printable is written as an escape. */
export function jsonText(value: unknown, indent?: number): string {
  return printableJson(JSON.stringify(value, undefined, indent))
}

/** The same surroundings, but that nothing written to them steers a terminal, whoever's words a command shows. */
export function terminalSafe(io: CliIo): CliIo {
  return { ...io, stdout: safeOutput(io.stdout), stderr: safeOutput(io.stderr) }
}

function safeOutput(output: TextOutput): TextOutput {
  return {
    write: (text) => output.write(printableLines(text, output.isTTY)),
    raw: output.isTTY ? undefined : (text) => output.write(text),
    drained: () => output.drained(),
    get isTTY() {
      return output.isTTY
    },
    get columns() {
      return output.columns
    },
  }
}
