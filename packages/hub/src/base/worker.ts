import { setImmediate } from 'node:timers/promises'
import type { Logger } from '@watchbell/receiver/base'

/** A background loop. `start` only repeats `runOnce`, which tests call directly. */
export interface Worker extends AsyncDisposable {
  /** One bounded round. @returns how many items it handled; 0 lets the loop sleep until woken or `idleMs` pass. */
  runOnce(signal: AbortSignal): Promise<number>
  start(): void
  /** Ends the sleep of a started loop at once. */
  wake(): void
}

export interface WorkerOptions {
  readonly name: string
  readonly runOnce: (signal: AbortSignal) => Promise<number>
  /** How long to sleep after a round that found nothing; a function is called after that round. */
  readonly idleMs: number | (() => number)
  /**
   * The minimum time between the beginnings of two rounds after the first found something: many small rounds of a
   * busy time become few large ones. A lone item is handled at once.
   */
  readonly gatherMs?: number
  /** How long to sleep after a round that threw. */
  readonly afterErrorMs: number
  readonly logger: Logger
}

const complaintEveryMs = 60_000

export function createWorker(options: WorkerOptions): Worker {
  const stop = new AbortController()
  let running: Promise<void> | undefined
  let awake = false
  let rouse: (() => void) | undefined

  const sleep = (ms: number, wakeable: boolean): Promise<void> =>
    new Promise((resolve) => {
      if ((awake && wakeable) || stop.signal.aborted) return resolve()
      const timer = setTimeout(done, ms)
      function done(): void {
        clearTimeout(timer)
        stop.signal.removeEventListener('abort', done)
        rouse = undefined
        resolve()
      }
      rouse = wakeable ? done : undefined
      stop.signal.addEventListener('abort', done, { once: true })
    })

  /** Waits for more work, or yields to other tasks of this thread. */
  const pause = async (handled: number, begunAt: number): Promise<void> => {
    const left = handled > 0 ? begunAt + (options.gatherMs ?? 0) - performance.now() : 0
    if (left > 0) await sleep(left, false)
    else if (handled > 0) await setImmediate()
    else await sleep(typeof options.idleMs === 'number' ? options.idleMs : options.idleMs(), true)
  }

  let failures = 0
  let complainedAt = 0
  /** An outage is logged once a minute, not once a round. */
  const failed = (error: unknown): void => {
    failures += 1
    if (failures > 1 && performance.now() - complainedAt < complaintEveryMs) return
    complainedAt = performance.now()
    options.logger.error(
      { err: error, worker: options.name, failures },
      'a round of a background loop failed; it is tried again, and said again once a minute',
    )
  }
  const succeeded = (): void => {
    if (failures === 0) return
    options.logger.info({ worker: options.name, failures }, 'the background loop works again')
    failures = 0
  }

  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      awake = false
      try {
        const begunAt = performance.now()
        const handled = await options.runOnce(stop.signal)
        succeeded()
        await pause(handled, begunAt)
      } catch (error) {
        if (stop.signal.aborted) return
        failed(error)
        await sleep(options.afterErrorMs, false)
      }
    }
  }

  return {
    runOnce: options.runOnce,
    start() {
      running ??= loop()
    },
    wake() {
      awake = true
      rouse?.()
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}
