import pino from 'pino'
import type { Logger } from './base/logger.ts'
import { printableJson } from './base/printable.ts'

/** Lines that could not be written yet. More of them are lost, and memory does not fill while a disk is full. */
const keptBytesMax = 1_048_576
const stderr = 2

/**
 * The log: lines of JSON, each written when it is told. Where they cannot be written (a full disk, a reader that went away)
 * the hub goes on without; what is kept follows when there is room again.
 */
export function stderrLogger({ level, to = stderr }: { level: string; to?: number }): Logger {
  const destination = pino.destination({ dest: to, sync: true, maxLength: keptBytesMax })
  destination.on('error', () => undefined) // it would be thrown at whoever has something to tell
  // Lines are JSON with words of others in them, and people read them on terminals.
  return pino({ level }, { write: (line) => void destination.write(printableJson(line)) })
}
