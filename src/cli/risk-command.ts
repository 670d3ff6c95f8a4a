import { Option, type Command } from 'commander'
import { riskLevels } from '../risk/risk-level.ts'
import { CliError, printJson, printLine, type CliIo } from './cli-io.ts'
import { HubAnswerError, hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { facts, table } from './table.ts'

interface SetOptions extends HubOptions {
  readonly level: string
  readonly reason?: string
}

/** A subject as `GET /v1/subjects/{id}` shows it. */
interface SubjectBody {
  readonly id: string
  readonly kind: string
  readonly level: string
  readonly reported_level: string
  readonly identifiers: readonly { readonly value: string }[]
  readonly reasons: readonly {
    readonly level: string
    readonly detection: string
    readonly source_id: string
    readonly occurred_at: string
    readonly expires_at: string | null
  }[]
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

/** @throws CliError when nothing was ever said of it */
async function findSubject(hub: HubClient, wanted: string): Promise<SubjectBody> {
  try {
    return (await hub.request('GET', `/v1/subjects/${encodeURIComponent(wanted)}`)) as SubjectBody // its own shape
  } catch (error) {
    if (!(error instanceof HubAnswerError) || error.status !== 404) throw error
    throw new CliError(`The hub knows nothing of '${wanted}': its level is NONE.`)
  }
}

function described(io: CliIo, subject: SubjectBody): string {
  const { id, kind, level, reported_level: reported, identifiers, reasons } = subject
  const about = facts(io, {
    id,
    kind,
    level,
    ...(reported !== 'NONE' && { 'log-only level': reported }),
    known: identifiers.map(({ value }) => value).join(', '),
  })
  if (reasons.length === 0) return about
  const rows = reasons.map((reason) => [
    reason.level,
    reason.detection,
    reason.source_id,
    reason.occurred_at,
    reason.expires_at ?? 'until replaced',
  ])
  return `${about}\n\n${table(io, ['LEVEL', 'WHY', 'SOURCE', 'SINCE', 'UNTIL'], rows)}`
}
