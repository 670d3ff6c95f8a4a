import { Argument, type Command } from 'commander'
import { riskActions, type RiskAction } from '../risk/risk-action.ts'
import { printable } from '@watchbell/receiver/base'
import type {
  ProviderActionBody,
  ProviderBody,
  ProviderKeysBody,
  ProviderRequestBody,
} from '../wire/providers.ts'
import { CliError, printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { findAll, findOne, type Lookup } from './find-one.ts'
import { registerProviderTrust } from './provider-trust-command.ts'
import { facts, table } from './table.ts'

interface CreateOptions extends HubOptions {
  readonly name: string
  readonly type: string
  readonly wellKnownUrl?: string
  readonly issuer?: string
  readonly jwksUrl?: string
  readonly logOnly?: boolean
}

export function registerProvider(program: Command, io: CliIo): void {
  const provider = program
    .command('provider')
    .description('Register, show, deactivate and delete the providers of security events.')
    .addHelpText('after', examples('watchbell provider list', 'watchbell provider create --help'))
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(provider.command('list'))
    .description('List all providers.')
    .addHelpText('after', examples('watchbell provider list', 'watchbell provider list --json'))
    .action(async (options: HubOptions) => {
      const providers = await listProviders(openHub(io, options))
      printResult(io, options, providers, () => {
        if (providers.length === 0)
          return 'There are no providers yet; `watchbell provider create --help` tells how to add one.'
        const rows = providers.map(({ id, status, name, settings }) => [id, status, name, settings.issuer])
        return table(io, ['ID', 'STATUS', 'NAME', 'ISSUER'], rows)
      })
    })

  hubOptions(provider.command('create'))
    .description(
      'Register a provider by the URL of its metadata, or by its issuer and JWKS URL. It is active at once.',
    )
    .requiredOption('--name <name>', 'what to call it; unique, 100 characters at most')
    .option('--type <type>', 'kind of the application, any word (okta, Google, Netskope …)', 'custom')
    .option('--well-known-url <url>', 'URL of its metadata; the hub reads issuer and JWKS URL from it')
    .option('--issuer <issuer>', 'the `iss` of its SETs, character for character')
    .option('--jwks-url <url>', 'URL of its keys')
    .option('--log-only', 'show and log its statements, but do not enforce them yet')
    .addHelpText('after', createExamples)
    .action(async (options: CreateOptions) => {
      const hub = openHub(io, options)
      const { name, type } = options
      const created = await hub.call('POST /api/v1/security-events-providers', {
        body: { name, type, settings: settingsOf(options) },
      })
      const action = await (options.logOnly === true
        ? setAction(hub, created, 'log_only')
        : readAction(hub, created).catch(() => undefined)) // who may register need not be allowed to look
      printResult(io, options, created, () => {
        const meaning = action === undefined ? '' : `\n\n${actionText(created, action)}`
        return described(io, created) + meaning
      })
    })

  hubOptions(provider.command('action'))
    .description(
      'Show or set what the statements of a provider count for. A change applies at once, also to earlier statements.',
    )
    .addHelpText(
      'after',
      examples(
        'watchbell provider action edr',
        'watchbell provider action edr log_only',
        'watchbell provider action edr enforce_and_log',
      ),
    )
    .argument('<provider>', providerNames)
    .addArgument(new Argument('[action]', 'what it is to count for from now on').choices(riskActions))
    .action(async (wanted: string, to: RiskAction | undefined, options: HubOptions) => {
      const hub = openHub(io, options)
      const found = await findProvider(hub, wanted)
      const action = await (to === undefined ? readAction(hub, found) : setAction(hub, found, to))
      printResult(io, options, { id: found.id, action }, () => actionText(found, action))
    })

  hubOptions(provider.command('show'))
    .description('Show one provider.')
    .addHelpText(
      'after',
      examples('watchbell provider show edr', 'watchbell provider show https://idp.example'),
    )
    .argument('<id-or-name>', providerNames)
    .action(async (wanted: string, options: HubOptions) => {
      const found = await findProvider(openHub(io, options), wanted)
      printResult(io, options, found, () => described(io, found))
    })

  hubOptions(provider.command('keys'))
    .description('Show the keys that verify the SETs of a provider, or fetch them again.')
    .addHelpText('after', examples('watchbell provider keys edr', 'watchbell provider keys edr --refresh'))
    .argument('<id-or-name>', providerNames)
    .option('--refresh', 'fetch the keys now, after the provider replaced them')
    .addHelpText(
      'after',
      '\nOn one database each hub has its own keys: `--url` names the one that is asked. The exit code is 1 when the latest fetch failed.',
    )
    .action(async (wanted: string, options: HubOptions & { readonly refresh?: boolean }) => {
      const hub = openHub(io, options)
      const { id } = await findProvider(hub, wanted)
      const call = { params: { id } }
      const shown = await (options.refresh === true
        ? hub.call('POST /v1/providers/:id/keys/refresh', call)
        : hub.call('GET /v1/providers/:id/keys', call))
      printResult(io, options, shown, () => describedKeys(io, shown))
      if (shown.last_error !== null) throw new CliError('The latest fetch of the keys failed.')
    })

  for (const [verb, description, result] of lifecycles) {
    hubOptions(provider.command(verb))
      .description(description)
      .addHelpText('after', examples(`watchbell provider ${verb} edr`))
      .argument('<id-or-name>', providerNames)
      .action(async (wanted: string, options: HubOptions) => {
        const hub = openHub(io, options)
        const { id } = await findProvider(hub, wanted)
        const changed = await hub.call(`POST /api/v1/security-events-providers/:id/lifecycle/${verb}`, {
          params: { id },
        })
        printResult(io, options, changed, () => `${changed.name} (${id}) is ${changed.status}: ${result}`)
      })
  }

  registerProviderTrust(provider, io, providerNames)

  hubOptions(provider.command('delete'))
    .description('Delete a provider. Its earlier signals stay; its new SETs are refused.')
    .addHelpText('after', examples('watchbell provider delete edr'))
    .argument('<id-or-name>', providerNames)
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const { id, name } = await findProvider(hub, wanted)
      await hub.call('DELETE /api/v1/security-events-providers/:id', { params: { id } })
      printResult(io, options, { id, deleted: true }, () => `${name} (${id}) is deleted.`)
    })
}

