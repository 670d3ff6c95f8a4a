import { Readable } from 'node:stream'
import { realWorld, type World } from '../src/base/world.ts'
import type { CliIo, TextOutput } from '../src/cli/cli-io.ts'
import { runCli } from '../src/cli/run.ts'

export interface CliRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliSurroundings {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** A terminal of that width; otherwise everything goes into a pipe. */
  readonly terminalColumns?: number
  readonly stop?: AbortSignal
  readonly world?: Partial<World>
  /** Called with all of stdout so far whenever something was added. */
  readonly onStdout?: (stdout: string) => void
}

/** Runs one command line in this process, with everything it touches handed in. */
export async function runInProcess(
  args: readonly string[],
  surroundings: CliSurroundings = {},
): Promise<CliRun> {
  const { env = {}, stdin = '', terminalColumns, world = {}, onStdout } = surroundings
  const texts = { stdout: '', stderr: '' }
  const output = (name: keyof typeof texts): TextOutput => ({
    write(text) {
      texts[name] += text
      if (name === 'stdout') onStdout?.(texts.stdout)
    },
    drained: async () => undefined,
    isTTY: terminalColumns !== undefined,
    columns: terminalColumns ?? 80,
  })
  const io: CliIo = {
    stdout: output('stdout'),
    stderr: output('stderr'),
    stdin: Readable.from([Buffer.from(stdin)]),
    env,
    world: { ...realWorld(globalThis.fetch), ...world },
    stopSignal: () => surroundings.stop ?? new AbortController().signal,
  }
  const exitCode = await runCli(args, io)
  return { exitCode, ...texts }
}
