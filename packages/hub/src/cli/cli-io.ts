import { printableJson, printableLines } from '@watchbell/receiver/base'
import type { World } from '../base/world.ts'

export interface TextOutput {
  write(text: string): unknown
  /** Writes data unchanged, for programs. Undefined on a terminal. */
  readonly raw?: ((text: string) => unknown) | undefined
  /** Resolves when the reader has caught up. Await it when writing much, to bound memory. */
  drained(): Promise<void>
  readonly isTTY: boolean
  /** Width of the terminal, when it is one. */
  readonly columns: number
}

/** Everything that a command uses of its process; tests give their own. */
export interface CliIo {
  readonly stdout: TextOutput
  readonly stderr: TextOutput
  readonly stdin: AsyncIterable<Uint8Array>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly world: World
  /** Aborted by Ctrl-C or SIGTERM, which do not end the process after the first call. */
  stopSignal(): AbortSignal
}

const columnsUnknown = 80

/** Width of a terminal. Serial lines and containers may report 0: then 80. */
export function columnsOf({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number {
  return isTTY && columns > 0 ? columns : columnsUnknown
}

/** Exit code: the hub or the command refused or failed. */
export const exitRefused = 1
/** Exit code: the command line or a setting is wrong. */
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

/** Prints the result of a command: with `--json` the value, else the text. */
export function printResult(
  io: Pick<CliIo, 'stdout'>,
  options: { readonly json?: boolean | undefined },
  value: unknown,
  text: () => string,
): void {
  printLine(io.stdout, options.json === true ? jsonText(value, 2) : text())
}

/** JSON that cannot control a terminal: unprintable characters are escaped. */
export function jsonText(value: unknown, indent?: number): string {
  return printableJson(JSON.stringify(value, undefined, indent))
}

/** The same with outputs that cannot control a terminal, whatever text a command shows. */
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
