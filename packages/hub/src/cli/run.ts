import { Command, CommanderError } from 'commander'
import { isHubError } from '../base/hub-error.ts'
import { ownVersion } from '../base/version.ts'
import { SettingsError } from '../config/settings.ts'
import { CliError, exitRefused, exitWrongUsage, printLine, terminalSafe, type CliIo } from './cli-io.ts'
import { registerBackup } from './backup-command.ts'
import { registerClient } from './client-command.ts'
import { registerExport } from './export-command.ts'
import { registerHealth } from './health-command.ts'
import { registerImport } from './import-command.ts'
import { registerKey } from './key-command.ts'
import { registerErasure } from './erasure-command.ts'
import { registerEvaluate } from './evaluate-command.ts'
import { registerProvider } from './provider-command.ts'
import { registerRisk } from './risk-command.ts'
import { registerRiskProvider } from './risk-provider-command.ts'
import { registerLog } from './log-command.ts'
import { registerServe } from './serve-command.ts'
import { registerSend } from './send-command.ts'
import { registerSet } from './set-command.ts'
import { registerSignals } from './signals-command.ts'
import { registerStream } from './stream-command.ts'
import { registerSubject } from './subject-command.ts'
import { registerToken } from './token-command.ts'

/** Runs one command line. @returns the exit code: 0 success, 1 refused or failed, 2 wrong usage or settings */
export async function runCli(args: readonly string[], given: CliIo): Promise<number> {
  const io = terminalSafe(given)
  try {
    await createProgram(io).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return report(error, io)
  }
}

export function createProgram(io: CliIo): Command {
  const program = new Command('watchbell')
    .description('A self-hosted Shared Signals hub that speaks Okta’s public API.')
    .version(ownVersion(), '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns,
      getErrHelpWidth: () => io.stderr.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => write(text.replace(/^error: /, 'watchbell: ')),
    })
    .helpCommand(false)
    .showHelpAfterError('Add --help to see what can be given.')
    .addHelpText('after', programHelp)
  program.commandsGroup('The hub itself:')
  registerServe(program, io)
  registerHealth(program, io)
  registerProvider(program, io)
  registerRiskProvider(program, io)
  registerRisk(program, io)
  registerEvaluate(program, io)
  registerSubject(program, io)
  registerErasure(program, io)
  registerStream(program, io)
  registerSignals(program, io)
  registerLog(program, io)
  registerSend(program, io)
  registerToken(program, io)
  registerClient(program, io)
  registerKey(program, io)
  registerBackup(program, io)
  registerExport(program, io)
  registerImport(program, io)
  registerSet(program, io)
  return program
}

const programHelp = `
Examples:
  $ watchbell serve                             run a hub
  $ watchbell send session-revoked --register   send a signed event to the hub
  $ watchbell signals --follow                  show each event that arrives, and its verdict
  $ watchbell set decode token.jwt              show the contents of a token

Add --help to any command for its options and examples.
Exit codes: 0 success, 1 the hub or the command refused or failed, 2 wrong usage or settings.`

function report(error: unknown, io: CliIo): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitWrongUsage // commander has printed it
  const debug = io.env['WATCHBELL_LOG_LEVEL'] === 'debug' && error instanceof Error
  const say = (message: string): void => {
    printLine(io.stderr, `watchbell: ${debug ? (error.stack ?? message) : message}`)
  }
  if (error instanceof CliError) {
    say(error.message)
    return error.exitCode
  }
  if (error instanceof SettingsError) {
    say(error.message)
    return exitWrongUsage
  }
  if (isHubError(error)) {
    say(error.detail)
    return exitRefused
  }
  const message = error instanceof Error ? error.message : String(error)
  say(`this should not happen: ${message}${debug ? '' : ' (WATCHBELL_LOG_LEVEL=debug shows where)'}`)
  return exitRefused
}
