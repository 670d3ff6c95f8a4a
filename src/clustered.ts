import type { Logger } from './base/logger.ts'
import { siblingModule } from './base/sibling-module.ts'
import type { ClusteredData } from './postgres-thread.ts'
import type { HandlingOptions } from './start-handler.ts'
import { openPostgres } from './storage/postgres.ts'
import { startThread } from './storage/start-thread.ts'
import type { Storage } from './stores.ts'

export interface ClusteredOptions extends HandlingOptions {
  readonly url: string
  readonly logger: Logger
  /** The time to note for steps of the schema that are taken now, and what numbers run with. */
  readonly now: Date
  readonly onDeath: (error: Error) => void
}

export interface ClusteredStorage extends Storage {
  /** Turns the handler's crank: handles one batch now. @returns how many signals; 0 when none waits */
  handle(): Promise<number>
}

/** Connections for requests and for background loops; two more append and listen, and the handler has its own. */
const connectionsMax = 10

/** PostgreSQL, which other hubs may share, with this hub's handler in a thread of its own. */
export async function openClustered(options: ClusteredOptions): Promise<ClusteredStorage> {
  const { url, logger, now, onDeath, ...handling } = options
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(
    await openPostgres({
      url,
      connectionsMax,
      migrateAt: now,
      onBroken: (error) =>
        logger.warn({ err: error }, 'a connection to PostgreSQL broke; another takes its place'),
      onUnsafe: (settings) =>
        logger.error(
          { settings },
          `PostgreSQL may lose accepted SETs in a power cut, or the whole database: turn on ${settings.join(' and ')}`,
        ),
    }),
  )
  await storage.raiseLogNumbers(now)
  const data: ClusteredData = { ...handling, url }
  const handler = await startThread(siblingModule('./postgres-thread', import.meta.url), data, onDeath)
  opened.defer(() => handler.close())
  const { signals } = storage.stores
  const running = opened.move()
  return {
    ...storage,
    stores: {
      ...storage.stores,
      signals: {
        ...signals,
        async append(sets) {
          const acceptances = await signals.append(sets)
          // Nobody waits for this answer: a thread that died has said so to onDeath.
          if (acceptances.includes('stored')) handler.call('wake', undefined).catch(() => undefined)
          return acceptances
        },
      },
    },
    handle: () => handler.call<number>('handle', undefined),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
