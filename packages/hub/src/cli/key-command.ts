import type { Command } from 'commander'
import { accessTokenLifetimeS } from '../access/access-tokens.ts'
import { createSigningKeys } from '../access/signing-keys.ts'
import { isHubError } from '../base/hub-error.ts'
import { createSecretBox } from '../base/secret-box.ts'
import { hasSecretKey, secretKey } from '../config/secret-key.ts'
import { journaled } from '../journal/journal.ts'
import { CliError, printResult, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { localGroup, localOptions, localSettings, openLocalHub, type LocalOptions } from './local-hub.ts'

const otherSecretKey =
  "The hub's keys are encrypted with another secret key. Set the hub's WATCHBELL_SECRET_KEY, in the environment or with " +
  '--env-file; if that key is lost, give --lost-secret-key.'

/** `watchbell key`: the keys that sign the hub's own access tokens. */
export function registerKey(program: Command, io: CliIo): void {
  const key = program
    .command('key')
    .description('Rotate the keys that sign access tokens (GET /oauth2/v1/keys).')
    .addHelpText('after', examples('watchbell key rotate'))
    .helpGroup(localGroup)

  localOptions(key.command('rotate'))
    .description(
      'Make a new signing key. Earlier tokens stay valid until they expire, at most an hour. A running hub uses the key at once.',
    )
    .addHelpText('after', examples('watchbell key rotate', 'watchbell key rotate --lost-secret-key'))
    .option(
      '--lost-secret-key',
      'the secret key that encrypted the old signing key is lost: retire the old key unread',
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
