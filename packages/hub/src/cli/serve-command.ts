import type { Command } from 'commander'
import { loadSettings, unknownNames } from '../config/load-settings.ts'
import { givenEntries, SettingsError } from '../config/settings.ts'
import { StartError } from '../config/start-error.ts'
import type { RunningHub } from '../run/run-hub.ts'
import { CliError, exitRefused, printLine, type CliIo } from './cli-io.ts'

/** A graceful stop ends after this time. Accepted SETs are on disk in any case. */
export const stopMaxMs = 10_000

const help = `
Every flag is also an environment variable (--listen is WATCHBELL_LISTEN) and a line of the file that --env-file names.
A flag overrides the environment, and the environment overrides the file. docs/configuration.md lists all settings.

Examples:
  $ watchbell serve
  $ watchbell serve --listen 0.0.0.0:8080 --origin https://hub.example --data /var/lib/watchbell

Stop it with Ctrl-C or SIGTERM: it finishes running requests, stores everything in memory, and ends within 10 seconds.`

/** `watchbell serve`: the hub itself. */
export function registerServe(program: Command, io: CliIo): void {
  const command = program
    .command('serve')
    .description('Run the hub: receive security events and serve the API.')
    .option('--env-file <file>', 'file of NAME=value lines with settings')
    .option('--json', 'print where it listens as one line of JSON')
    .addHelpText('after', help)
  for (const { flag, meaning, default: shown, whenBare } of givenEntries) {
    command.option(
      `--${flag} ${whenBare === undefined ? '<value>' : '[value]'}`,
      shown === undefined ? meaning : `${meaning} Default: ${shown}.`,
    )
  }
  command.action(async (_options: unknown, command: Command) => {
    const options = command.opts<Record<string, string | boolean | undefined>>()
    await serve(io, {
      file: text(options['envFile']),
      json: options['json'] === true,
      flags: Object.fromEntries(
        givenEntries.map(({ flag, whenBare }) => {
          const given = options[camelCase(flag)]
          return [flag, given === true ? whenBare : text(given)]
        }),
      ),
    })
  })
}

interface ServeOptions {
  readonly file: string | undefined
  readonly json: boolean
  readonly flags: Readonly<Record<string, string | undefined>>
}

async function serve(io: CliIo, { file, json, flags }: ServeOptions): Promise<void> {
  for (const name of unknownNames(io.env)) {
    printLine(io.stderr, `watchbell: ${name} is set and is no setting of Watchbell; it is ignored`)
  }
  const stop = io.stopSignal()
  const settings = loadSettings({ environment: io.env, flags, file })
  const { startHub } = await import('../run/run-hub.ts') // only this command needs the whole hub
  const running = await startHub(settings).catch((error: unknown) => {
    throw cannotStart(error)
  })
  try {
    announce(io, running, json)
    await Promise.race([stopped(stop), running.died])
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(`the database stopped working (${reason}); start again`, exitRefused)
  } finally {
    const overdue = setTimeout(() => {
      printLine(io.stderr, 'watchbell: stopping took longer than 10 seconds; ending at once')
      process.exit(exitRefused)
    }, stopMaxMs)
    await running[Symbol.asyncDispose]()
    clearTimeout(overdue)
  }
}

function cannotStart(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SettingsError) return error
  return new CliError(error instanceof StartError ? error.message : `cannot start: ${error.message}`)
}

function announce(
  io: CliIo,
  { origin, listener, hub: { standby }, firstToken, firstTokenFile }: Omit<RunningHub, keyof AsyncDisposable>,
  json: boolean,
): void {
  if (json) {
    printLine(
      io.stdout,
      JSON.stringify({
        origin,
        listener,
        ...(standby !== undefined && { standby }),
        ...(firstToken !== undefined && { admin_token: firstToken }),
        ...(firstTokenFile !== undefined && { admin_token_file: firstTokenFile }),
      }),
    )
    return
  }
  const isDirect = origin === `http://${listener}`
  printLine(
    io.stdout,
    `Watchbell listens on ${isDirect ? origin : `${listener}, and is reached as ${origin} (WATCHBELL_ORIGIN)`}`,
  )
  if (standby !== undefined) {
    printLine(
      io.stdout,
      `It is a standby, because ${standby}: it takes no signals and leaves transmitters alone. --standby false makes it the hub itself.`,
    )
  }
  if (firstTokenFile !== undefined) printLine(io.stdout, `Admin token: in the file ${firstTokenFile}`)
  if (firstToken === undefined) return
  printLine(io.stdout, '')
  printLine(io.stdout, `Admin token, shown this once: ${firstToken}`)
  printLine(io.stdout, `  curl -H 'Authorization: SSWS ${firstToken}' ${origin}/v1/signals`)
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase())
}
