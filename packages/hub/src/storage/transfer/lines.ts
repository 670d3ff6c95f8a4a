import { TransferError } from './format.ts'

/** Longer than the longest row: the hub accepts at most a few MiB. */
export const lineBytesMax = 64 * 1_024 * 1_024
const newline = 0x0a

/**
 * Splits bytes into lines, without decoding them: they may not be UTF-8. Yields the lines that each chunk completes.
 * @throws TransferError when the last line has no end, or a line is too long for an export
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let open: Uint8Array[] = []
  let openBytes = 0
  let count = 0
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = []
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      lines.push(Buffer.concat([...open, chunk.subarray(start, end)]))
      open = []
      openBytes = 0
      start = end + 1
    }
    count += lines.length
    if (lines.length > 0) yield lines
    if (start === chunk.length) continue
    open.push(chunk.subarray(start))
    openBytes += chunk.length - start
    if (openBytes > lineBytesMax) {
      throw new TransferError(
        `Line ${count + 1} is longer than ${lineBytesMax} bytes: this is no export of Watchbell.`,
      )
    }
  }
  if (openBytes > 0) {
    throw new TransferError(
      `Line ${count + 1} ends in the middle: the file was cut off. Copy or export it again.`,
    )
  }
}
