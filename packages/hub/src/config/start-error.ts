import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { HubError, isHubError } from '../base/hub-error.ts'
import { settingEntries, SettingsError, type SettingName, type Settings } from './settings.ts'

/** A hub could not start. The message names the setting that it lies with, and what would help. */
export class StartError extends Error {
  override readonly name = 'StartError'
  /** Variable of the setting. */
  readonly setting: string

  constructor(name: SettingName, message: string, cause: unknown) {
    super(message, { cause })
    this.setting = settingEntries[name].variable
  }
}

type Explanation = (error: Error, settings: Settings) => string

const explanations = {
  listen: (error, { listen }) =>
    `cannot listen on ${shownAddress(listen)} (${codeOf(error)}); ${another('listen')}`,
  metricsListen: (error, { metricsListen }) =>
    `cannot listen for metrics on ${metricsListen === undefined ? 'any address' : shownAddress(metricsListen)} (${codeOf(error)}); ${another('metricsListen')}`,
  data: (error, { data }) => folderExplanation(error, data),
  databaseUrl: ({ message }) =>
    `cannot start with the database of ${settingEntries.databaseUrl.variable}: ${message}`,
  secretKey: (error, { data, secrets }) => {
    const place =
      secrets.secretKey === undefined ? `the file secret.key in ${data}` : settingEntries.secretKey.variable
    return isHubError(error, 'hub.secret_unreadable')
      ? `the secret key is not the one of this database: put the right one into ${place} (WATCHBELL_SECRET_KEY); if it is gone for good, \`watchbell key rotate --lost-secret-key\` (docs/operations.md)`
      : folderExplanation(error, data)
  },
  firstToken: (error, { firstToken }) =>
    typeof firstToken === 'object'
      ? `cannot write the first admin token to ${firstToken.file} (${error.message}), so none was made; name a new file with ${settingEntries.firstToken.variable}`
      : `cannot make the first admin token (${error.message}); ${settingEntries.firstToken.variable}=none starts without one`,
} as const satisfies Partial<Record<SettingName, Explanation>>

/** Does what a setting asks for at the start. @throws StartError that names the setting; SettingsError as it is */
export async function starting<T>(
  name: keyof typeof explanations,
  settings: Settings,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof SettingsError || error instanceof StartError)
      throw error
    throw new StartError(name, explanations[name](error, settings), error)
  }
}

function another(name: 'listen' | 'metricsListen'): string {
  const { flag, variable } = settingEntries[name]
  return `choose another address with --${flag} (${variable})`
}

/** `host:port`, with the brackets of IPv6. */
export function shownAddress({ host, port }: Settings['listen']): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

const otherFolder = `name another with --${settingEntries.data.flag} (${settingEntries.data.variable})`

/** What SQLite and the system say of a folder that is somebody else's, or no folder. */
const cannotUse = /unable to open database file|readonly database|EACCES|EPERM|ENOTDIR|EISDIR|EEXIST/

function folderExplanation(error: Error, data: string): string {
  const folder = `the data folder ${data}`
  const { message } = error instanceof HubError && error.cause instanceof Error ? error.cause : error
  if (isReadOnly(data)) {
    return `cannot start: ${folder} is on a file system that is read-only (${message}); mount it writable, or ${otherFolder}`
  }
  if (/ENOSPC|EDQUOT|database or disk is full/.test(message)) {
    return `cannot start: the disk of ${folder} is full (${message}); make room, or ${otherFolder}`
  }
  if (/EMFILE|ENFILE/.test(message)) {
    return `cannot start: the process may not open enough files (${message}); raise its limit (ulimit -n, LimitNOFILE)`
  }
  if (cannotUse.test(message)) {
    const user = process.getuid === undefined ? 'this user' : `user ${process.getuid()}`
    return `cannot start: ${folder} cannot be used by ${user} (${message}); give it to that user, or ${otherFolder}`
  }
  return `cannot start on ${folder} (${settingEntries.data.variable}): ${message}`
}

/** Whether the folder, or the nearest one above it that is there, is on a file system that nobody may write to. */
function isReadOnly(folder: string): boolean {
  let near = resolve(folder)
  while (!existsSync(near) && near !== dirname(near)) near = dirname(near)
  try {
    accessSync(near, constants.W_OK)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS'
  }
}
