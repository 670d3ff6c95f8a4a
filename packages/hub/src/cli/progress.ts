import { printLine, type CliIo } from './cli-io.ts'

/** Time between two progress messages: short work prints none. */
const everyMs = 5_000

/** Prints the progress of a command on standard error. Call it often. */
export function progressOn({ stderr, world }: Pick<CliIo, 'stderr' | 'world'>): (text: () => string) => void {
  let printedAt = world.now().getTime()
  return (text) => {
    const now = world.now().getTime()
    if (now - printedAt < everyMs) return
    printedAt = now
    printLine(stderr, text())
  }
}

const mebibyte = 1_048_576

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / mebibyte).toLocaleString('en')} MiB`
}

export function countOf(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
