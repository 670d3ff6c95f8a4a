import type { StreamChanges, StreamStore } from './stream-store.ts'
import type { Stream } from './stream.ts'

/** Every stream, in memory: who sends SETs must not wait for a database. */
export interface StreamRegistry {
  /** In the order of creation. */
  list(): readonly Stream[]
  find(id: string): Stream | undefined
  ofProvider(providerId: string): Stream | undefined
  /** Changes members of a stream that is still there, in the store and here. @returns the stream as it is now */
  note(id: string, changes: StreamChanges): Promise<Stream | undefined>
  /** A stream that has been committed already. */
  remember(stream: Stream): void
  /** Changes that have been committed already, of a stream that was not forgotten meanwhile. @returns it as it is now */
  apply(id: string, changes: StreamChanges): Stream | undefined
  forget(id: string): void
  /** Notes an event without a word to the store; `flush` writes the last one of each stream. */
  noteEvent(id: string, at: Date): void
  flush(): Promise<void>
  /** Reads memory anew from the store: at the start, and after another node changed something. */
  refresh(): Promise<void>
}

const readTriesMax = 3

export async function createStreamRegistry(store: StreamStore): Promise<StreamRegistry> {
  let byId = new Map<string, Stream>()
  let byProvider = new Map<string, Stream>()
  const eventAt = new Map<string, Date>()
  /** What was changed here while the store was being read: memory knows better than what is read then. */
  const touched = new Set<string>()
  let lastReading: Promise<void> = Promise.resolve()

  function remember(stream: Stream): void {
    touched.add(stream.id)
    byId.set(stream.id, stream)
    byProvider.set(stream.providerId, stream)
  }

  const registry: StreamRegistry = {
    list: () => [...byId.values()].map(current),
    find: (id) => current(byId.get(id)),
    ofProvider: (providerId) => byProvider.get(providerId),
    async note(id, changes) {
      await store.update(id, changes)
      return registry.apply(id, changes)
    },
    remember,
    apply(id, changes) {
      const known = byId.get(id)
      if (known === undefined) return undefined
      remember({ ...known, ...changes })
      return current(byId.get(id))
    },
    forget(id) {
      const known = byId.get(id)
      touched.add(id)
      byId.delete(id)
      eventAt.delete(id)
      if (known !== undefined) byProvider.delete(known.providerId)
    },
    noteEvent: (id, at) => void eventAt.set(id, at),
    async flush() {
      const noted = [...eventAt]
      eventAt.clear()
      for (const [id, lastEventAt] of noted) await registry.note(id, { lastEventAt })
    },
    /** One after the other: what was read first must not overwrite what was read last. */
    refresh() {
      const turn = lastReading.then(() => read())
      lastReading = turn.catch(() => undefined)
      return turn
    },
  }

  async function read(triesLeft = readTriesMax): Promise<void> {
    touched.clear()
    const stored = await store.list()
    // What is kept of memory may lack what others changed of the same streams: better read again.
    if (touched.size > 0 && triesLeft > 1) return read(triesLeft - 1)
    const streams = [
      ...stored.filter(({ id }) => !touched.has(id)),
      ...[...byId.values()].filter(({ id }) => touched.has(id)),
    ].toSorted((one, other) => one.createdAt.getTime() - other.createdAt.getTime())
    byId = new Map(streams.map((stream) => [stream.id, stream]))
    byProvider = new Map(streams.map((stream) => [stream.providerId, stream]))
  }

  function current<S extends Stream | undefined>(stream: S): S {
    const lastEventAt = stream && eventAt.get(stream.id)
    return lastEventAt === undefined ? stream : { ...stream, lastEventAt }
  }

  await registry.refresh()
  return registry
}
