import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseEnv, promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { stopMaxMs } from '../../src/cli/serve-command.ts'
import { settingEntries } from '../../src/config/settings.ts'
import { runInProcess } from '../run-cli.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { image, root, strangers, text, yaml } from './files.ts'

interface Service {
  readonly build?: string
  readonly image: string
  readonly command?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
  readonly networks: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly ports?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly stop_grace_period: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt: readonly string[]
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

const compose = yaml('compose.yaml') as Compose // ours
const { postgres, ...hubs } = compose.services
const run = promisify(execFile)
const script = 'deploy/compose/make-secrets.sh'

/** The secrets that the script makes, in a checkout of their own that has these files already. */
async function madeSecrets(args: readonly string[] = [], files: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder()
  await mkdir(join(folder.path, dirname(script)), { recursive: true })
  await cp(join(root, script), join(folder.path, script))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  await run('sh', [script, ...args], { cwd: folder.path })
  return {
    folder: folder.path,
    read: (name: string) => readFile(join(folder.path, compose.secrets[name]?.file ?? ''), 'utf8'),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

describe('compose.yaml', () => {
  test('names only settings, and none of them that is a secret', () => {
    expect(strangers(text('compose.yaml'))).toEqual([])
    const secrets = new Set<string>(
      Object.values(settingEntries).flatMap(({ secret, variable }) => (secret ? [variable] : [])),
    )
    const given = Object.values(hubs).flatMap(({ environment }) => Object.keys(environment))
    expect(given.filter((variable) => secrets.has(variable))).toEqual([])
  })

  test('runs two hubs that differ in nothing but where they are reached', () => {
    const [first, second, ...more] = Object.values(hubs).map(({ ports, ...hub }) => ({ ports, hub }))
    expect(more).toEqual([])
    expect(second?.hub).toEqual(first?.hub)
    expect(second?.ports).not.toEqual(first?.ports)
    const metrics = settingEntries.metricsListen.read(
      first?.hub.environment['WATCHBELL_METRICS_LISTEN'] ?? '',
    )
    for (const ports of [first?.ports, second?.ports]) {
      const inside = ports?.map((port) => /^127\.0\.0\.1:\d+:(\d+)$/.exec(port)?.[1])
      expect(inside).toEqual([String(image.port), String(metrics?.port)])
    }
  })

  test('starts no hub without the origin that its SETs are for, and keeps no other of its own', () => {
    const origins = Object.values(hubs).map(({ environment }) => environment['WATCHBELL_ORIGIN'])
    for (const origin of origins) expect(origin).toMatch(/^\$\{WATCHBELL_ORIGIN:\?[^}]+\.env[^}]+\}$/)
  })

  test.each(Object.entries(hubs))(
    '%s may do nothing that it need not, and stops in its own time',
    (_, hub) => {
      expect(hub).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        depends_on: { postgres: { condition: 'service_healthy' } },
      })
      expect(Number.parseInt(hub.stop_grace_period, 10) * 1_000).toBeGreaterThan(stopMaxMs)
    },
  )

  test.each(Object.entries(hubs))('%s is started by a command that there is', async (_, { command = [] }) => {
    expect(await runInProcess([...command, '--help'])).toMatchObject({ exitCode: 0, stderr: '' })
    const files = command.filter((word) => word.startsWith('/run/secrets/'))
    expect(files).toEqual(['/run/secrets/watchbell.env'])
  })

  test('gives each service its own secrets, and the database to the hubs alone', () => {
    expect(Object.values(hubs).map(({ secrets }) => secrets)).toEqual([['watchbell.env'], ['watchbell.env']])
    expect(postgres?.secrets).toEqual(['postgres-password'])
    expect(postgres?.networks).toEqual(['database'])
    expect(compose.networks['database']).toEqual({ internal: true })
    expect(postgres?.ports).toBeUndefined()
    expect(postgres?.image).toMatch(/^postgres:\d+-\w+$/)
  })

  test('asks the database that it makes whether it is well', () => {
    const { POSTGRES_USER: user, POSTGRES_DB: database } = postgres?.environment ?? {}
    expect(postgres?.healthcheck?.test).toEqual(
      expect.arrayContaining(['CMD', 'pg_isready', `--username=${user}`, `--dbname=${database}`]),
    )
  })
})

describe('make-secrets.sh', () => {
  test('makes every secret that compose.yaml names, and they fit together', async () => {
    await using made = await madeSecrets()
    const { WATCHBELL_DATABASE_URL, WATCHBELL_SECRET_KEY, WATCHBELL_ADMIN_TOKEN, ...more } = parseEnv(
      await made.read('watchbell.env'),
    )
    expect(more).toEqual({})
    expect(settingEntries.secretKey.read(WATCHBELL_SECRET_KEY ?? '')).toHaveLength(32)
    expect(settingEntries.adminToken.read(WATCHBELL_ADMIN_TOKEN ?? '')).toMatch(/^[0-9a-f]{48}$/)
    const url = new URL(WATCHBELL_DATABASE_URL ?? '')
    const { POSTGRES_USER: user, POSTGRES_DB: database } = postgres?.environment ?? {}
    expect(url).toMatchObject({
      hostname: 'postgres',
      port: '5432',
      username: user,
      pathname: `/${database}`,
    })
    expect(url.password).toBe(await made.read('postgres-password'))
    expect(url.password).toMatch(/^[0-9a-f]{48}$/)
  })

  test('keeps other users of the machine out, and the numbers of the containers’ users in', async () => {
    await using made = await madeSecrets()
    const mode = async (name: string): Promise<number> => (await stat(join(made.folder, name))).mode & 0o777
    expect(await readdir(join(made.folder, 'secrets'))).toHaveLength(Object.keys(compose.secrets).length)
    expect(await mode('secrets')).toBe(0o700)
    for (const { file } of Object.values(compose.secrets)) expect(await mode(file)).toBe(0o444)
  })

  test('makes others each time, and never over those that there are', async () => {
    await using made = await madeSecrets()
    await using other = await madeSecrets()
    const before = await made.read('watchbell.env')
    expect(await other.read('watchbell.env')).not.toBe(before)
    await expect(run('sh', [script], { cwd: made.folder })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing was changed'),
    })
    expect(await made.read('watchbell.env')).toBe(before)
  })

  test('keeps the origin where compose reads it by itself, beside what else differs from place to place', async () => {
    await using made = await madeSecrets(['https://hub.example'])
    const kept = parseEnv(await readFile(join(made.folder, '.env'), 'utf8'))
    expect(kept).toMatchObject({ WATCHBELL_ORIGIN: 'https://hub.example', WATCHBELL_OUTBOUND_ALLOW: '' })
    const asked = Object.values(hubs).flatMap(({ environment }) => Object.values(environment))
    for (const name of Object.keys(kept)) expect(asked.join(' ')).toContain(`\${${name}:`)
  })

  test('leaves a file with settings that is there as it is', async () => {
    const before = 'WATCHBELL_ORIGIN=https://mine.example\n'
    await using made = await madeSecrets(['https://hub.example'], { '.env': before })
    expect(await readFile(join(made.folder, '.env'), 'utf8')).toBe(before)
  })

  test('makes what neither git nor an image gets', () => {
    expect(text('.gitignore').split('\n')).toEqual(expect.arrayContaining(['secrets/', '.env']))
    expect(text('.dockerignore')).toMatch(/^\*$/m)
    expect(text('.dockerignore')).not.toMatch(/^!secrets/m)
  })
})
