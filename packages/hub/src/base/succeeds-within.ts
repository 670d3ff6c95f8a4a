import { setTimeout as delay } from 'node:timers/promises'

/** Whether work succeeds in so many ms. What takes longer goes on, and nobody learns what comes of it. */
export async function succeedsWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const settled = new AbortController()
  const succeeds = await Promise.race([
    work.then(
      () => true,
      () => false,
    ),
    delay(ms, false, { signal: settled.signal }).catch(() => false),
  ])
  settled.abort()
  return succeeds
}
