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
import { examples } from './help-examples.ts'
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
      'Register, list and delete service apps: programs that get OAuth access tokens with their own key (private_key_jwt).',
    )
    .addHelpText('after', examples('watchbell client list', 'watchbell client create --help'))
    .helpGroup(localGroup)

  localOptions(client.command('create'))
    .description('Register a service app, with its public keys or with a generated key pair.')
    .requiredOption('--name <name>', 'name of the service app')
    .requiredOption(
      '--scope <scope>',
      'scope of the service app; repeat it, or give several in quotes',
      gatherList,
    )
    .option('--jwks <file>', 'public keys: a file with a JWK Set or one JWK; - is standard input')
    .option('--jwks-uri <url>', 'URL of its public keys')
    .option('--generate', 'make a key pair; the private key is printed only once and not stored')
    .option(
      '--pem',
      "print the private key as PEM (PKCS #8) instead of a JWK: for Terraform's private_key and Okta's SDKs (Go from 5 on)",
    )
    .option('--dpop', 'bind its access tokens to a key (DPoP, RFC 9449)')
    .addHelpText('after', createHelp)
    .action(async (options: CreateOptions) => {
      if (options.pem === true && options.generate !== true) {
        throw wrongUsage(
          '--pem is the format of the key that --generate makes: give both, or leave --pem out.',
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
    .addHelpText('after', examples('watchbell client list'))
    .action(async (options: LocalOptions) => {
      await using hub = await openLocalHub(io, options)
      const apps = await listAll(appsOf(io, hub))
      printResult(io, options, apps.map(appBody), () => {
        if (apps.length === 0)
          return 'There are no service apps; `watchbell client create --help` shows how to add one.'
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
    .description('Delete a service app. A running hub refuses it and its access tokens at once.')
    .addHelpText('after', examples('watchbell client revoke 0oa1Ab2Cd3Ef4Gh5Ij6K'))
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

/** The service app with the member names of RFC 7591. */
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
