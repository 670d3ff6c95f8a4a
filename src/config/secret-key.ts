import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
  try {
    writeFileSync(file, `${randomBytes(keyBytes).toString('base64')}\n`, {
      flag: 'wx',
      mode: 0o600,
      flush: true,
    })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64')
  if (key.length !== keyBytes) {
    throw new SettingsError([
      `${file} does not hold a key of ${keyBytes} bytes in base64; restore it from your backup`,
    ])
  }
  return key
}
