import type { World } from './world.ts'

/** Whether writes succeed, judged by the hub's regular writes, or by a probe write where there was none lately. */
export interface WriteProbe {
  /** Records the result of a regular write. @returns the write itself */
  watch<T>(write: Promise<T>): Promise<T>
  /** Whether the last write succeeded; waits for a probe write where there was none lately. */
  succeeds(): Promise<boolean>
}

export interface WriteProbeDeps {
  readonly world: Pick<World, 'monotonicMs'>
  /** The probe: a small write, durable when it resolves. */
  readonly write: () => Promise<unknown>
}

/** How long the result of a write counts. A failure counts for a shorter time, so that recovery shows soon. */
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
