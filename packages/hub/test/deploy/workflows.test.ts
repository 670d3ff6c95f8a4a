import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { root, text, yaml } from './files.ts'

// They run at the forge, so here they are held to the repository: what they name is there.

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>
  readonly needs?: string
  readonly 'timeout-minutes'?: number
  readonly strategy?: {
    readonly matrix: { readonly suite: readonly { readonly name: string; readonly run: string }[] }
  }
  readonly steps: readonly Step[]
}

interface Workflow {
  readonly on: object
  readonly permissions?: object
  readonly jobs: Readonly<Record<string, Job>>
}

const folder = '.github/workflows'
const names = readdirSync(join(root, folder))
const workflows = names.map((name) => ({
  name,
  text: text(`${folder}/${name}`),
  workflow: yaml(`${folder}/${name}`) as Workflow, // ours
}))
const { scripts } = JSON.parse(text('package.json')) as { scripts: Readonly<Record<string, string>> } // ours
const jobsOf = ({ workflow }: (typeof workflows)[number]): readonly (readonly [string, Job])[] =>
  Object.entries(workflow.jobs)
const stepsOf = (workflow: (typeof workflows)[number]): readonly Step[] =>
  jobsOf(workflow).flatMap(([, { steps }]) => steps)

/** Commands of a runner that the repository does not bring. */
const runnersOwn = ['echo', 'gh', 'helm', 'mkdir', 'sudo']

describe.each(workflows)('$name', (workflow) => {
  test('has no permission but those that a job names, and no job holds a token of the checkout', () => {
    expect(workflow.workflow.permissions).toEqual({})
    for (const [, job] of jobsOf(workflow)) expect(job.permissions).toBeDefined()
    for (const step of stepsOf(workflow)) {
      if (step.uses?.startsWith('actions/checkout@') === true) {
        expect(step.with).toMatchObject({ 'persist-credentials': false })
      }
    }
  })

  test('pins every action by its commit, and says which version that is', () => {
    const uses = workflow.text.match(/^.*\buses:.*$/gm) ?? []
    expect(uses.length).toBeGreaterThan(0)
    for (const line of uses) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  test('ends each job after some time', () => {
    for (const [, job] of jobsOf(workflow)) expect(job['timeout-minutes']).toBeGreaterThan(0)
  })

  test('needs only jobs that there are', () => {
    const needed = jobsOf(workflow).flatMap(([, { needs }]) => needs ?? [])
    expect(needed.filter((name) => !Object.hasOwn(workflow.workflow.jobs, name))).toEqual([])
  })

  test('runs only scripts, commands and paths that there are', () => {
    for (const { run } of stepsOf(workflow)) {
      for (const line of (run ?? '').split('\n').filter((each) => each !== '')) {
        const [command = '', ...words] = line.split(' ')
        if (command === 'npm' && words[0] === 'run') expect(scripts).toHaveProperty(words[1] ?? '')
        else if (command === 'npm') expect(['ci', 'test', 'pack', 'sbom']).toContain(words[0])
        else if (command === 'npx')
          expect(existsSync(join(root, 'node_modules/.bin', words[0] ?? ''))).toBe(true)
        else if (command === 'node') expect(existsSync(join(root, words[0] ?? ''))).toBe(true)
        else expect(runnersOwn).toContain(command)
        for (const path of words.filter((word) => /^(packages|examples|scripts|deploy|docs)\//.test(word))) {
          expect([path, existsSync(join(root, path))]).toEqual([path, true])
        }
      }
    }
    for (const step of stepsOf(workflow)) {
      const files = [step.with?.['file'], step.with?.['node-version-file']]
      for (const file of files) if (typeof file === 'string') expect(existsSync(join(root, file))).toBe(true)
    }
  })

  test('puts nothing that somebody else writes into a shell', () => {
    for (const { run } of stepsOf(workflow)) {
      for (const [, expression] of (run ?? '').matchAll(/\$\{\{\s*(.*?)\s*\}\}/g))
        expect(expression).toBe('matrix.suite.run')
    }
  })
})

describe('check.yml', () => {
  const matrix =
    workflows.find(({ name }) => name === 'check.yml')?.workflow.jobs['test']?.strategy?.matrix.suite ?? []
  const listed = (args: readonly string[]): readonly string[] => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    const out = execFileSync(process.execPath, [vitest, 'list', '--filesOnly', '--json', ...args], {
      cwd: root,
      encoding: 'utf8',
    })
    const files = JSON.parse(out) as readonly { readonly file: string; readonly projectName: string }[]
    return files.map(({ file, projectName }) => `${projectName} ${relative(root, file)}`)
  }
  let all: readonly string[] = []
  beforeAll(() => {
    all = listed([])
  }, 60_000)

  test('runs each test file once, in one of its suites', { timeout: 120_000 }, () => {
    expect(all.length).toBeGreaterThan(100)
    const run = matrix.flatMap((suite) => listed(suite.run.split(' ')))
    expect(run.toSorted()).toEqual(all.toSorted())
  })
})

describe('release.yml', () => {
  const release = workflows.find(({ name }) => name === 'release.yml')
  const job = (name: string): Job => release?.workflow.jobs[name] ?? { steps: [] }
  const uses = (name: string, action: string): boolean =>
    job(name).steps.some((step) => step.uses?.startsWith(`${action}@`))

  test('begins with a tag, and publishes nothing before the tag was checked and tested', () => {
    expect(release?.workflow.on).toEqual({ push: { tags: ['v*'] } })
    const runs = job('verify').steps.map(({ run }) => run)
    expect(runs).toEqual(
      expect.arrayContaining(['node scripts/check-release.ts "$GITHUB_REF_NAME"', 'npm test']),
    )
    expect(job('verify').permissions).toEqual({ contents: 'read' })
    for (const [name, { needs }] of Object.entries(release?.workflow.jobs ?? {})) {
      if (name !== 'verify') expect(['verify', 'image']).toContain(needs)
    }
  })

  test.each(['package', 'image', 'chart'])('signs where %s comes from', (name) => {
    expect(uses(name, 'actions/attest-build-provenance')).toBe(true)
    expect(job(name).permissions).toMatchObject({ 'id-token': 'write', attestations: 'write' })
  })

  test('has a bill of materials for package and image', () => {
    expect(uses('package', 'actions/attest-sbom')).toBe(true)
    const build = job('image').steps.find(({ uses }) => uses?.startsWith('docker/build-push-action@'))
    expect(build?.with).toMatchObject({ sbom: true, provenance: 'mode=max', push: true })
  })

  test('names the variables that docs/releases.md explains', () => {
    for (const [, variable = ''] of (release?.text ?? '').matchAll(/\bvars\.(\w+)/g)) {
      expect(text('docs/releases.md')).toContain(variable)
    }
  })
})

test('dependabot keeps actions and packages', () => {
  const { updates } = yaml('.github/dependabot.yml') as {
    updates: readonly { readonly 'package-ecosystem': string; readonly directory: string }[]
  } // ours
  expect(updates.map((update) => update['package-ecosystem'])).toEqual(['github-actions', 'npm', 'docker'])
  for (const { directory } of updates) expect(existsSync(join(root, directory))).toBe(true)
})
