import { readFile } from 'node:fs/promises'
import { parseIJson, type JsonValue } from '@watchbell/receiver/base'
import { wrongUsage, type CliIo } from './cli-io.ts'

const inputBytesMax = 1_048_576

/**
 * Reads a whole file, or standard input for `-` and when no file is given.
 * @param bytesMax - of standard input, which may never end
 * @throws CliError when it cannot be read
 */
export async function readInput(
  { stdin }: Pick<CliIo, 'stdin'>,
  file: string | undefined,
  bytesMax = inputBytesMax,
): Promise<Buffer> {
  if (file !== undefined && file !== '-') {
    try {
      return await readFile(file)
    } catch (error) {
      throw wrongUsage(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
    }
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    bytes += chunk.length
    if (bytes > bytesMax) throw wrongUsage(`Standard input holds more than ${bytesMax} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** @throws CliError when it cannot be read, or is not I-JSON (RFC 7493) */
export async function readJsonInput(io: Pick<CliIo, 'stdin'>, file: string | undefined): Promise<JsonValue> {
  const parsed = parseIJson(await readInput(io, file))
  if (parsed.ok) return parsed.value
  throw wrongUsage(
    `${file === undefined || file === '-' ? 'Standard input' : file} is refused: ${parsed.reason}.`,
  )
}
