import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { callThread, type ThreadLink } from './thread-link.ts'

/** Rows live for one batch: with room for several batches, the collector runs seldom and copies little. */
const maxYoungGenerationSizeMb = 192

/** Starts a module that ends with `answerCalls`, and resolves when it reports that it is ready. */
export async function startThread(
  module: URL,
  workerData: object,
  onDeath: (error: Error) => void,
): Promise<ThreadLink> {
  const worker = new Worker(module, { workerData, resourceLimits: { maxYoungGenerationSizeMb } })
  const [first] = (await once(worker, 'message')) as [unknown] // rejects when the thread throws while starting
  if (first !== 'ready') throw new Error(`The database thread said ${String(first)} instead of ready.`)
  const link = callThread(worker)
  let closing = false
  let dead = false
  /** An error comes before the exit that it causes, and says more. */
  const die = (error: Error): void => {
    if (dead) return
    dead = true
    if (closing) return
    link.fail(error)
    onDeath(error)
  }
  worker.on('error', die)
  worker.on('exit', (code) => die(new Error(`The database thread ended with code ${code}.`)))
  return {
    ...link,
    async close() {
      if (dead) return
      closing = true
      const exit = once(worker, 'exit')
      await link.close()
      await exit
    },
  }
}
