/** One setting: where it comes from, what it means, and how its text becomes a value. */
export interface SettingEntry<T> {
  /** Environment variable, and name in a settings file; those of OpenTelemetry are everybody's. */
  readonly variable: `WATCHBELL_${string}` | `OTEL_${string}`
  /** The same on the command line. */
  readonly flag: string
  /** The default as text for people; undefined when there is none. */
  readonly default: string | undefined
  /** One sentence. */
  readonly meaning: string
  readonly secret: boolean
  /** What the flag means where it stands without a value; undefined when it must have one. */
  readonly whenBare: string | undefined
  /** The value, or throws a SettingProblem that says what would be right. */
  readonly read: (text: string) => T
  /** The value when nothing is set. */
  readonly fallback: T
}

/** Why a text is no value of its setting. */
export class SettingProblem extends Error {
  override readonly name = 'SettingProblem'
}

export function setting<T>(
  variable: SettingEntry<T>['variable'],
  fallback: T,
  rest: {
    default?: string
    meaning: string
    secret?: boolean
    whenBare?: string
    read: (text: string) => T
  },
): SettingEntry<T> {
  const flag = variable.replace('WATCHBELL_', '').toLowerCase().replaceAll('_', '-')
  return {
    variable,
    flag,
    fallback,
    default: rest.default,
    meaning: rest.meaning,
    secret: rest.secret ?? false,
    whenBare: rest.whenBare,
    read: rest.read,
  }
}

/** The setting that names a file which holds the secret: `WATCHBELL_ADMIN_TOKEN_FILE`, `--admin-token-file`. */
export function fileEntry(secret: SettingEntry<unknown>): SettingEntry<unknown> {
  const { variable, flag } = secret
  const meaning = `A file that holds ${variable}; line ends at its end are no part of it.`
  return {
    ...secret,
    variable: `${variable}_FILE`,
    flag: `${flag}-file`,
    meaning,
    default: undefined,
    secret: false,
  }
}

/** A reader of one of a few words. */
export function readOneOf<T extends string>(text: string, values: readonly T[]): T {
  const value = values.find((value) => value === text)
  if (value === undefined) throw new SettingProblem(`'${text}' is not one of ${values.join(', ')}`)
  return value
}
