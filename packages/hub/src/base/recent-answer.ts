import type { World } from './world.ts'

/**
 * Caches an answer for `forMs`, so that callers at any rate cause at most one look-up in that time: callers
 * during a look-up share it. A failed look-up is not cached.
 */
export function recentAnswer<T>(
  { monotonicMs }: Pick<World, 'monotonicMs'>,
  forMs: number,
  look: () => Promise<T>,
): () => Promise<T> {
  let last: { readonly at: number; readonly answer: T } | undefined
  let underWay: Promise<T> | undefined
  return async () => {
    if (last !== undefined && monotonicMs() - last.at < forMs) return last.answer
    underWay ??= look()
      .then((answer) => {
        last = { at: monotonicMs(), answer }
        return answer
      })
      .finally(() => (underWay = undefined))
    return underWay
  }
}
