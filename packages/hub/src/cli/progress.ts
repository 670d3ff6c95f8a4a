import { printLine, type CliIo } from './cli-io.ts'

/** Short work says nothing, long work now and then how far it has come. */
const everyMs = 5_000

/** Tells people on standard error how far a command has come. To be called often. */
export function progressOn({ stderr, world }: Pick<CliIo, 'stderr' | 'world'>): (text: () => string) => void {
  let toldAt = world.now().getTime()
  return (text) => {
    const now = world.now().getTime()
    if (now - toldAt < everyMs) return
    toldAt = now
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
