import type { Logger } from '@watchbell/receiver/base'
import { createWorker, type Worker } from '../base/worker.ts'
import type { KeyCache } from '@watchbell/receiver/jwks'
import type { StreamRegistry } from './stream-registry.ts'

export interface HealthLogDeps {
  readonly keys: Pick<KeyCache, 'statuses'>
  readonly registry: Pick<StreamRegistry, 'list'>
  readonly nameOf: (providerId: string) => Promise<string | undefined>
  readonly logger: Logger
}

const everyMs = 5_000

/** Logs each change in the health of a provider's keys or of a stream. */
export function createHealthLog({ keys, registry, nameOf, logger }: HealthLogDeps): Worker {
  let before: ReadonlyMap<string, string> | undefined

  /** The problem of each; '' where there is none. */
  function look(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const [provider, { lastError }] of keys.statuses()) found.set(`keys ${provider}`, lastError ?? '')
    for (const { providerId, status = 'unknown', lastError } of registry.list()) {
      found.set(`stream ${providerId}`, lastError ?? '')
      found.set(`status ${providerId}`, status)
    }
    return found
  }

  return createWorker({
    name: 'health log',
    async runOnce() {
      const now = look()
      for (const [key, state] of now) {
        const was = before?.get(key)
        if (was === state || (was === undefined && (state === '' || state === 'unknown'))) continue
        const [what = '', provider = ''] = key.split(' ')
        const facts = { provider, name: await nameOf(provider) }
        if (what === 'status')
          logger.info({ ...facts, before: was, status: state }, 'the status of a stream changed')
        else if (state === '')
          logger.info(
            facts,
            what === 'keys' ? 'the keys of a provider are fetched again' : 'a stream works again',
          )
        else
          logger.info(
            { ...facts, error: state },
            what === 'keys' ? 'the keys of a provider cannot be fetched' : 'something is wrong with a stream',
          )
      }
      before = now
      return 0
    },
    idleMs: everyMs,
    afterErrorMs: everyMs,
    logger,
  })
}
