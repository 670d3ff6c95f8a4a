import { Option, type Command } from 'commander'
import type { ApiToken, TokenRole } from '../access/api-token.ts'
import { createApiTokens, type ApiTokens } from '../access/api-tokens.ts'
import { silentLogger } from '../base/logger.ts'
import { journaledAccess } from '../systemlog/access-entries.ts'
import { printJson, printLine, type CliIo } from './cli-io.ts'
import {
  localGroup,
  localOptions,
  openLocalHub,
  openOrMakeLocalHub,
  type LocalHub,
  type LocalOptions,
} from './local-hub.ts'
import { table } from './table.ts'

interface CreateOptions extends LocalOptions {
  readonly name: string
  readonly role: TokenRole
}

export function registerToken(program: Command, io: CliIo): void {
  const token = program
    .command('token')
    .description(
      'API tokens (SSWS): make, list and revoke them. Works on the database, so no hub and no token is needed.',
    )
    .helpGroup(localGroup)

  localOptions(token.command('create'))
    .description('Make an API token. Its secret is printed this once, alone on standard output.')
    .requiredOption('--name <name>', 'what to call it; unique among live tokens')
    .addOption(
      new Option('--role <role>', 'admin may do everything, read_only may look at everything')
        .choices(['admin', 'read_only'])
        .default('admin'),
    )
    .addHelpText('after', createExamples)
    .action(async (options: CreateOptions) => {
      await using hub = await openOrMakeLocalHub(io, options)
      const { token, secret } = await tokensOf(io, hub).create({ name: options.name, role: options.role })
      if (options.json === true) return printJson(io.stdout, { ...tokenBody(token), token: secret })
      printLine(
        io.stderr,
        `API token "${token.name}" (${token.id}), role ${token.role}. It is shown this once:`,
      )
      printLine(io.stdout, secret)
    })

  localOptions(token.command('list'))
    .description(
      'List API tokens, newest first, revoked ones too. Secrets are not kept, so they are not shown.',
    )
    .action(async (options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      const tokens = await tokensOf(io, hub).list()
      if (options.json === true) return printJson(io.stdout, tokens.map(tokenBody))
      if (tokens.length === 0)
        return printLine(io.stdout, 'There are no tokens; `watchbell token create --name cli` makes one.')
      const rows = tokens.map(({ id, role, name, lastUsedAt, revokedAt }) => [
        id,
        role,
        name,
        revokedAt === undefined ? `used ${day(lastUsedAt) ?? 'never'}` : `revoked ${day(revokedAt)}`,
      ])
      printLine(io.stdout, table(io, ['ID', 'ROLE', 'NAME', 'STATE'], rows))
    })

  localOptions(token.command('revoke'))
    .description('Revoke an API token. A running hub refuses it from then on.')
    .argument('<id-or-name>')
    .action(async (wanted: string, options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      const revoked = await tokensOf(io, hub).revoke(wanted)
      if (options.json === true) return printJson(io.stdout, tokenBody(revoked))
      printLine(io.stdout, `API token "${revoked.name}" (${revoked.id}) is revoked.`)
    })
}

const createExamples = `
Examples:
  $ watchbell token create --name grafana --role read_only
  $ export WATCHBELL_TOKEN=$(watchbell token create --name cli)`

function tokensOf({ world }: CliIo, storage: LocalHub): ApiTokens {
  return createApiTokens({ world, storage: journaledAccess(world, storage), logger: silentLogger })
}

function tokenBody({ id, name, role, createdAt, lastUsedAt, revokedAt }: ApiToken): object {
  return {
    id,
    name,
    role,
    created_at: createdAt,
    last_used_at: lastUsedAt ?? null,
    revoked_at: revokedAt ?? null,
  }
}

function day(date: Date | undefined): string | undefined {
  return date?.toISOString().slice(0, 10)
}
