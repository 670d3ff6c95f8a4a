import { Option, type Command } from 'commander'
import { riskLevels } from '../risk/risk-level.ts'
import { printJson, printLine, type CliIo } from './cli-io.ts'
import { hubOptions, openHub, type HubOptions } from './hub-client.ts'
import { findSubject, reasonTable, type SubjectBody } from './subject-command.ts'
import { facts } from './table.ts'

interface SetOptions extends HubOptions {
  readonly level: string
  readonly reason?: string
}

export function registerRisk(program: Command, io: CliIo): void {
  const risk = program
    .command('risk')
    .description('How risky a user, device, session or address is, and why.')
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(risk.command('show'))
    .description('Show the level and the reasons for it.')
    .argument('<user-or-ip>', 'sign-in name, email address, IP address or entity id')
    .action(async (wanted: string, options: HubOptions) => {
      const subject = await findSubject(openHub(io, options), wanted)
      if (options.json === true) return printJson(io.stdout, subject)
      printLine(io.stdout, described(io, subject))
    })

  hubOptions(risk.command('set'))
    .description('Set the level of a user. What was said of the user before counts no longer.')
    .argument('<user>', 'sign-in name, email address or entity id')
    .addOption(
      new Option('--level <level>', 'the level')
        .choices(riskLevels.filter((level) => level !== 'NONE'))
        .makeOptionMandatory(),
    )
    .option('--reason <text>', 'why; letters, digits, spaces and - , .')
    .action(async (user: string, { level, reason, ...options }: SetOptions) => {
      const path = `/api/v1/users/${encodeURIComponent(user)}/risk`
      const body = { riskLevel: level, ...(reason !== undefined && { riskReason: reason }) }
      const set = (await openHub(io, options).request('PUT', path, body)) as { riskLevel: string } // row U3
      if (options.json === true) return printJson(io.stdout, set)
      printLine(io.stdout, `${user} has the level ${set.riskLevel} now.`)
    })
}

function described(io: CliIo, subject: SubjectBody): string {
  const { id, kind, level, reported_level: reported, identifiers, reasons } = subject
  const about = facts(io, {
    id,
    kind,
    level,
    ...(reported !== 'NONE' && { 'log-only level': reported }),
    // A sign-in name is often the email address too.
    known: [...new Set(identifiers.map(({ value }) => value))].join(', '),
  })
  if (reasons.length === 0) return about
  return `${about}\n\n${reasonTable(io, reasons)}`
}
