import type { Command } from 'commander'
import { isJsonObject } from '@watchbell/receiver/base'
import type { ProviderTrustBody, ProviderTrustRequestBody } from '../wire/providers.ts'
import { printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { hubOptions, openHub, type HubOptions } from './hub-client.ts'
import { readJsonInput } from './input.ts'
import { findProvider } from './provider-command.ts'
import { facts, table } from './table.ts'

interface TrustOptions extends HubOptions {
  readonly set?: string
}

/** `watchbell provider trust`. @param providerNames - what a provider may be named by, for the help */
export function registerProviderTrust(provider: Command, io: CliIo, providerNames: string): void {
  hubOptions(provider.command('trust'))
    .description(
      'Show or set the trust in a provider: the subjects that it may speak of, and the identifiers that it may join.',
    )
    .argument('<provider>', providerNames)
    .option(
      '--set <file>',
      'a JSON file with the new trust, or - for standard input; missing members get their default',
    )
    .addHelpText('after', trustExamples)
    .action(async (wanted: string, { set, ...options }: TrustOptions) => {
      const hub = openHub(io, options)
      const { id } = await findProvider(hub, wanted)
      const params = { id }
      const trust = await (set === undefined
        ? hub.call('GET /v1/providers/:id/trust', { params })
        : hub.call('PUT /v1/providers/:id/trust', { params, body: await readTrust(io, set) }))
      printResult(io, options, trust, () => described(io, trust))
    })
}

async function readTrust(io: CliIo, file: string): Promise<ProviderTrustRequestBody> {
  const trust = await readJsonInput(io, file)
  if (isJsonObject(trust)) return trust // the hub says what is wrong with it
  throw wrongUsage('The new trust must be a JSON object: `watchbell provider trust --help` has examples.')
}

const trustExamples = `
Examples:
  $ watchbell provider trust edr
  $ echo '{"speaks_of": {"domains": ["corp.example"]}}' | watchbell provider trust edr --set -
  $ echo '{"joins": {"issuers": ["https://idp.example"]}}' | watchbell provider trust edr --set -

docs/trust.md says what each member means.`

function described(
  io: CliIo,
  { speaks_of: speaks, joins, precedence, refused_claims: refused }: ProviderTrustBody,
): string {
  const listed = (values: readonly string[] | null): string =>
    values === null ? 'any' : values.length === 0 ? 'none' : values.join(', ')
  const about = facts(io, {
    'speaks of domains': listed(speaks.domains),
    'speaks of issuers': listed(speaks.issuers),
    'sends events': listed(speaks.events),
    'may join': joins.everything ? 'everything' : listed([...joins.domains, ...joins.issuers]),
    precedence: precedence === null ? 'by registration' : String(precedence),
    'refused claims': String(refused.total),
  })
  if (refused.newest.length === 0) return about
  const rows = refused.newest.map(({ said_at: saidAt, reason, identifiers }) => [
    saidAt,
    identifiers.map(({ value }) => value).join(', '),
    reason ?? '',
  ])
  return `${about}\n\n${table(io, ['SAID', 'ARE ONE', 'REFUSED BECAUSE'], rows)}`
}
