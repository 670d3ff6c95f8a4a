import { Option, type Command } from 'commander'
import { riskActions, type RiskAction } from '../risk/risk-action.ts'
import type { RiskEventCountsBody, RiskProviderBody } from '../wire/risk.ts'
import { printResult, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { findOne, type Lookup } from './find-one.ts'
import { facts, table } from './table.ts'

interface CreateOptions extends HubOptions {
  readonly name: string
  readonly client: string
  readonly action: RiskAction
}

export function registerRiskProvider(program: Command, io: CliIo): void {
  const riskProvider = program
    .command('risk-provider')
    .description('Register, show and delete risk providers: service apps that report risky addresses.')
    .addHelpText('after', examples('watchbell risk-provider list', 'watchbell risk-provider create --help'))
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(riskProvider.command('list'))
    .description('List all risk providers.')
    .addHelpText('after', examples('watchbell risk-provider list'))
    .action(async (options: HubOptions) => {
      const all = await listRiskProviders(openHub(io, options))
      printResult(io, options, all, () => {
        if (all.length === 0) {
          return 'There are no risk providers yet; `watchbell risk-provider create --help` tells how to add one.'
        }
        const rows = all.map(({ id, action, name, clientId }) => [id, action, name, clientId])
        return table(io, ['ID', 'ACTION', 'NAME', 'CLIENT'], rows, ['ID', 'CLIENT'])
      })
    })

  hubOptions(riskProvider.command('create'))
    .description('Register a service app as a risk provider, which may report risky addresses.')
    .requiredOption('--name <name>', 'what to call it; unique, 50 characters at most')
    .requiredOption(
      '--client <client-id>',
      'client id of the service app that will send; `watchbell client create` makes one',
    )
    .addOption(
      new Option('--action <action>', 'what its word counts for').choices(riskActions).default('log_only'),
    )
    .addHelpText('after', createExample)
    .action(async ({ name, client, action, ...options }: CreateOptions) => {
      const hub = openHub(io, options)
      const body = { name, clientId: client, action }
      const made = await hub.call('POST /api/v1/risk/providers', { body })
      printResult(io, options, made, () => described(io, made))
    })

  hubOptions(riskProvider.command('show'))
    .description('Show one risk provider, and how many events it sent.')
    .addHelpText('after', examples('watchbell risk-provider show Partner'))
    .argument('<id-or-name>', 'id, name, or the client id of its service app')
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const found = await findRiskProvider(hub, wanted)
      const counts = await hub.call('GET /v1/risk/providers/:id/counts', { params: { id: found.id } })
      printResult(io, options, { ...found, events: counts }, () => described(io, found, counts))
    })

  hubOptions(riskProvider.command('delete'))
    .description('Delete a risk provider. Its earlier reports no longer count.')
    .addHelpText('after', examples('watchbell risk-provider delete Partner'))
    .argument('<id-or-name>', 'id, name, or the client id of its service app')
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const { id, name } = await findRiskProvider(hub, wanted)
      await hub.call('DELETE /api/v1/risk/providers/:id', { params: { id } })
      printResult(io, options, { id, deleted: true }, () => `${name} (${id}) is deleted.`)
    })
}

const createExample = `
Example:
  $ watchbell client create --name partner --scope okta.riskEvents.manage --generate
  $ watchbell risk-provider create --name Partner --client 0oa… --action enforce_and_log`

function listRiskProviders(hub: HubClient): Promise<readonly RiskProviderBody[]> {
  return hub.call('GET /api/v1/risk/providers')
}

const riskProviderLookup: Lookup<RiskProviderBody> = {
  noun: 'risk provider',
  listCommand: 'watchbell risk-provider list',
  by: 'id, name or client',
  namesOf: ({ id, name, clientId }) => [id, name, clientId],
  describe: ({ id, name, clientId }) => `${id}  ${name}  ${clientId}`,
}

/** @throws CliError when no risk provider has this id, name or client, or several have */
async function findRiskProvider(hub: HubClient, wanted: string): Promise<RiskProviderBody> {
  return findOne(await listRiskProviders(hub), wanted, riskProviderLookup)
}

function described(io: CliIo, provider: RiskProviderBody, counts?: RiskEventCountsBody): string {
  const { id, name, clientId, action, created, lastUpdated } = provider
  return facts(io, {
    id,
    name,
    client: clientId,
    action,
    created,
    updated: lastUpdated,
    ...(counts && { events: `${counts.taken} taken, ${counts.ignored} ignored` }),
  })
}
