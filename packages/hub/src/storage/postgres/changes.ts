import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { changesChannel } from '../migrations/0001-postgres.ts'
import { sessionSettings } from './pool.ts'

export interface ChangesOptions {
  readonly url: string
  readonly applicationName: string
  /** Called with the name of a changed table, or `all` when any table may have changed. */
  readonly tell: (table: string) => void
  /** Called when a connection breaks; a new one is opened automatically. */
  readonly onBroken?: (error: Error) => void
  readonly extraCa?: readonly string[] | undefined
}

/** How often `tell` is called with `all`: the longest time that a missed notification has an effect. */
const everythingMs = 10_000
const reconnectMs = 1_000
const answerTimeoutMs = 5_000

/** Listens on a separate connection for changes by other nodes, until it is disposed. */
export function listenForChanges({
  url,
  applicationName,
  tell,
  onBroken,
  extraCa,
}: ChangesOptions): AsyncDisposable {
  const stop = new AbortController()

  /** Throws when the connection breaks; ends when it is stopped. */
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
        await client.query('SELECT 1') // finds a server that vanished without closing the connection
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
