import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun, type CliSurroundings } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { answers, fill, standing, startHub, startSurroundings } from '../../test/transfer/full-hub.ts'
import { openSqliteInThread } from '../storage/sqlite/in-thread.ts'

function run(args: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  return runInProcess(['backup', ...args], surroundings)
}

/** A data folder with a database of some pages. */
async function dataFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await temporaryFolder()
  const { storage } = await openSqliteInThread(folder.path, new Date())
  await storage[Symbol.asyncDispose]()
  return folder
}

test('a hub started on a restored backup gives the same answers, and honours the same credentials', async () => {
  await using around = await startSurroundings()
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'data')
  const restored = join(folder.path, 'restored')
  const file = join(folder.path, 'backup.db')
  let before: unknown
  {
    await using hub = await startHub(around, { folder: data })
    await fill(hub, around)
  }
  {
    await using hub = await startHub(around, { folder: data })
    const backup = await run([file], { env: { WATCHBELL_DATA: data } })
    expect(backup).toMatchObject({ exitCode: 0, stderr: '' })
    expect(backup.stdout).toContain(`${file} is a backup of ${data}`)
    expect(backup.stdout).toContain(join(data, 'secret.key'))
    before = await answers(hub, around)
  }
  await mkdir(restored)
  await copyFile(file, join(restored, 'watchbell.db'))
  await using hub = await startHub(around, { folder: restored })
  expect(await answers(hub, around)).toEqual(before)
  expect(await standing(hub, around)).toEqual({ live: 200, revoked: 401, bearer: 200 })
}, 60_000)

test('a copy made while another connection writes without a pause is whole, and of one moment', async () => {
  await using folder = await dataFolder()
  const database = new Database(join(folder.path, 'watchbell.db'))
  const filler = 'x'.repeat(2_000)
  const insert = database.prepare(
    `INSERT INTO signals (sequence, key, provider_id, iss, jti, issued_at, received_at, events, via)
     VALUES (?, ?, 'sse', 'iss', 'jti', 1, 1, ?, 'push')`,
  )
  const wait = database.prepare('INSERT INTO inbox (sequence) VALUES (?)')
  let last = 0
  /** Both tables change in one transaction: a copy of one moment has as many rows in each. */
  const write = database.transaction((rows: number) => {
    for (const end = last + rows; last < end;) {
      last += 1
      insert.run(last, Buffer.from(String(last)), filler + filler)
      wait.run(last)
    }
  })
  write(20_000) // 80 MB: several steps
  const atStart = last
  const file = join(folder.path, 'copy.db')
  const copied = new AbortController()
  const backup = run(['--json', file], { env: { WATCHBELL_DATA: folder.path } }).finally(() => copied.abort())
  while (!copied.signal.aborted) {
    write(1)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { exitCode, stdout } = await backup
  database.close()
  expect(exitCode).toBe(0)
  const { size, mode } = await stat(file)
  expect(JSON.parse(stdout)).toEqual({ file, bytes: size, secret_key: join(folder.path, 'secret.key') })
  expect(mode & 0o777).toBe(0o600)

  const copy = new Database(file, { readonly: true })
  const count = (table: string): number => Number(copy.prepare(`SELECT count(*) FROM ${table}`).pluck().get())
  expect(copy.pragma('integrity_check', { simple: true })).toBe('ok')
  expect(count('signals')).toBe(count('inbox'))
  expect(count('signals')).toBeGreaterThanOrEqual(atStart)
  expect(count('signals')).toBeLessThan(last) // the writer was not held up
  copy.close()
  expect((await readdir(folder.path)).filter((name) => name.startsWith('copy.db.'))).toEqual([])
})

describe('is refused, and nothing is left behind', () => {
  test('over a file that exists', async () => {
    await using folder = await dataFolder()
    const file = join(folder.path, 'precious')
    await writeFile(file, 'precious')
    const refused = await run([file], { env: { WATCHBELL_DATA: folder.path } })
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(refused.stderr).toContain(`${file} exists already, and is left as it is`)
    expect(await readFile(file, 'utf8')).toBe('precious')
  })

  test.each([
    ['no file', [], 2, "missing required argument 'file'"],
    ['a folder that there is not', ['/nowhere/backup.db'], 2, '/nowhere/backup.db cannot be written'],
  ])('with %s', async (_, args, exitCode, message) => {
    await using folder = await dataFolder()
    const refused = await run(args, { env: { WATCHBELL_DATA: folder.path } })
    expect(refused).toMatchObject({ exitCode, stdout: '' })
    expect(refused.stderr).toContain(message)
  })

  test('of a folder without a database, and of a database of somebody else', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'backup.db')
    const env = { WATCHBELL_DATA: folder.path }
    expect((await run([file], { env })).stderr).toContain(
      `There is no database in ${folder.path}: it holds no file watchbell.db.`,
    )
    new Database(join(folder.path, 'watchbell.db')).exec('CREATE TABLE a (b)').close()
    expect((await run([file], { env })).stderr).toContain('is not one of Watchbell')
    await writeFile(join(folder.path, 'watchbell.db'), 'This is no database at all.'.repeat(100))
    expect(await run([file], { env })).toMatchObject({ exitCode: 1, stdout: '' })
    expect(await readdir(folder.path)).toEqual(['watchbell.db'])
  })

  test('when it is stopped', async () => {
    await using folder = await dataFolder()
    const refused = await run([join(folder.path, 'backup.db')], {
      env: { WATCHBELL_DATA: folder.path },
      stop: AbortSignal.abort(),
    })
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(refused.stderr).toContain('Stopped; there is no backup.')
    expect((await readdir(folder.path)).filter((name) => name.startsWith('backup'))).toEqual([])
  })

  test('on PostgreSQL, unless --data names a folder', async () => {
    await using folder = await dataFolder()
    const env = {
      WATCHBELL_DATABASE_URL: 'postgres://hub:do-not-show@127.0.0.1:1/hub',
      WATCHBELL_SECRET_KEY: Buffer.alloc(32).toString('base64'),
    }
    const file = join(folder.path, 'backup.db')
    const refused = await run([file], { env })
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' })
    expect(refused.stderr).toContain('pg_dump, or with `watchbell export`')
    expect(refused.stderr).not.toContain('do-not-show')
    expect(await run(['--data', folder.path, file], { env })).toMatchObject({ exitCode: 0 })
  })
})

test('long work prints its progress on standard error', async () => {
  await using folder = await dataFolder()
  let hours = 0
  const world = { now: () => new Date(Date.UTC(2026, 0, 1, (hours += 1))) }
  const { stdout, stderr } = await run([join(folder.path, 'backup.db'), '--json'], {
    env: { WATCHBELL_DATA: folder.path },
    world,
  })
  expect(stderr).toMatch(/^\d+ MiB of \d+ MiB …\n/)
  expect(JSON.parse(stdout)).toMatchObject({ bytes: expect.any(Number) as number })
})
