import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { givenEntries, readSettings, SettingsError, type Settings, type SettingSource } from './settings.ts'

export interface SettingsInput {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Values given on the command line, by flag. */
  readonly flags: Readonly<Record<string, string | undefined>>
  /** A file of `NAME=value` lines. */
  readonly file: string | undefined
  /** False for what works on the data and is not to be reached: that needs no origin. */
  readonly listens?: boolean
}

/**
 * Reads the settings: a flag beats the environment, which beats the file.
 * @throws SettingsError naming every bad value at once
 */
export function loadSettings({ environment, flags, file, listens }: SettingsInput): Settings {
  const fromFile = file === undefined ? {} : readSettingsFile(file)
  const sources: readonly SettingSource[] = [
    { text: ({ flag }) => flags[flag], where: ({ flag }) => `--${flag}` },
    { text: ({ variable }) => environment[variable], where: ({ variable }) => variable },
    { text: ({ variable }) => fromFile[variable], where: ({ variable }) => `${variable} in ${file ?? ''}` },
  ]
  return readSettings(sources, unknownNames(fromFile), listens)
}

/** Set by `watchbell` commands that talk to a hub, not read by the hub. */
const clientVariables = ['WATCHBELL_URL', 'WATCHBELL_TOKEN', 'WATCHBELL_TOKEN_FILE']

/**
 * Names that look like settings and are none. In a file that is a typo; in the environment it may be somebody else's
 * (Kubernetes sets WATCHBELL_PORT for a service called watchbell), so there it is only worth a warning.
 */
export function unknownNames(source: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set<string>([...givenEntries.map(({ variable }) => variable), ...clientVariables])
  return Object.keys(source).filter((name) => name.startsWith('WATCHBELL_') && !known.has(name))
}

function readSettingsFile(file: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new SettingsError([
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    ])
  }
}
