import { paceOverConnections } from '../handling/handler.ts'
import { startHandler, threadLogger, type HandlingOptions } from './start-handler.ts'
import { openPostgres } from '../storage/postgres/open-postgres.ts'

export interface ClusteredHandlerOptions extends HandlingOptions {
  readonly url: string
  readonly extraCa?: readonly string[] | undefined
}

/** The handler of a hub on PostgreSQL, wherever it runs. Disposing ends it and closes its connections. */
export interface ClusteredHandler extends AsyncDisposable {
  wake(): void
  /** Handles one batch now. @returns how many signals; 0 when none waits */
  handle(): Promise<number>
}

/** One for a batch, one to keep other nodes from preparing the same, one in place of one that the server has just ended. */
const connectionsMax = 3

/** The handler in the calling thread, over connections of its own. */
export async function startClusteredHandler(options: ClusteredHandlerOptions): Promise<ClusteredHandler> {
  const { url, extraCa, ...handling } = options
  const logger = threadLogger(handling)
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(
    await openPostgres({
      url,
      extraCa,
      connectionsMax,
      onBroken: (error) =>
        logger.warn({ err: error }, 'a connection to PostgreSQL broke; another takes its place'),
    }),
  )
  const handler = opened.use(startHandler(storage, logger, handling, paceOverConnections))
  const running = opened.move()
  return {
    wake: () => handler.wake(),
    handle: () => handler.runOnce(new AbortController().signal),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
