import type { Command } from 'commander'
import type { DecisionBody, OpinionBody } from '../wire/evaluation.ts'
import { printResult, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubOptions } from './hub-client.ts'
import { painter, wrap, type Style } from './table.ts'

interface EvaluateOptions extends HubOptions {
  readonly user: string
  readonly userIssuer?: string
  readonly ip?: string
  readonly device?: string
  readonly session?: string
  readonly issuedAt?: string
  readonly userAgent?: string
  readonly action: string
  readonly resource: string
}

const styles: Record<OpinionBody['outcome'], Style> = { allow: 'green', challenge: 'yellow', deny: 'red' }

export function registerEvaluate(program: Command, io: CliIo): void {
  hubOptions(program.command('evaluate'))
    .description('Ask whether a user may sign in now, and why: allow, challenge or deny.')
    .addHelpText(
      'after',
      examples(
        'watchbell evaluate ada@example.com',
        'watchbell evaluate ada@example.com --ip 203.0.113.7 --device laptop-7',
      ),
    )
    .helpGroup('Commands that talk to a running hub:')
    .requiredOption('--user <user>', 'sign-in name, email address or entity id')
    .option('--user-issuer <issuer>', 'issuer of the id, when the user is an id of one issuer')
    .option('--ip <address>', 'address of the client')
    .option('--device <id>', 'id of the device')
    .option('--session <id>', 'id of the session')
    .option('--issued-at <time>', 'when the session began, such as 2026-01-31T12:00:00Z')
    .option('--user-agent <text>', 'browser, for the System Log')
    .option('--action <name>', 'action of the question', 'authenticate')
    .option('--resource <id>', 'resource of the question', 'watchbell evaluate')
    .action(async (options: EvaluateOptions) => {
      const { user, userIssuer, ip, device, session, issuedAt, userAgent, action, resource } = options
      const answer = await openHub(io, options).call('POST /access/v1/evaluation', {
        body: {
          subject: {
            type: 'user',
            id: user,
            ...(userIssuer !== undefined && { properties: { iss: userIssuer } }),
          },
          action: { name: action },
          resource: { type: 'app', id: resource },
          context: { ip, device, session, issued_at: issuedAt, user_agent: userAgent },
        },
      })
      printResult(io, options, answer, () => evaluationText(io, answer))
    })
}

function evaluationText(io: CliIo, { context }: DecisionBody): string {
  const { outcome, level, reasons, reasons_total: total, reported, notes = [] } = context
  const listed = (texts: readonly string[]): string[] =>
    texts.map((text) => `  ${wrap(text, io.stdout.columns - 4, '    ').trim()}`)
  return [
    `${painter(io)(styles[outcome], outcome.toUpperCase())}, risk level ${level}`,
    ...listed(reasons.map(({ text }) => text)),
    ...(total === undefined ? [] : listed([`And ${total - reasons.length} more.`])),
    ...(reported.reasons.length === 0
      ? []
      : [
          `Log-only sources would have said ${outcome === reported.outcome ? 'the same' : reported.outcome.toUpperCase()}, risk level ${reported.level}:`,
          ...listed(reported.reasons.map(({ text }) => text)),
        ]),
    ...notes,
  ].join('\n')
}
