import type { Command } from 'commander'
import { settingEntries, SettingProblem } from '../config/settings.ts'
import { printable } from '@watchbell/receiver/base'
import { pathOf } from '../wire/operation.ts'
import { CliError, printLine, wrongUsage, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOrigin, noAnswer } from './hub-client.ts'
import { countOf } from './progress.ts'

interface HealthOptions {
  readonly url?: string
  readonly live?: boolean
}

/** Without an answer in this time the hub counts as down. */
export const healthTimeoutMs = 5_000

/** `watchbell health`: for container engines and scripts, which read the exit code and have no curl. */
export function registerHealth(program: Command, io: CliIo): void {
  program
    .command('health')
    .description('Check the hub on this machine: exit code 0 when it is ready, 1 when it is not.')
    .addHelpText(
      'after',
      examples('watchbell health', 'watchbell health --live', 'watchbell health --url https://hub.example'),
    )
    .helpGroup('Commands that talk to a running hub:')
    .option(
      '--url <origin>',
      'where the hub is (WATCHBELL_URL, else where WATCHBELL_LISTEN says, else http://127.0.0.1:8080)',
    )
    .option('--live', 'check only whether the hub answers, not its database')
    .action(async ({ url, live }: HealthOptions) => {
      const origin = hubOrigin(io, url || io.env['WATCHBELL_URL'] || ownOrigin(io.env['WATCHBELL_LISTEN']))
      const { status, text } = await ask(io, origin, pathOf(live === true ? 'GET /healthz' : 'GET /readyz'))
      if (status !== 200) throw new CliError(`The hub at ${origin} says ${status}${reasonIn(text)}`)
      const standby = /"standby":"([^"\\]+)"/.exec(text)?.[1]
      printLine(io.stdout, `The hub at ${origin} is ${live === true ? 'alive' : 'ready'}.`)
      const [, waiting, since = ''] =
        /"erasures":\{"waiting":(\d{1,9}),"since":"([\w:.-]+)"\}/.exec(text) ?? []
      if (waiting !== undefined) {
        printLine(
          io.stdout,
          `${countOf(Number(waiting), 'erasure')} ${waiting === '1' ? 'is' : 'are'} not done, the oldest asked for at ${since}.`,
        )
      }
      if (standby !== undefined) printLine(io.stdout, `It is a standby, because ${printable(standby, 300)}.`)
    })
}

/** The local address of the hub: its public origin may belong to a load balancer before several nodes. */
function ownOrigin(listen: string | undefined): string | undefined {
  if (listen === undefined || listen === '') return 'http://127.0.0.1:8080'
  try {
    const { host, port } = settingEntries.listen.read(listen)
    const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
    return `http://${near.includes(':') ? `[${near}]` : near}:${port}`
  } catch (error) {
    if (error instanceof SettingProblem) throw wrongUsage(`WATCHBELL_LISTEN: ${error.message}`)
    throw error
  }
}

async function ask(
  { world }: Pick<CliIo, 'world'>,
  origin: string,
  path: string,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await world.fetch(origin + path, {
      redirect: 'manual',
      signal: AbortSignal.timeout(healthTimeoutMs),
    })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    throw noAnswer(error, origin)
  }
}

function reasonIn(text: string): string {
  const [, reason] = /"reason":"([\w ,.]+)"/.exec(text) ?? []
  return reason === undefined ? '.' : `: ${reason}`
}
