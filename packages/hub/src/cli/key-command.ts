import type { Command } from 'commander'
import { accessTokenLifetimeS } from '../access/access-tokens.ts'
import { createSigningKeys } from '../access/signing-keys.ts'
import { isHubError } from '../base/hub-error.ts'
import { createSecretBox } from '../base/secret-box.ts'
import { hasSecretKey, secretKey } from '../config/secret-key.ts'
import { journaled } from '../journal/journal.ts'
import { CliError, printResult, type CliIo } from './cli-io.ts'
import { localGroup, localOptions, localSettings, openLocalHub, type LocalOptions } from './local-hub.ts'

const otherSecretKey =
  "The hub's keys are sealed with another secret key. Give the hub's WATCHBELL_SECRET_KEY, in the environment or with " +
  '--env-file; if that is gone for good, give --lost-secret-key.'

/** `watchbell key`: the keys that sign the hub's own access tokens. */
export function registerKey(program: Command, io: CliIo): void {
  const key = program
    .command('key')
    .description('The keys that sign access tokens (GET /oauth2/v1/keys): rotate them.')
    .helpGroup(localGroup)

  localOptions(key.command('rotate'))
    .description(
      'Make a new key sign from now on. Tokens signed before stay good until they expire, an hour at most. A running hub takes part at once.',
    )
    .option(
      '--lost-secret-key',
      'the secret key that sealed the old one is gone for good: put the old one aside unread',
    )
    .action(async (options: LocalOptions & { readonly lostSecretKey?: true }) => {
      await using hub = await openLocalHub(io, options)
      const { secrets, data } = localSettings(io, options)
      const isSealed = (await hub.stores.signingKeys.list()).length > 0
      const isLost = options.lostSecretKey === true
      if (isSealed && !isLost && !hasSecretKey(secrets.secretKey, data)) throw new CliError(otherSecretKey)
      const keys = createSigningKeys({
        world: io.world,
        storage: journaled(hub, io.world),
        box: createSecretBox(secretKey(secrets.secretKey, data)),
        signedForMaxMs: accessTokenLifetimeS * 1_000,
      })
      const { kid } = await keys.rotate(isLost ? 'lost' : undefined).catch((error: unknown) => {
        throw isHubError(error, 'hub.secret_unreadable') ? new CliError(otherSecretKey) : error
      })
      printResult(io, options, { kid }, () => `The key ${kid} signs from now on.`)
    })
}