const nameCharsMax = 100

const actionMeanings: Record<RiskAction, string> = {
  enforce_and_log:
    'what it says counts at once, for everybody whom it names: it can raise risk, end sessions and keep people out.\n`watchbell provider action <provider> log_only` lets you look first.',
  log_only:
    'what it says is shown and logged, and keeps nobody out.\n`watchbell provider action <provider> enforce_and_log` lets it count.',
  none: 'what it says counts for nothing.',
}

function actionText({ name, id }: ProviderBody, action: RiskAction): string {
  const meaning = actionMeanings[action].replace('<provider>', id)
  return `${printable(name, nameCharsMax)} has the action ${action}: ${meaning}`
}

async function readAction(hub: HubClient, { id }: ProviderBody): Promise<RiskAction> {
  return knownAction(await hub.call('GET /v1/providers/:id/action', { params: { id } }))
}

async function setAction(hub: HubClient, { id }: ProviderBody, action: RiskAction): Promise<RiskAction> {
  return knownAction(await hub.call('PUT /v1/providers/:id/action', { params: { id }, body: { action } }))
}

/** @throws CliError when it is none that we know */
function knownAction(answer: Partial<ProviderActionBody> | undefined): RiskAction {
  const action = riskActions.find((known) => known === answer?.action)
  if (action === undefined) throw new CliError('The hub answered with an action that is unknown here.')
  return action
}

const lifecycles = [
  ['activate', 'Accept the SETs of a provider again.', 'the hub accepts its SETs.'],
  ['deactivate', 'Refuse all SETs of a provider, at once.', 'the hub refuses its SETs.'],
] as const

const createExamples = `
Examples:
  $ watchbell provider create --name "Example IdP" --type okta \\
      --well-known-url https://idp.example/.well-known/ssf-configuration
  $ watchbell provider create --name MDM --issuer https://mdm.example \\
      --jwks-url https://mdm.example/jwks.json`

/** Either shape of OKTA §1.2. @throws CliError when it is neither */
function settingsOf({ wellKnownUrl, issuer, jwksUrl }: CreateOptions): ProviderRequestBody['settings'] {
  if (wellKnownUrl !== undefined && issuer === undefined && jwksUrl === undefined) {
    return { well_known_url: wellKnownUrl }
  }
  if (wellKnownUrl === undefined && issuer !== undefined && jwksUrl !== undefined) {
    return { issuer, jwks_url: jwksUrl }
  }
  throw wrongUsage('Give --well-known-url alone, or --issuer and --jwks-url together.')
}

export function listProviders(hub: HubClient): Promise<readonly ProviderBody[]> {
  return hub.call('GET /api/v1/security-events-providers')
}

/** What the argument of a command about one provider may be. */
export const providerNames = 'id, name, issuer, or the URL of its metadata or keys'

const providerLookup: Lookup<ProviderBody> = {
  noun: 'provider',
  listCommand: 'watchbell provider list',
  by: 'id, name, issuer or URL',
  namesOf: ({ id, name, settings }) => [
    id,
    name,
    settings.issuer,
    settings.well_known_url,
    settings.jwks_url,
  ],
  describe: ({ id, name, settings }) => `${id}  ${name}  ${settings.issuer}`,
}

/** @throws CliError when no provider has this id, name, issuer or URL, or several have */
export async function findProvider(hub: HubClient, wanted: string): Promise<ProviderBody> {
  return findOne(await listProviders(hub), wanted, providerLookup)
}

/** The same, or undefined when there is none. @throws CliError when there are several */
export async function findKnownProvider(hub: HubClient, wanted: string): Promise<ProviderBody | undefined> {
  const all = await listProviders(hub)
  return findAll(all, wanted, providerLookup).length === 0 ? undefined : findOne(all, wanted, providerLookup)
}

function described(io: CliIo, { id, name, type, status, settings }: ProviderBody): string {
  return facts(io, {
    id,
    name,
    type,
    status,
    issuer: settings.issuer,
    'jwks url': settings.jwks_url,
    'well-known url': settings.well_known_url,
  })
}

function describedKeys(io: CliIo, shown: ProviderKeysBody): string {
  const head = facts(io, {
    'jwks url': shown.jwks_url,
    fetched: shown.fetched_at ?? 'not since the hub started',
    'last error': shown.last_error ?? undefined,
    'next fetch':
      shown.next_fetch_at === null ? undefined : `${shown.next_fetch_at}, or earlier when a key is unknown`,
  })
  if (shown.keys.length === 0) return head
  const rows = shown.keys.map(({ kid, algorithms, unusable }) => [
    kid ?? '(none)',
    unusable === null ? algorithms.join(', ') : `not used: the key ${unusable}`,
  ])
  return `${head}\n\n${table(io, ['KID', 'FOR'], rows)}`
}
