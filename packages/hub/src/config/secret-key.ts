import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { SettingsError } from './settings.ts'

const keyBytes = 32
const fileIn = (dataFolder: string): string => join(dataFolder, 'secret.key')

/** Whether `secretKey` would find a key, and not make one. */
export function hasSecretKey(fromSetting: Uint8Array | undefined, dataFolder: string): boolean {
  return fromSetting !== undefined || existsSync(fileIn(dataFolder))
}

/** The key that encrypts secrets at rest: the setting's, or the one in the data folder, made when it is not there. */
export function secretKey(fromSetting: Uint8Array | undefined, dataFolder: string): Uint8Array {
  if (fromSetting !== undefined) return fromSetting
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const file = fileIn(dataFolder)
  if (!existsSync(file)) makeFile(dataFolder, file)
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64')
  if (key.length !== keyBytes) {
    throw new SettingsError([
      `${file} does not hold a key of ${keyBytes} bytes in base64; restore it from your backup, or delete it if no hub ever ran on this data`,
    ])
  }
  return key
}

/**
 * Makes the file, unless another process is faster. It gets its name when it is whole and on disk: a start that a crash or a
 * full disk ends leaves nothing that the next one would take for a key.
 */
function makeFile(dataFolder: string, file: string): void {
  const key = `${randomBytes(keyBytes).toString('base64')}\n`
  const temporary = `${file}.${randomBytes(4).toString('hex')}.partial`
  try {
    write(temporary, key)
    linkSync(temporary, file) // which never takes another file's place
  } catch (error) {
    const code = codeOf(error)
    if (noLinks.includes(code)) writeOnce(file, key)
    else if (code !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  flush(dataFolder) // else the name may be gone after a power cut
}

const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/** On a file system without links, where it matters more that all processes have one key than that it is whole. */
function writeOnce(file: string, key: string): void {
  try {
    write(file, key)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function write(file: string, text: string): void {
  writeFileSync(file, text, { flag: 'wx', mode: 0o600, flush: true })
}

function flush(folder: string): void {
  const opened = openSync(folder, 'r')
  try {
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
