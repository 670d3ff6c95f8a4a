import { closeSync, openSync, readSync } from 'node:fs'

/** What a file holds, or why that is no secret; the problem says nothing of what it holds. */
export type ReadSecret = { readonly secret: string } | { readonly problem: string }

/**
 * Reads a secret from a file, as secret stores mount them and people write them: line ends at its end are no part of it.
 * @param bytesMax - a file with more is refused
 */
export function readSecret(file: string, bytesMax: number): ReadSecret {
  try {
    const text = readStart(file, bytesMax + 1)
    if (text.length > bytesMax) return { problem: `the file '${file}' has more than ${bytesMax} bytes` }
    const secret = text.toString('utf8').replace(/(?:\r?\n)+$/, '')
    return secret === '' ? { problem: `the file '${file}' is empty` } : { secret }
  } catch (error) {
    return {
      problem: `the file '${file}' cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/** It may be a pipe, or never end. */
function readStart(file: string, bytes: number): Buffer {
  const opened = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(bytes)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes; length += read) {
      read = readSync(opened, buffer, length, bytes - length, null)
    }
    return buffer.subarray(0, length)
  } finally {
    closeSync(opened)
  }
}
