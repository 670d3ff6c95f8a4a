import type { World } from './world.ts'

/**
 * Makes a question that anybody may ask at any rate cost one look in `forMs` at most: the last answer counts for that
 * long, and callers that come meanwhile share the look that is under way. A look that fails is remembered by nobody.
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
