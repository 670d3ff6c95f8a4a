import { setTimeout as delay } from 'node:timers/promises'

/** Whether work succeeds within the time, in ms. Slower work continues, and its result is ignored. */
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
