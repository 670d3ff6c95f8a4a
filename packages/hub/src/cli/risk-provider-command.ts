import { Option, type Command } from 'commander'
import { riskActions } from '../risk/risk-action.ts'
import { printResult, type CliIo } from './cli-io.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { findOne, type Lookup } from './find-one.ts'
import { facts, table } from './table.ts'

/** A risk provider as the API shows it (OKTA §4). */
export interface ShownRiskProvider {
  readonly id: string
  readonly name: string
  readonly clientId: string
  readonly action: string
  readonly created: string
  readonly lastUpdated: string
}

interface CreateOptions extends HubOptions {
  readonly name: string
  readonly client: string
  readonly action: string
}

const path = '/api/v1/risk/providers'

export function registerRiskProvider(program: Command, io: CliIo): void {
  const riskProvider = program
    .command('risk-provider')
    .description('Service apps that report risky addresses: register, look at and remove them.')
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(riskProvider.command('list'))
    .description('List all risk providers.')
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
    .description('Let a service app report risky addresses.')
    .requiredOption('--name <name>', 'what to call it; unique, 50 characters at most')
    .requiredOption(
      '--client <client-id>',
      'the service app that will send; `watchbell client create` makes one',
    )
    .addOption(
      new Option('--action <action>', 'what its word counts for').choices(riskActions).default('log_only'),
    )
    .addHelpText('after', createExample)
    .action(async ({ name, client, action, ...options }: CreateOptions) => {
      const hub = openHub(io, options)
      const made = asRiskProvider(await hub.request('POST', path, { name, clientId: client, action }))
      printResult(io, options, made, () => described(io, made))
    })

  hubOptions(riskProvider.command('show'))
    .description('Show one risk provider, and how many events it has sent.')
    .argument('<id-or-name>', 'id, name, or the client id of its service app')
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const found = await findRiskProvider(hub, wanted)
      const counts = (await hub.request('GET', `/v1/risk/providers/${found.id}/counts`)) as Counts // its own shape
      printResult(io, options, { ...found, events: counts }, () => described(io, found, counts))
    })

  hubOptions(riskProvider.command('delete'))
    .description('Remove a risk provider. What it has said counts for nothing from then on.')
    .argument('<id-or-name>', 'id, name, or the client id of its service app')
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const { id, name } = await findRiskProvider(hub, wanted)
      await hub.request('DELETE', `${path}/${id}`)
      printResult(io, options, { id, deleted: true }, () => `${name} (${id}) is deleted.`)
    })
}

const createExample = `
Example:
  $ watchbell client create --name partner --scope okta.riskEvents.manage --generate
  $ watchbell risk-provider create --name Partner --client 0oa… --action enforce_and_log`

interface Counts {
  readonly taken: number
  readonly ignored: number
}

async function listRiskProviders(hub: HubClient): Promise<readonly ShownRiskProvider[]> {
  return (await hub.request('GET', path)) as readonly ShownRiskProvider[] // OKTA-K1
}

const riskProviderLookup: Lookup<ShownRiskProvider> = {
  noun: 'risk provider',
  listCommand: 'watchbell risk-provider list',
  by: 'id, name or client',
  namesOf: ({ id, name, clientId }) => [id, name, clientId],
  describe: ({ id, name, clientId }) => `${id}  ${name}  ${clientId}`,
}

/** @throws CliError when no risk provider has this id, name or client, or several have */
async function findRiskProvider(hub: HubClient, wanted: string): Promise<ShownRiskProvider> {
  return findOne(await listRiskProviders(hub), wanted, riskProviderLookup)
}

function asRiskProvider(answer: unknown): ShownRiskProvider {
  return answer as ShownRiskProvider // OKTA-K2
}

function described(io: CliIo, provider: ShownRiskProvider, counts?: Counts): string {
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
