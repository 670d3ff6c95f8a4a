import { notConnected } from './find-stream.ts'
import type { StreamRegistry } from './stream-registry.ts'
import { isConnected, type ConnectedStream } from './stream.ts'

/** How long a SET waits for its stream to be connected, before its sender is asked to retry. */
const connectedWaitMs = 2_000

/** The streams that are being connected now: a transmitter may push before its stream is committed. */
export interface Connecting {
  /** Holds SETs pushed for the stream until the work has ended. */
  during<T>(id: string, work: () => Promise<T>): Promise<T>
  /** The stream once it is connected, when that is in progress. @throws HubError `stream.not_connected` */
  connected(id: string): Promise<ConnectedStream>
}

export function createConnecting(
  registry: Pick<StreamRegistry, 'find'>,
  lookAgain: () => Promise<void>,
): Connecting {
  /** By stream id: settles when the stream is committed, or cannot be. */
  const connecting = new Map<string, Promise<void>>()

  return {
    async during<T>(id: string, work: () => Promise<T>): Promise<T> {
      const { promise, resolve } = Promise.withResolvers<void>()
      connecting.set(id, promise)
      try {
        return await work()
      } finally {
        connecting.delete(id)
        resolve()
      }
    },
    async connected(id) {
      const work = connecting.get(id)
      if (work !== undefined) await settledWithin(work, connectedWaitMs)
      const known = registry.find(id)
      if (known !== undefined && !isConnected(known)) await lookAgain()
      const stream = registry.find(id)
      if (stream !== undefined && isConnected(stream)) return stream
      throw notConnected(stream)
    },
  }
}

/** Waits for work and ignores its result. */
async function settledWithin(work: Promise<unknown>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => (timer = setTimeout(resolve, waitMs)))
  await Promise.race([work.catch(() => undefined), patience])
  clearTimeout(timer)
}
