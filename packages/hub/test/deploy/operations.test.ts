import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hubErrors } from '../../src/base/hub-error.ts'
import { stopMaxMs } from '../../src/cli/serve-command.ts'
import { iatSkewMaxS } from '@watchbell/receiver/set'
import { healthRoutes } from '../../src/http/health-routes.ts'
import { catalogue } from '../../src/metrics/catalogue.ts'
import { runInProcess } from '../run-cli.ts'
import { root, strangers, text } from './files.ts'

const page = text('docs/operations.md')

/** What stands in code, by line: blocks and spans. */
const code: readonly string[] = [
  ...[...page.matchAll(/^```\n([^]*?)^```$/gm)].flatMap(([, block]) => block?.split('\n') ?? []),
  ...[...page.replaceAll(/^```\n[^]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? ''),
]

/** Other texts that tell people at 3 a.m. what to run. */
const advice = [
  'docs/metrics.md',
  'docs/dialects.md',
  'deploy/prometheus/watchbell-alerts.yaml',
  'deploy/grafana/watchbell-dashboard.json',
].flatMap((file) => text(file).match(/(?<=`)watchbell [a-z][^`\n]*(?=`)/g) ?? [])

/** What is run of ours by a line: containers are told the command alone, or `watchbell` and the command. */
function commandIn(line: string): string | undefined {
  const plain = line.replace(/\s+[#<>].*$/, '').trim()
  const container = /^docker (?:compose run .*\bhub-1|run .*:\/var\/lib\/watchbell .*\bwatchbell) (.+)$/.exec(
    plain,
  )
  if (container !== null) return container[1]
  if (plain.startsWith('kubectl ')) return / -- watchbell (.+)$/.exec(plain)?.[1]
  return / ?\bwatchbell ([a-z][a-z-]*(?= |$).*)/.exec(plain)?.[1]
}

const commands = [...new Set([...code, ...advice].map(commandIn).filter((command) => command !== undefined))]

test('runs nothing inside of a hub that is for one that is stopped', () => {
  const stopped = code.filter(
    (line) => / (?:import|--lost-secret-key) /.test(line) && /^(?:docker|kubectl)/.test(line),
  )
  expect(stopped.length).toBeGreaterThan(2)
  expect(stopped.filter((line) => / exec /.test(line))).toEqual([])
  const [, running] = /^\| `compose.yaml` +\|(.+)\|$/m.exec(page) ?? []
  expect(running).not.toContain('`import`')
})

test('names settings, metrics, errors and paths that there are', () => {
  expect(strangers(page)).toEqual([])
  const metrics = page.match(/\bwatchbell_[a-z_]+/g) ?? []
  expect(metrics.filter((name) => !Object.hasOwn(catalogue, name))).toEqual([])
  const codes = code.filter((span) => /^(set|keys|outbound|hub)\.[a-z_]+$/.test(span))
  expect(codes.filter((name) => !Object.hasOwn(hubErrors, name))).toEqual([])
  expect(codes.length).toBeGreaterThan(5)
  const paths = new Set(page.match(/(?<=GET )\/\w+/g))
  const answered = healthRoutes({ isReady: async () => true }).map(({ path }) => path)
  expect(paths).toEqual(new Set([...answered, '/metrics', '/v1']))
})

test('says times as they are', () => {
  expect(page).toContain(`gone within ${stopMaxMs / 1_000} seconds`)
  expect(page.replaceAll(/\s+/g, ' ')).toContain(`We allow SETs ${iatSkewMaxS} seconds ahead`)
})

test('says of each command for Kubernetes in which namespace, and takes the token into containers', () => {
  const onKubernetes = code.filter((line) => /^kubectl .* /.test(line) && !/^kubectl (?:exec|cp)$/.test(line))
  expect(onKubernetes.filter((line) => !line.includes(' --namespace watchbell '))).toEqual([])
  expect(code).toContain('docker compose exec -T -e WATCHBELL_TOKEN hub-1')
})

test('says sizes as they were measured', () => {
  const kilobytes = (database: string): number => {
    const rows = [
      ...text('docs/performance.md').matchAll(
        new RegExp(`^\\| ${database} \\| [\\d,]+ \\| \\d+ \\| [\\d.]+ \\| (\\d,\\d{3}) \\|`, 'gm'),
      ),
    ]
    return Math.max(...rows.map(([, bytes]) => Number(bytes?.replace(',', '')))) / 1_000
  }
  const [, sqlite, postgresql] = /^\| disk for each SET +\| ([\d.]+) KB +\| ([\d.]+) KB/m.exec(page) ?? []
  expect([sqlite, postgresql]).toEqual(['SQLite', 'PostgreSQL'].map((name) => kilobytes(name).toFixed(1)))
  const [, ...aYear] = /kept a year +\| (\d+) GB +\| (\d+) GB/.exec(page) ?? []
  const gigabytes = (kb?: string): string => ((Number(kb) * 86_400 * 365) / 1e6).toFixed(0)
  expect(aYear).toEqual([gigabytes(sqlite), gigabytes(postgresql)])
})

test('leads to pages, files and headings that there are', () => {
  const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target ?? '')
  const headings = new Set(
    [...page.matchAll(/^#+ (.+)$/gm)].map(
      ([, heading]) =>
        `#${heading
          ?.toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-')}`,
    ),
  )
  const missing = links.filter((target) =>
    target.startsWith('#') ? !headings.has(target) : !existsSync(join(root, 'docs', target)),
  )
  expect(missing).toEqual([])
})

describe('has only commands that there are', () => {
  test.each(commands)('watchbell %s', async (command) => {
    const words = command.split(/\s+/)
    const end = words.findIndex((word) => !/^[a-z][a-z-]*$/.test(word))
    const path = words.slice(0, end === -1 ? words.length : end)
    const { exitCode, stdout } = await runInProcess([...path, '--help'])
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`Usage: watchbell ${path.join(' ')} `)
    for (const option of command.match(/--[a-z-]+/g) ?? []) expect(stdout).toContain(`${option} `)
  })
})
