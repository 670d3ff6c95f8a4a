import { openEmbeddedInThread } from '../run/embedded-in-thread.ts'
import type { HubStorageOptions } from '../run/run-hub.ts'
import type { HandledStorage } from '../run/start-handler.ts'

/**
 * A hub's storage without threads: it opens in milliseconds where threads take tenths of a second, and what it does holds up
 * the event loop. The same statements, files and commits.
 */
export async function openInProcess(options: HubStorageOptions): Promise<HandledStorage> {
  const { url, folder, logger, onDeath: _noThreads, ...both } = options
  if (url !== undefined) {
    const { openHandledPostgres } = await import('../run/clustered.ts') // loads the driver
    const { startClusteredHandler } = await import('../run/clustered-handler.ts')
    return openHandledPostgres({ url, logger, ...both }, startClusteredHandler)
  }
  const { storage, handler, ...opened } = await openEmbeddedInThread({ folder, ...both })
  return {
    ...storage,
    handle: () => handler.runOnce(new AbortController().signal),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}
