import pino from 'pino'
import { type Logger, printable, printableJson } from '@watchbell/receiver/base'

/** Lines that could not be written yet. More of them are lost, and memory does not fill while a disk is full. */
const keptBytesMax = 1_048_576
const stderr = 2

export type LogFormat = 'json' | 'text'

export interface LogOptions {
  readonly level: string
  readonly format?: LogFormat | undefined
  /** A file descriptor; standard error unless given. */
  readonly to?: number
}

/**
 * The log: lines of JSON or of text, each written when it is told, with the time in ISO 8601. Where they cannot be written
 * (a full disk, a reader that went away) the hub goes on without; what is kept follows when there is room again.
 */
export function stderrLogger({ level, format = 'json', to = stderr }: LogOptions): Logger {
  const destination = pino.destination({ dest: to, sync: true, maxLength: keptBytesMax })
  destination.on('error', () => undefined) // it would be thrown at whoever has something to tell
  // Lines hold words of others, and people read them on terminals.
  const shown = format === 'json' ? printableJson : textOf
  return pino(
    { level, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void destination.write(shown(line)) },
  )
}

/** `2026-01-31T12:00:00.000Z WARN  what happened key=value …`, on one line whatever it holds. */
function textOf(line: string): string {
  const { time, level, msg, pid: _pid, hostname: _hostname, ...facts } = JSON.parse(line) as LogLine // pino wrote it
  const told = Object.entries(facts).map(([name, value]) => ` ${name}=${wordOf(value)}`)
  const levelName = (pino.levels.labels[level] ?? String(level)).toUpperCase().padEnd(5)
  return `${printable(`${time} ${levelName} ${msg ?? ''}${told.join('')}`, textCharsMax)}\n`
}

interface LogLine {
  readonly time: string
  readonly level: number
  readonly msg?: string
  readonly [fact: string]: unknown
}

const textCharsMax = 16_384

/** Bare where that can be read without quotes. */
function wordOf(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value)
}
