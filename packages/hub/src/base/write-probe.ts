import type { World } from './world.ts'

/** Whether writes succeed, by those that were made anyway, else by one of its own now and then. */
export interface WriteProbe {
  /** Notes how a write that was made anyway comes out. @returns the write itself */
  watch<T>(write: Promise<T>): Promise<T>
  /** Whether the last write succeeded; waits for one of its own where none was made lately. */
  succeeds(): Promise<boolean>
}

export interface WriteProbeDeps {
  readonly world: Pick<World, 'monotonicMs'>
  /** A small write, durable when it resolves. */
  readonly write: () => Promise<unknown>
}

/** How long the result of a write counts. A failure counts for less, so that recovery shows soon. */
const tellsForMs = { succeeded: 5_000, failed: 250 }

/** At most one probe write is under way, however many callers ask. */
export function createWriteProbe({ world, write }: WriteProbeDeps): WriteProbe {
  let last: { readonly at: number; readonly succeeded: boolean } | undefined
  let own: Promise<boolean> | undefined
  const note = (succeeded: boolean): boolean => {
    last = { at: world.monotonicMs(), succeeded }
    return succeeded
  }
  const outcome = (work: Promise<unknown>): Promise<boolean> =>
    work.then(
      () => note(true),
      () => note(false),
    )
  return {
    watch(work) {
      void outcome(work)
      return work
    },
    async succeeds() {
      const forMs = last?.succeeded === false ? tellsForMs.failed : tellsForMs.succeeded
      if (last !== undefined && world.monotonicMs() - last.at < forMs) return last.succeeded
      own ??= outcome(write()).finally(() => (own = undefined))
      return own
    },
  }
}
