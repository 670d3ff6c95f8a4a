import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emptyDatabase } from '../../test/postgres-database.ts'
import { runInProcess, type CliRun, type CliSurroundings } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { startTestHub } from '../testing/start-test-hub.ts'

const secretKey = Buffer.alloc(32, 'key').toString('base64')

/** A folder with the data of a hub that was used, in `old`. */
async function usedHub(): Promise<{ readonly path: string; readonly old: string } & AsyncDisposable> {
  const folder = await temporaryFolder()
  const old = join(folder.path, 'old')
  await mkdir(old)
  {
    await using hub = await startTestHub({ folder: old })
    const draft = {
      name: 'a',
      type: 't',
      settings: { issuer: 'https://a.example', jwks_url: 'https://a.example/j' },
    }
    expect((await hub.api('POST', '/api/v1/security-events-providers', draft)).status).toBe(200)
    expect((await fetch(`${hub.origin}/oauth2/v1/keys`)).status).toBe(200)
    await hub.hub.signingKeys.rotate()
  }
  return { ...folder, old, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
}

function run(args: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  return runInProcess(args, surroundings)
}

const body = (text: string): string => text.slice(text.indexOf('\n'))

test('through a pipe into PostgreSQL, and through a file back into a folder: the same lines', async () => {
  await using folder = await usedHub()
  const postgres = { WATCHBELL_DATABASE_URL: await emptyDatabase(), WATCHBELL_SECRET_KEY: secretKey }
  const piped = await run(['export', '--data', folder.old, '-'], { env: postgres }) // --data beats the environment
  expect(piped).toMatchObject({ exitCode: 0 })
  expect(piped.stderr).toMatch(
    /^That is all of the data folder .*: [1-9]\d* rows, 1 MiB\.\nThe secret key is not in it/,
  )

  const refused = await run(['import', '-'], { env: postgres, stdin: piped.stdout })
  expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
  expect(refused.stderr).toMatch(
    /is not the one of the hub that was exported.*Nothing was imported.*--other-secret-key/s,
  )
  const taken = await run(['import', '--other-secret-key', '-'], { env: postgres, stdin: piped.stdout })
  expect(taken).toMatchObject({ exitCode: 0 })
  expect(taken.stdout).toMatch(
    /^[1-9]\d* rows are in the PostgreSQL database watchbell_test_\w+ at 127\.0\.0\.1\.\n$/,
  )
  expect(taken.stderr).toContain('is not the one of the hub that was exported')

  const file = join(folder.path, 'hub.jsonl')
  const written = await run(['export', file, '--json'], { env: postgres })
  const told = JSON.parse(written.stdout) as { counts: object }
  expect(told).toMatchObject({ file, counts: { providers: 1, issuers: 1 } })
  const { mode, size } = await stat(file)
  expect([mode & 0o777, size]).toEqual([0o600, (told as { bytes?: number }).bytes])
  const text = await readFile(file, 'utf8')
  expect(body(text)).toBe(body(piped.stdout))
  expect(text.split('\n')[0]).toContain('"database":"postgres"')

  const again = join(folder.path, 'again')
  const back = await run(['import', '--data', again, '--json', file])
  expect(back).toMatchObject({ exitCode: 0 })
  expect(JSON.parse(back.stdout)).toEqual({ counts: told.counts, secret_key: 'missing' })
  expect(body((await run(['export', '--data', again])).stdout)).toBe(body(text))
})

describe('the secret key', () => {
  test.each([
    ['that of the exported hub: nothing to say', 'same', /^$/],
    [
      'none: where to put it',
      'none',
      /before the hub starts, put the secret key .* into .*secret\.key or WATCHBELL_SECRET_KEY/,
    ],
    ['another: that it opens nothing', 'other', /is not the one of the hub that was exported/],
    ['no key at all', 'broken', /is not the one of the hub that was exported/],
  ] as const)('%s', async (_, key, said) => {
    await using folder = await usedHub()
    const { stdout: lines } = await run(['export', '--data', folder.old, '-'])
    const data = join(folder.path, 'new')
    await mkdir(data)
    const texts = {
      same: await readFile(join(folder.old, 'secret.key'), 'utf8'),
      other: secretKey,
      broken: 'not base64!',
    }
    if (key !== 'none') await writeFile(join(data, 'secret.key'), texts[key])
    const { exitCode, stderr } = await run(['import', '--data', data, '-'], { stdin: lines })
    const isWrong = key === 'other' || key === 'broken'
    expect(exitCode).toBe(isWrong ? 1 : 0)
    expect(stderr).toMatch(said)
    if (isWrong) {
      const anyway = await run(['import', '--data', data, '--other-secret-key', '-'], { stdin: lines })
      expect(anyway).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(said) })
    }
    expect((await readdir(data)).includes('secret.key')).toBe(key !== 'none') // none is made
  })
})

