import { parse } from 'yaml'

/** The texts of the files that name a version. */
export interface ReleaseFiles {
  /** `package.json` of the hub. */
  readonly manifest: string
  /** `package.json` of the library that it is released with. */
  readonly receiver: string
  readonly lock: string
  readonly chart: string
  readonly changelog: string
}

interface Section {
  readonly version: string
  readonly date: string
  readonly text: string
}

const heading = /^## (\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)$/

/** Where version, lock file, chart and changelog contradict each other. @param tag - of a release; without one, between releases */
export function releaseProblems(files: ReleaseFiles, tag?: string): readonly string[] {
  const { version, dependencies } = JSON.parse(files.manifest) as {
    version: string
    dependencies?: Readonly<Record<string, string>>
  } // ours, as all of these
  const receiver = JSON.parse(files.receiver) as { version: string }
  const lock = JSON.parse(files.lock) as {
    packages: Readonly<Record<string, { readonly version?: string } | undefined>>
  }
  const chart = parse(files.chart) as { version: string; appVersion: string }
  const { unreleased, sections, unreadable } = read(files.changelog)
  const problems = unreadable.map(
    (line) => `CHANGELOG.md: "${line}" is no heading; it must be "## Unreleased" or "## 1.2.3 (2026-12-31)".`,
  )
  const must = (what: string, is: string | undefined, shall = version): void => {
    if (is !== shall) problems.push(`${what} is ${is ?? 'missing'}; it must be ${shall}.`)
  }
  must('The version of packages/receiver', receiver.version)
  must('The @watchbell/receiver that packages/hub depends on', dependencies?.['@watchbell/receiver'])
  for (const name of ['packages/hub', 'packages/receiver']) {
    must(`The version of ${name} in package-lock.json`, lock.packages[name]?.version)
  }
  must("The chart's version", chart.version)
  must("The chart's appVersion", chart.appVersion)
  const [newest] = sections
  // Before the first release there is no section yet.
  if (newest !== undefined || tag !== undefined) must('The newest version of CHANGELOG.md', newest?.version)
  for (const [at, { version: later, date }] of sections.entries()) {
    const before = sections[at + 1]
    if (before !== undefined && (compare(before.version, later) >= 0 || before.date > date)) {
      problems.push(
        `CHANGELOG.md: ${before.version} (${before.date}) must not stand below ${later} (${date}).`,
      )
    }
  }
  if (tag === undefined) return problems
  must('The tag', tag, `v${version}`)
  if (unreleased !== '')
    problems.push('CHANGELOG.md has changes under "Unreleased": they belong to the release.')
  if (newest?.text === '') problems.push(`CHANGELOG.md says nothing of ${newest.version}.`)
  return problems
}

/** What the newest release changed. */
export function releaseNotes(changelog: string): string {
  return read(changelog).sections[0]?.text ?? ''
}

function read(changelog: string): {
  readonly unreleased: string
  readonly sections: readonly Section[]
  readonly unreadable: readonly string[]
} {
  const [, ...parts] = changelog.split(/^(?=## )/m)
  let unreleased = ''
  const sections: Section[] = []
  const unreadable: string[] = []
  for (const part of parts) {
    const [line = '', ...rest] = part.split('\n')
    const text = rest.join('\n').trim()
    const [, version, date] = heading.exec(line) ?? []
    if (line === '## Unreleased') unreleased = text
    else if (version !== undefined && date !== undefined) sections.push({ version, date, text })
    else unreadable.push(line)
  }
  return { unreleased, sections, unreadable }
}

function compare(one: string, other: string): number {
  const numbers = other.split('.').map(Number)
  const difference = one.split('.').map((number, at) => Number(number) - (numbers[at] ?? 0))
  return difference.find((each) => each !== 0) ?? 0
}
