import type { StreamChanges, StreamStore } from './stream-store.ts'
import type { Stream } from './stream.ts'

/** Every stream, in memory: intake must not wait for a database. */
export interface StreamRegistry {
  /** In the order of creation. */
  list(): readonly Stream[]
  find(id: string): Stream | undefined
  ofProvider(providerId: string): Stream | undefined
  /** Changes members of an existing stream, in the store and in memory. @returns the stream after the change */
  note(id: string, changes: StreamChanges): Promise<Stream | undefined>
  /** Adds a stream that is committed already. */
  remember(stream: Stream): void
  /** Applies committed changes of a stream, unless it was forgotten meanwhile. @returns the stream after them */
  apply(id: string, changes: StreamChanges): Stream | undefined
  forget(id: string): void
  /** Sets the time of an event in memory only; `flush` stores the last one of each stream. */
  noteEvent(id: string, at: Date): void
  flush(): Promise<void>
  /** Reads memory again from the store: at the start, and after a change by another node. */
  refresh(): Promise<void>
}

const readTriesMax = 3

export async function createStreamRegistry(store: StreamStore): Promise<StreamRegistry> {
  let byId = new Map<string, Stream>()
  let byProvider = new Map<string, Stream>()
  const eventAt = new Map<string, Date>()
  /** Streams changed by this node during a read of the store: memory is newer than the read. */
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
    /** One at a time: an earlier read must not overwrite a later one. */
    refresh() {
      const turn = lastReading.then(() => read())
      lastReading = turn.catch(() => undefined)
      return turn
    },
  }

  async function read(triesLeft = readTriesMax): Promise<void> {
    touched.clear()
    const stored = await store.list()
    // The streams kept from memory may lack changes by others: read again.
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
