import { setImmediate } from 'node:timers/promises'
import type { Logger } from './logger.ts'

/** A background loop. `start` only repeats `runOnce`, so a test turns the crank itself. */
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
  /** How long to sleep after a round that found nothing. */
  readonly idleMs: number
  /** How long to sleep after a round that threw. */
  readonly afterErrorMs: number
  readonly logger: Logger
}

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

  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      awake = false
      try {
        const handled = await options.runOnce(stop.signal)
        if (handled > 0)
          await setImmediate() // others in this thread want their turn
        else await sleep(options.idleMs, true)
      } catch (error) {
        if (stop.signal.aborted) return
        options.logger.error({ err: error, worker: options.name }, 'a round of a background loop failed')
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