describe('export is refused', () => {
  test('over a file that exists', async () => {
    await using folder = await usedHub()
    const file = join(folder.path, 'precious')
    await writeFile(file, 'precious')
    const refused = await run(['export', '--data', folder.old, file])
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(refused.stderr).toContain('exists already')
    expect(await readFile(file, 'utf8')).toBe('precious')
  })

  test.each([
    [
      'onto a terminal by accident',
      ['export'],
      { terminalColumns: 80 },
      2,
      'Name a file, or - for standard output',
    ],
    [
      'of a folder without a database',
      ['export', '--data', '/nowhere', '-'],
      {},
      1,
      'There is no database in /nowhere',
    ],
    [
      'of a server that is not there',
      ['export', '-'],
      unreachable(),
      1,
      'the PostgreSQL database hub at 127.0.0.1',
    ],
  ] as const)('%s', async (_, args, surroundings, exitCode, message) => {
    const refused = await run(args, surroundings)
    expect(refused).toMatchObject({ exitCode, stdout: '' })
    expect(refused.stderr).toContain(message)
    expect(refused.stderr).not.toContain('do-not-show')
  })

  test('of a PostgreSQL database that no hub has used', async () => {
    const env = { WATCHBELL_DATABASE_URL: await emptyDatabase(), WATCHBELL_SECRET_KEY: secretKey }
    expect((await run(['export', '-'], { env })).stderr).toContain('The database is not one of Watchbell')
  })

  test('when somebody stops it: no file is left', async () => {
    await using folder = await usedHub()
    const refused = await run(['export', '--data', folder.old, join(folder.path, 'hub.jsonl')], {
      stop: AbortSignal.abort(),
    })
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(await readdir(folder.path)).toEqual(['old'])
  })
})

function unreachable(): CliSurroundings {
  return {
    env: {
      WATCHBELL_DATABASE_URL: 'postgres://hub:do-not-show@127.0.0.1:1/hub',
      WATCHBELL_SECRET_KEY: secretKey,
    },
  }
}

describe('import is refused', () => {
  test('into a folder on which a hub runs', async () => {
    await using folder = await temporaryFolder()
    await using _hub = await startTestHub({ folder: folder.path })
    const refused = await run(['import', '--data', folder.path, '-'], { stdin: '' })
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
    expect(refused.stderr).toContain('another Watchbell is running on the data folder')
  })

  test('into a database that a hub has used, on either kind', async () => {
    await using folder = await usedHub()
    const { stdout: lines } = await run(['export', '--data', folder.old, '-'])
    const env = { WATCHBELL_DATABASE_URL: await emptyDatabase(), WATCHBELL_SECRET_KEY: secretKey }
    await run(['import', '--other-secret-key', '-'], { env, stdin: lines })
    for (const surroundings of [{ env }, { env: { WATCHBELL_DATA: folder.old } }]) {
      const refused = await run(['import', '-'], { ...surroundings, stdin: lines })
      expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
      expect(refused.stderr).toMatch(
        /The database is not empty: there are rows in providers, .*Nothing was imported\.\n$/,
      )
    }
  })

  test('of a part of a file; the same database takes the whole one afterwards', async () => {
    await using folder = await usedHub()
    const { stdout: lines } = await run(['export', '--data', folder.old, '-'])
    const data = join(folder.path, 'new')
    for (const part of [
      lines.slice(0, lines.length / 2),
      lines.slice(0, lines.lastIndexOf('\n', lines.length - 2) + 1),
    ]) {
      const refused = await run(['import', '--data', data, '-'], { stdin: part })
      expect(refused).toMatchObject({ exitCode: 1, stdout: '' })
      expect(refused.stderr).toMatch(/cut off.* Nothing was imported\.\n$/)
    }
    expect(await run(['import', '--data', data, '-'], { stdin: lines })).toMatchObject({ exitCode: 0 })
  })

  test.each([
    ['of a file that there is not', ['import', '/nowhere/hub.jsonl'], 2, '/nowhere/hub.jsonl cannot be read'],
    ['of a folder', ['import', '/'], 2, '/ cannot be read'],
    ['without a file', ['import'], 2, "missing required argument 'file'"],
  ])('%s', async (_, args, exitCode, message) => {
    await using folder = await temporaryFolder()
    const refused = await run(args, { env: { WATCHBELL_DATA: folder.path } })
    expect(refused).toMatchObject({ exitCode, stdout: '' })
    expect(refused.stderr).toContain(message)
  })
})
