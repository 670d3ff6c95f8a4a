import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { changesChannel } from '../migrations/0001-postgres.ts'
import { sessionSettings } from './pool.ts'

export interface ChangesOptions {
  readonly url: string
  readonly applicationName: string
  /** Told the name of a table that has changed, or `all` when that may be any of them. */
  readonly tell: (table: string) => void
  /** Told of a connection that broke. Another one is made by itself. */
  readonly onBroken?: (error: Error) => void
  readonly extraCa?: readonly string[] | undefined
}

/** How often all is told anew: whatever notifications may miss, a node knows by then. */
const everythingMs = 10_000
const reconnectMs = 1_000
const answerTimeoutMs = 5_000

/** Listens on a connection of its own for what other nodes have changed, until it is disposed. */
export function listenForChanges({
  url,
  applicationName,
  tell,
  onBroken,
  extraCa,
}: ChangesOptions): AsyncDisposable {
  const stop = new AbortController()

  /** Ends when the connection breaks, by throwing, or when nobody wants to listen any more. */
  async function listen(): Promise<void> {
    const client = new pg.Client({
      ...sessionSettings(url, applicationName, { extraCa }),
      query_timeout: answerTimeoutMs,
    })
    const broken = new AbortController()
    client.on('error', (error) => broken.abort(error))
    client.on('end', () => broken.abort(new Error('The connection that listens for changes ended.')))
    const signal = AbortSignal.any([stop.signal, broken.signal])
    client.on('notification', ({ payload }) => tell(payload ?? 'all'))
    try {
      await client.connect()
      await client.query(`LISTEN ${changesChannel}`)
      while (!stop.signal.aborted) {
        tell('all')
        await setTimeout(everythingMs, undefined, { signal }).catch(() => signal.throwIfAborted())
        await client.query('SELECT 1') // a server that is gone without a word does not answer
      }
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  async function keepListening(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await listen()
      } catch (error) {
        if (stop.signal.aborted) return
        onBroken?.(error instanceof Error ? error : new Error(String(error)))
        await setTimeout(reconnectMs, undefined, { signal: stop.signal }).catch(() => undefined) // stopped
      }
    }
  }

  const listening = keepListening()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await listening
    },
  }
}
