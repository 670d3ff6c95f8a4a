import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import { healthTimeoutMs } from '../../src/cli/health-command.ts'
import { settingEntries } from '../../src/config/settings.ts'
import { publishedManifest } from '../../../../scripts/packing.ts'
import { runInProcess } from '../run-cli.ts'
import {
  argumentsOf,
  copies,
  execForm,
  flagOf,
  image,
  manifest,
  root,
  stages,
  strangers,
  text,
} from './files.ts'

const published = JSON.parse(publishedManifest(text('packages/hub/package.json'))) as typeof manifest // ours
const nodeMajor = /\d+/.exec(manifest.engines.node)?.[0]
const names = new Set(stages.map(({ name }) => name))
const external = stages.map(({ image }) => image).filter((image) => !names.has(image))
const commands = (stage: (typeof stages)[number] | undefined): readonly string[] =>
  (stage?.instructions ?? [])
    .filter((instruction) => instruction.getKeyword() === 'RUN')
    .map((instruction) => instruction.getArgumentsContent() ?? '')
const launcher = 'deploy/image/watchbell'

describe('the Dockerfile', () => {
  test('has nothing that its linter knows to be wrong', () => {
    expect(validate(text('Dockerfile'))).toEqual([])
  })

  test('builds on images with a tag, whose Node.js is the one that package.json asks for', () => {
    expect(external).toHaveLength(2)
    for (const image of external) {
      expect(image).toMatch(/:(?!latest$)[\w.-]+$/)
      expect(/node(?:js)?:?(\d+)/.exec(image)?.[1]).toBe(nodeMajor)
    }
  })

  test('takes packages as the lock file has them, and runs none of their scripts', () => {
    const installs = stages.flatMap(commands).filter((command) => /\bnpm (?!run )/.test(command))
    expect(installs).toEqual(['npm ci', 'npm ci --omit=dev --workspace watchbell'])
    expect(text('Dockerfile')).toContain('NPM_CONFIG_IGNORE_SCRIPTS=true')
  })

  test('fetches nothing by itself, and keeps no secret', () => {
    const keywords = stages.flatMap(({ instructions }) => instructions.map((one) => one.getKeyword()))
    expect(keywords).not.toContain('ADD')
    expect(keywords).not.toContain('ARG')
    expect(stages.flatMap(commands).join('\n')).not.toMatch(/\b(curl|wget|apt|apt-get|npx)\b/)
    const secrets = Object.values(settingEntries).filter(({ secret }) => secret)
    for (const { variable } of secrets) expect(image.environment).not.toHaveProperty(variable)
  })

  test('copies what is there, and .dockerignore lets through', () => {
    const allowed = text('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    const sources = copies
      .filter((copy) => flagOf(copy, 'from') === undefined)
      .flatMap((copy) => copy.getArguments().slice(0, -1))
      .map((argument) => argument.getValue())
    expect(sources.filter((path) => !existsSync(join(root, path)))).toEqual([])
    expect(new Set(sources)).toEqual(new Set(allowed))
  })

  test('names only settings', () => {
    expect(strangers(text('Dockerfile'))).toEqual([])
    expect(new Set(Object.keys(image.environment))).toEqual(
      new Set(['NODE_ENV', 'WATCHBELL_DATA', 'WATCHBELL_LISTEN']),
    )
  })
})

describe('the image', () => {
  const last = stages.at(-1)

  test('has no shell to run anything with, so nothing is run in it', () => {
    expect(last?.image).toMatch(/^gcr\.io\/distroless\//)
    expect(commands(last)).toEqual([])
  })

  test('runs as a user by number who is not root, and who owns the data folder and nothing else', () => {
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    const owned = copies.filter((copy) => flagOf(copy, 'chown') !== undefined)
    expect(owned.map((copy) => flagOf(copy, 'chown'))).toEqual([image.user])
    expect(owned.map((copy) => copy.getArguments().map((argument) => argument.getValue()))).toEqual([
      ['/folders/', '/var/lib/'],
    ])
    expect(image.environment['WATCHBELL_DATA']).toBe('/var/lib/watchbell')
  })

  test('has all that the package has, and only the libraries that it needs', () => {
    const copied = copies.flatMap((copy) => copy.getArguments().map((argument) => argument.getValue()))
    // Pages and set-ups are for who has the package in an editor, and the image has no shell to read them with.
    const pages = ['docs', 'deploy', 'examples', 'compose.yaml', 'CONTRIBUTING.md']
    const files = manifest.files.filter((file) => !pages.includes(file))
    expect(files).toEqual([
      'dist',
      '!dist/.tsbuildinfo',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
    ])
    for (const file of files.filter((name) => !name.startsWith('!'))) expect(copied.join(' ')).toContain(file)
    const modules = copies.filter((copy) => copy.getArgumentsContent()?.endsWith(' node_modules'))
    expect(modules.map((copy) => flagOf(copy, 'from'))).toEqual(['libraries'])
    expect(commands(stages.find(({ name }) => name === 'libraries'))).toEqual([
      'npm ci --omit=dev --workspace watchbell',
    ])
  })

  test('starts the command of the package, by a file that needs no shell', () => {
    const [entry] = execForm('ENTRYPOINT')
    const placed = copies.find((copy) => copy.getArgumentsContent()?.includes(launcher))
    expect(placed?.getArguments().at(-1)?.getValue()).toBe(entry)
    expect(text(launcher)).toBe(
      `#!/nodejs/bin/node\nimport('/app/packages/hub/${published.bin.watchbell}')\n`,
    )
    expect(statSync(join(root, launcher)).mode & 0o111).toBe(0o111)
  })

  test('listens where it says', () => {
    const { port } = settingEntries.listen.read(image.environment['WATCHBELL_LISTEN'] ?? '')
    expect(image.port).toBe(port)
  })

  test.each(['HEALTHCHECK', 'CMD'])('%s is a command that there is', async (keyword) => {
    const words = execForm(keyword).filter((word) => word !== execForm('ENTRYPOINT')[0])
    expect(await runInProcess([...words, '--help'])).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('has a health check that is not ended before it can say what is wrong', () => {
    const timeout = /--timeout=(\d+)s/.exec(
      last?.instructions.find((one) => one.getKeyword() === 'HEALTHCHECK')?.getTextContent() ?? '',
    )
    expect(Number(timeout?.[1]) * 1_000).toBeGreaterThan(healthTimeoutMs)
    expect(argumentsOf('HEALTHCHECK')).toContain('CMD')
  })
})
