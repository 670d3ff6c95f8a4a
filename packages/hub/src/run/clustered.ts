import type { Logger } from '@watchbell/receiver/base'
import { siblingModule } from '../base/sibling-module.ts'
import type { ClusteredHandler, ClusteredHandlerOptions } from './clustered-handler.ts'
import { wakeAfterAppend, type HandledStorage, type HandlingOptions } from './start-handler.ts'
import { openPostgres } from '../storage/postgres/open-postgres.ts'
import { startThread } from '../storage/threads/start-thread.ts'

export interface ClusteredOptions extends HandlingOptions {
  readonly url: string
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly extraCa?: readonly string[]
  readonly logger: Logger
  /** The time to note for steps of the schema that are taken now, and what numbers run with. */
  readonly now: Date
  readonly onDeath: (error: Error) => void
}

/** @see HandledStorage */
export type ClusteredStorage = HandledStorage

/** Connections for requests and for background loops; two more append and listen, and the handler has its own. */
const connectionsMax = 10

/** PostgreSQL, which other hubs may share, with this hub's handler in a thread of its own. */
export function openClustered({ onDeath, ...options }: ClusteredOptions): Promise<ClusteredStorage> {
  return openHandledPostgres(options, async (data) => {
    const thread = await startThread(siblingModule('./postgres-thread', import.meta.url), data, onDeath)
    return {
      // Nobody waits for this answer: a thread that died has said so to onDeath.
      wake: () => void thread.call('wake', undefined).catch(() => undefined),
      handle: () => thread.call<number>('handle', undefined),
      [Symbol.asyncDispose]: () => thread.close(),
    }
  })
}

/** PostgreSQL with the handler that `start` starts. */
export async function openHandledPostgres(
  options: Omit<ClusteredOptions, 'onDeath'>,
  start: (options: ClusteredHandlerOptions) => Promise<ClusteredHandler>,
): Promise<ClusteredStorage> {
  const { url, extraCa, logger, now, ...handling } = options
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(
    await openPostgres({
      url,
      extraCa,
      connectionsMax,
      migrateAt: now,
      onBroken: (error) =>
        logger.warn({ err: error }, 'a connection to PostgreSQL broke; another takes its place'),
      onEnded: (pids) =>
        logger.warn({ pids }, 'ended sessions of PostgreSQL that stood still and held up SETs'),
      onUnsafe: (settings) =>
        logger.error(
          { settings },
          `PostgreSQL may lose accepted SETs in a power cut, or the whole database: turn on ${settings.join(' and ')}`,
        ),
    }),
  )
  await storage.raiseLogNumbers(now)
  const handler = opened.use(await start({ ...handling, url, extraCa }))
  const running = opened.move()
  return {
    ...wakeAfterAppend(storage, () => handler.wake()),
    handle: () => handler.handle(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
