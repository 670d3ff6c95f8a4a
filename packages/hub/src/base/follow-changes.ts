import type { Logger } from '@watchbell/receiver/base'

/** Memory of this node that is read from tables that any node may change. */
export interface Remembered {
  readonly tables: readonly string[]
  /** Reloads the memory. */
  refresh(): Promise<unknown>
}

export interface FollowChangesDeps {
  /** Reports the table that changed, or `all`; never called when there is only one process. See Storage. */
  readonly source: { onChange?(listener: (table: string) => void): AsyncDisposable }
  readonly remembered: readonly Remembered[]
  readonly logger: Pick<Logger, 'debug' | 'warn'>
}

/**
 * Refreshes memory after changes by other nodes. Each memory has one refresh at a time, and one more
 * follows for all changes meanwhile. A failed refresh leaves memory as it was, until the next change or the next `all`.
 */
export function followChanges({ source, remembered, logger }: FollowChangesDeps): AsyncDisposable {
  const stop = new AbortController()
  const followers = remembered.map(({ tables, refresh }) => {
    let stale = false
    let running: Promise<void> | undefined

    async function catchUp(): Promise<void> {
      while (stale && !stop.signal.aborted) {
        stale = false
        await refresh().catch((error: unknown) => {
          logger.warn({ err: error, tables }, 'what other nodes changed could not be read')
        })
      }
      running = undefined
    }
    return {
      noteChange(table: string): void {
        if (table !== 'all' && !tables.includes(table)) return
        stale = true
        running ??= catchUp()
      },
      settled: () => running,
    }
  })
  const listening = source.onChange?.((table) => {
    logger.debug({ table }, 'a change was announced')
    for (const follower of followers) follower.noteChange(table)
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await listening?.[Symbol.asyncDispose]()
      for (const { settled } of followers) await settled()
    },
  }
}
