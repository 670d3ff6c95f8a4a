import type { Command } from 'commander'
import type { JWK } from 'jose'
import { readClientMetadata } from '../access/client-metadata.ts'
import { scopes } from '../access/scopes.ts'
import type { ServiceApp } from '../access/service-app.ts'
import { createServiceApps, type ServiceApps } from '../access/service-apps.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import { generateSigningKey, publicJwk, type SigningKey } from '@watchbell/receiver/set'
import { journaled } from '../journal/journal.ts'
import { privateJwk } from '../testing/transmitter-keys.ts'
import { jsonText, printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { readJsonInput } from './input.ts'
import {
  localGroup,
  localOptions,
  openLocalHub,
  openOrMakeLocalHub,
  type LocalHub,
  type LocalOptions,
} from './local-hub.ts'
import { gatherList } from './option-readers.ts'
import { facts, table } from './table.ts'

interface CreateOptions extends LocalOptions {
  readonly name: string
  readonly scope: readonly string[]
  readonly jwks?: string
  readonly jwksUri?: string
  readonly generate?: boolean
  readonly pem?: boolean
  readonly dpop?: boolean
}

const pageAppsMax = 200
const keyAlgorithm = 'RS256'

export function registerClient(program: Command, io: CliIo): void {
  const client = program
    .command('client')
    .description(
      'Service apps: programs that get OAuth access tokens with a key of their own (private_key_jwt).',
    )
    .helpGroup(localGroup)

  localOptions(client.command('create'))
    .description('Register a service app, with its public keys or with a pair made for it.')
    .requiredOption('--name <name>', 'what to call it')
    .requiredOption('--scope <scope>', 'what it may do; repeat it, or give several in quotes', gatherList)
    .option('--jwks <file>', 'its public keys: a file with a JWK Set or one JWK; - is standard input')
    .option('--jwks-uri <url>', 'where it publishes its public keys')
    .option('--generate', 'make a key pair; the private key is printed this once and not kept')
    .option(
      '--pem',
      "print it as PEM (PKCS #8), as Terraform's private_key and Okta's SDKs (Go from 5 on) take it, instead of as a JWK",
    )
    .option('--dpop', 'its access tokens must be bound to a key (DPoP, RFC 9449)')
    .addHelpText('after', createHelp)
    .action(async (options: CreateOptions) => {
      if (options.pem === true && options.generate !== true) {
        throw wrongUsage(
          '--pem says how to print the key that --generate makes: give both, or leave --pem out.',
        )
      }
      const generated = options.generate === true ? await generateSigningKey(keyAlgorithm) : undefined
      const draft = readClientMetadata({
        client_name: options.name,
        scope: options.scope.join(' '),
        dpop_bound_access_tokens: options.dpop ?? false,
        ...(await keysOf(io, options, generated && publicJwk(generated))),
      })
      await using hub = await openOrMakeLocalHub(io, options)
      const app = await appsOf(io, hub).create(draft, 'operator')
      const secret = generated && (options.pem === true ? privatePem(generated) : privateJwk(generated))
      const shown = { ...appBody(app), ...(secret !== undefined && { private_key: secret }) }
      printResult(io, options, shown, () => {
        if (secret === undefined) return described(io, app)
        const key = typeof secret === 'string' ? secret.trim() : jsonText(secret)
        return `${described(io, app)}\n\nThe private key, shown this once; keep it where only the app can read it:\n${key}`
      })
    })

  localOptions(client.command('list'))
    .description('List service apps.')
    .action(async (options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      const apps = await listAll(appsOf(io, hub))
      printResult(io, options, apps.map(appBody), () => {
        if (apps.length === 0)
          return 'There are no service apps; `watchbell client create --help` tells how to add one.'
        const rows = apps.map(({ clientId, name, dpopBound, scopes }) => [
          clientId,
          name,
          dpopBound ? 'DPoP' : 'Bearer',
          scopes.join(' '),
        ])
        return table(io, ['CLIENT ID', 'NAME', 'TOKENS', 'SCOPES'], rows, ['CLIENT ID'])
      })
    })

  localOptions(client.command('revoke'))
    .description('Remove a service app. A running hub refuses it and its access tokens from then on.')
    .argument('<client-id>')
    .action(async (clientId: string, options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      await appsOf(io, hub).delete(clientId, 'operator')
      printResult(
        io,
        options,
        { client_id: clientId, deleted: true },
        () => `The service app ${clientId} is removed.`,
      )
    })
}

const createHelp = `
Scopes:
${scopes.map((scope) => `  ${scope}`).join('\n')}

Examples:
  $ watchbell client create --name terraform --scope okta.securityEventsProviders.manage --generate --pem
  $ watchbell client create --name siem --scope "okta.logs.read watchbell.signals.read" --jwks siem.jwks.json`

function privatePem({ privateKey }: SigningKey): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function keysOf(
  io: CliIo,
  { jwks, jwksUri, generate }: CreateOptions,
  generated: JWK | undefined,
): Promise<object> {
  if ([jwks, jwksUri, generate].filter((given) => given !== undefined).length !== 1) {
    throw wrongUsage(
      'Give one of --jwks FILE, --jwks-uri URL and --generate: a service app signs in with a key.',
    )
  }
  if (generated !== undefined) return { jwks: { keys: [generated] } }
  if (jwksUri !== undefined) return { jwks_uri: jwksUri }
  return { jwks: asKeySet(await readJsonInput(io, jwks)) }
}

function asKeySet(value: JsonValue): JsonValue {
  return typeof value === 'object' && value !== null && 'kty' in value ? { keys: [value] } : value
}

function appsOf({ world }: CliIo, storage: LocalHub): ServiceApps {
  return createServiceApps({ world, storage: journaled(storage, world) })
}

async function listAll(apps: ServiceApps): Promise<readonly ServiceApp[]> {
  const all: ServiceApp[] = []
  for (;;) {
    const page = await apps.list({ after: all.at(-1)?.clientId, limit: pageAppsMax })
    all.push(...page)
    if (page.length < pageAppsMax) return all
  }
}

/** In the words of RFC 7591. */
function appBody({ clientId, name, keys, scopes, dpopBound, createdAt }: ServiceApp): object {
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(createdAt.getTime() / 1_000),
    client_name: name,
    token_endpoint_auth_method: 'private_key_jwt',
    ...('jwks' in keys ? { jwks: { keys: keys.jwks } } : { jwks_uri: keys.jwksUri }),
    scope: scopes.join(' '),
    dpop_bound_access_tokens: dpopBound,
  }
}

function described(io: CliIo, { clientId, name, keys, scopes, dpopBound }: ServiceApp): string {
  return facts(io, {
    'client id': clientId,
    name,
    scopes: scopes.join(' '),
    tokens: dpopBound ? 'bound to a key (DPoP)' : 'Bearer',
    keys:
      'jwks' in keys
        ? keys.jwks.map(({ kid }) => (typeof kid === 'string' ? kid : 'without kid')).join(', ')
        : keys.jwksUri,
  })
}
