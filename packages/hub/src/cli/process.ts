import { once } from 'node:events'
import { namedFetch } from '../base/user-agent.ts'
import { realWorld } from '../base/world.ts'
import { columnsOf, type CliIo, type TextOutput } from './cli-io.ts'
import { runCli } from './run.ts'

function output(stream: NodeJS.WriteStream): TextOutput {
  // The reader may close the pipe early: `watchbell signals | head`.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode)
    throw error
  })
  return {
    write: (text) => stream.write(text),
    async drained() {
      if (stream.writableNeedDrain) await once(stream, 'drain')
    },
    get isTTY() {
      return stream.isTTY
    },
    get columns() {
      return columnsOf(stream)
    },
  }
}

let stop: AbortController | undefined

function stopSignal(): AbortSignal {
  if (stop === undefined) {
    const controller = new AbortController()
    // Once: a second Ctrl-C ends the process at once.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
    stop = controller
  }
  return stop.signal
}

const io: CliIo = {
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  stdin: process.stdin,
  env: process.env,
  world: realWorld(namedFetch(globalThis.fetch)),
  stopSignal,
}
process.exitCode = await runCli(process.argv.slice(2), io)
