import { Option, type Command } from 'commander'
import { riskLevels, type RiskLevel } from '../risk/risk-level.ts'
import type { SubjectDetailsBody } from '../wire/subjects.ts'
import { printResult, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubOptions } from './hub-client.ts'
import { fetchSubject, reasonTable } from './subject-command.ts'
import { facts } from './table.ts'

interface SetOptions extends HubOptions {
  readonly level: RiskLevel
  readonly reason?: string
}

export function registerRisk(program: Command, io: CliIo): void {
  const risk = program
    .command('risk')
    .description('Show and set the risk level of a user, device, session or address.')
    .addHelpText(
      'after',
      examples(
        'watchbell risk show ada@example.com',
        'watchbell risk set ada@example.com HIGH --reason "Laptop stolen"',
      ),
    )
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(risk.command('show'))
    .description('Show the risk level of a subject and the reasons for it.')
    .addHelpText('after', examples('watchbell risk show ada@example.com', 'watchbell risk show 203.0.113.7'))
    .argument('<user-or-ip>', 'sign-in name, email address, IP address or entity id')
    .action(async (wanted: string, options: HubOptions) => {
      const subject = await fetchSubject(openHub(io, options), wanted)
      printResult(io, options, subject, () => described(io, subject))
    })

  hubOptions(risk.command('set'))
    .description('Set the risk level of a subject. It overrides all earlier reasons.')
    .addHelpText(
      'after',
      examples(
        'watchbell risk set ada@example.com HIGH --reason "Laptop stolen"',
        'watchbell risk set 203.0.113.7 NONE',
      ),
    )
    .argument('<subject>', 'sign-in name, email address, IP address, another identifier, or entity id')
    .addOption(new Option('--level <level>', 'the level').choices(riskLevels).makeOptionMandatory())
    .option('--reason <text>', 'the reason: letters, digits, spaces and - , .')
    .action(async (wanted: string, { level, reason, ...options }: SetOptions) => {
      const body = { level, ...(reason !== undefined && { reason }) }
      const call = { params: { id: wanted }, body }
      const set = await openHub(io, options).call('PUT /v1/subjects/:id/risk', call)
      printResult(io, options, set, () => `${wanted} has the level ${set.level} now.`)
    })

  for (const [verb, operation, description, result] of dismissals) {
    hubOptions(risk.command(verb))
      .description(description)
      .addHelpText(
        'after',
        examples('watchbell risk show ada@example.com', `watchbell risk ${verb} ada@example.com REASON`),
      )
      .argument('<subject>', 'sign-in name, email address, IP address, another identifier, or entity id')
      .argument('<reason>', 'the id of the reason: `watchbell risk show` has it')
      .action(async (wanted: string, reason: string, options: HubOptions) => {
        const params = { id: wanted, reason }
        const left = await openHub(io, options).call(operation, { params })
        printResult(
          io,
          options,
          left,
          () => `The reason ${result}. ${wanted} has the level ${left.level} now.`,
        )
      })
  }
}

const dismissals = [
  [
    'dismiss',
    'PUT /v1/subjects/:id/reasons/:reason/dismissal',
    'Dismiss one reason, such as a false positive. It counts again when its source states it again.',
    'is dismissed',
  ],
  [
    'restore',
    'DELETE /v1/subjects/:id/reasons/:reason/dismissal',
    'Restore a dismissed reason.',
    'counts again',
  ],
] as const

function described(io: CliIo, subject: SubjectDetailsBody): string {
  const { id, kind, level, reported_level: reported, identifiers, reasons, dismissed } = subject
  const about = facts(io, {
    id,
    kind,
    level,
    ...(reported !== 'NONE' && { 'log-only level': reported }),
    // A sign-in name is often the email address too.
    known: [...new Set(identifiers.map(({ value }) => value))].join(', '),
  })
  return [
    about,
    ...(reasons.length === 0 ? [] : [reasonTable(io, reasons)]),
    ...(dismissed.length === 0 ? [] : [`Dismissed:\n${reasonTable(io, dismissed)}`]),
  ].join('\n\n')
}
