import { Option, type Command } from 'commander'
import { isExpired, type ApiToken, type TokenRole } from '../access/api-token.ts'
import { createApiTokens, tokenLifetimeDaysMax, type ApiTokens } from '../access/api-tokens.ts'
import { silentLogger } from '@watchbell/receiver/base'
import { journaled } from '../journal/journal.ts'
import { printResult, printLine, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import {
  localGroup,
  localOptions,
  openLocalHub,
  openOrMakeLocalHub,
  type LocalHub,
  type LocalOptions,
} from './local-hub.ts'
import { timeAhead } from './option-readers.ts'
import { table } from './table.ts'

interface CreateOptions extends LocalOptions {
  readonly name: string
  readonly role: TokenRole
  readonly expires?: Date
}

export function registerToken(program: Command, io: CliIo): void {
  const token = program
    .command('token')
    .description(
      'Create, list and revoke API tokens (SSWS), in the database: without a running hub and without a token.',
    )
    .addHelpText('after', examples('watchbell token create --name cli', 'watchbell token list'))
    .helpGroup(localGroup)

  localOptions(token.command('create'))
    .description('Create an API token. Its secret is printed only once, alone on standard output.')
    .requiredOption('--name <name>', 'name of the token; unique among valid tokens')
    .addOption(
      new Option('--role <role>', 'admin may read and change everything, read_only may read everything')
        .choices(['admin', 'read_only'])
        .default('admin'),
    )
    .option(
      '--expires <when>',
      `when it expires: after a duration such as 90d (s, m, h, d), or at a time such as 2027-01-31T12:00:00Z; at most ${tokenLifetimeDaysMax} days. Never unless given`,
      timeAhead(() => io.world.now()),
    )
    .addHelpText('after', createExamples)
    .action(async (options: CreateOptions) => {
      const { name, role, expires } = options
      await using hub = await openOrMakeLocalHub(io, options)
      const { token, secret } = await tokensOf(io, hub).create({ name, role, expiresAt: expires })
      if (options.json !== true) {
        printLine(
          io.stderr,
          `API token "${token.name}" (${token.id}), role ${token.role}${expiryOf(token)}. It is shown this once:`,
        )
      }
      printResult(io, options, { ...tokenBody(token), token: secret }, () => secret)
    })

  localOptions(token.command('list'))
    .description(
      'List API tokens, newest first, including revoked ones. Secrets are not stored and not shown.',
    )
    .addHelpText('after', examples('watchbell token list', 'watchbell token list --data /var/lib/watchbell'))
    .action(async (options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      const tokens = await tokensOf(io, hub).list()
      printResult(io, options, tokens.map(tokenBody), () => {
        if (tokens.length === 0) return 'There are no tokens; `watchbell token create --name cli` makes one.'
        const now = io.world.now()
        const rows = tokens.map((token) => [token.id, token.role, token.name, stateOf(token, now)])
        return table(io, ['ID', 'ROLE', 'NAME', 'STATE'], rows)
      })
    })

  localOptions(token.command('revoke'))
    .description('Revoke an API token. A running hub refuses it at once.')
    .addHelpText('after', examples('watchbell token revoke cli'))
    .argument('<id-or-name>')
    .action(async (wanted: string, options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      const revoked = await tokensOf(io, hub).revoke(wanted)
      printResult(
        io,
        options,
        tokenBody(revoked),
        () => `API token "${revoked.name}" (${revoked.id}) is revoked.`,
      )
    })
}

const createExamples = `
Examples:
  $ watchbell token create --name grafana --role read_only --expires 90d
  $ export WATCHBELL_TOKEN=$(watchbell token create --name cli)`

function tokensOf({ world }: CliIo, storage: LocalHub): ApiTokens {
  return createApiTokens({ world, storage: journaled(storage, world), logger: silentLogger })
}

function expiryOf({ expiresAt }: ApiToken): string {
  return expiresAt === undefined ? '' : `, expires ${expiresAt.toISOString()}`
}

function stateOf(token: ApiToken, now: Date): string {
  const { lastUsedAt, expiresAt, revokedAt } = token
  if (revokedAt !== undefined) return `revoked ${day(revokedAt)}`
  if (isExpired(token, now)) return `expired ${day(expiresAt)}`
  const used = `used ${day(lastUsedAt) ?? 'never'}`
  return expiresAt === undefined ? used : `${used}, expires ${day(expiresAt)}`
}

function tokenBody({ id, name, role, createdAt, lastUsedAt, expiresAt, revokedAt }: ApiToken): object {
  return {
    id,
    name,
    role,
    created_at: createdAt,
    last_used_at: lastUsedAt ?? null,
    expires_at: expiresAt ?? null,
    revoked_at: revokedAt ?? null,
  }
}

function day(date: Date | undefined): string | undefined {
  return date?.toISOString().slice(0, 10)
}
