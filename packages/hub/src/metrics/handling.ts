import type { HandlerMeter } from '../base/meter.ts'
import { catalogue } from './catalogue.ts'
import { createTally, tallyLength, type TallyReading } from './tally.ts'

/**
 * Numbers that the handler's thread shares with the thread that serves metrics, so that counting sends no messages.
 * Passed in `workerData`.
 */
export type HandlingCells = SharedArrayBuffer

export interface HandlingReading {
  readonly lag: TallyReading
  readonly batches: TallyReading
  readonly failed: number
}

const lagBounds = catalogue.watchbell_handling_lag_seconds.buckets
const batchBounds = catalogue.watchbell_handler_batch_duration_seconds.buckets
const lagAt = 1
const batchAt = lagAt + tallyLength(lagBounds)
const length = batchAt + tallyLength(batchBounds)

export function handlingCells(): HandlingCells {
  return new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT)
}

/** For the handler's thread, the only writer. */
export function createHandlerMeter(shared: HandlingCells): HandlerMeter {
  const { cells, lag, batches } = over(shared)
  return {
    now: () => performance.now(),
    handled({ receivedAt, failed, at }, began) {
      batches.observe((performance.now() - began) / 1_000)
      for (const received of receivedAt) {
        lag.observe(Math.max(0, at.getTime() - received.getTime()) / 1_000) // clocks of nodes differ
      }
      cells[0] = (cells[0] ?? 0) + failed
    },
  }
}

export function readHandling(shared: HandlingCells): HandlingReading {
  const { cells, lag, batches } = over(shared)
  return { lag: lag.read(), batches: batches.read(), failed: cells[0] ?? 0 }
}

function over(shared: HandlingCells) {
  const cells = new Float64Array(shared)
  return {
    cells,
    lag: createTally(cells.subarray(lagAt, batchAt), lagBounds),
    batches: createTally(cells.subarray(batchAt), batchBounds),
  }
}
