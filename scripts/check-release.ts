import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { releaseNotes, releaseProblems, type ReleaseFiles } from './release-files.ts'

// node scripts/check-release.ts TAG [--notes]: refuses a tag that the files do not agree with; --notes prints its changes.
const { positionals, values } = parseArgs({
  options: { notes: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const [tag] = positionals
if (tag === undefined) {
  console.error('node scripts/check-release.ts TAG [--notes]')
  process.exit(2)
}
const read = (path: string): Promise<string> => readFile(resolve(import.meta.dirname, '..', path), 'utf8')
const files: ReleaseFiles = {
  manifest: await read('packages/hub/package.json'),
  receiver: await read('packages/receiver/package.json'),
  lock: await read('package-lock.json'),
  chart: await read('deploy/helm/watchbell/Chart.yaml'),
  changelog: await read('CHANGELOG.md'),
}
const problems = releaseProblems(files, tag)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
if (values.notes) console.log(releaseNotes(files.changelog))
