import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { setRisk } from '../../test/http/user-risk.ts'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'

function run(hub: TestHub, args: readonly string[], stdin = ''): Promise<CliRun> {
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
  return runInProcess(['subject', ...args], { env, stdin })
}

const ada = { kind: 'user', login: 'ada', emails: ['ada@example.com'], display_name: 'Ada' }
const bob = { kind: 'user', login: 'bob@example.com' }

describe('load', () => {
  test.each([
    ['a JSON array', JSON.stringify([ada, bob])],
    ['a JSON array over several lines, behind white space', ` \n${JSON.stringify([ada, bob], undefined, 2)}`],
    ['JSON Lines', `${JSON.stringify(ada)}\n\n${JSON.stringify(bob)}\r\n`],
  ])('takes %s, from a file and from standard input', async (_what, text) => {
    await using hub = await startTestHub()
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'users')
    await writeFile(file, text)
    const loaded = { exitCode: 0, stderr: '', stdout: '2 of 2 users are loaded.\n' }
    expect(await run(hub, ['load', file])).toEqual(loaded)
    expect(await run(hub, ['load', '-'], text)).toEqual(loaded)
    expect((await run(hub, ['list'])).stdout).toMatch(/NONE +ada +Ada$/m)
  })

  test('names each line that cannot be loaded, and loads the others', async () => {
    await using hub = await startTestHub()
    const lines = [
      JSON.stringify(ada),
      '{"kind": "user", "login": "eve"',
      '',
      '"eve"',
      '{"kind": "user", "kind": "user", "login": "eve"}',
      '{"kind": "user", "login": "eve", "emails": ["nobody"]}',
      '{"kind": "user", "login": "eve", "emails": ["ada@example.com"]}',
      JSON.stringify(bob),
    ]
    const { exitCode, stdout, stderr } = await run(hub, ['load', '-'], lines.join('\n'))
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '2 of 7 users are loaded.\n' })
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^watchbell: line 2: it is not JSON/),
      'watchbell: line 4: A user is a JSON object.',
      expect.stringMatching(/^watchbell: line 5: the member name "kind" is repeated/),
      expect.stringMatching(/^watchbell: line 6: .*emails\[0\].*no email address/),
      expect.stringMatching(/^watchbell: line 7: .*'eve' cannot belong to one user/),
      'watchbell: 5 of 7 users were not loaded.',
      '',
    ])
  })

  test('--json tells what became of an array', async () => {
    await using hub = await startTestHub()
    const { exitCode, stdout } = await run(
      hub,
      ['load', '-', '--json'],
      JSON.stringify([ada, { kind: 'device' }]),
    )
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout)).toEqual({
      loaded: 1,
      failed: [{ place: 'entry 2', reason: expect.stringContaining('login') }],
    })
  })

  test.each([
    ['nothing', '', 'There are no users in it'],
    ['an array that ends too early', '[{}', 'The array is refused'],
    ['bytes that are no text', '\u{fffd}', 'line 1'],
  ])('%s is refused', async (_what, text, message) => {
    await using hub = await startTestHub()
    const { exitCode, stderr } = await run(hub, ['load', '-'], text)
    expect(exitCode).toBeGreaterThan(0)
    expect(stderr).toContain(message)
  })

  test('a token that may not load ends it at the first user', async () => {
    await using hub = await startTestHub()
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: 'wrong' }
    const stdin = JSON.stringify([ada, bob])
    const { exitCode, stdout, stderr } = await runInProcess(['subject', 'load', '-'], { env, stdin })
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr.match(/says 401/g)).toHaveLength(1)
  })
})

describe('list, show and erase', () => {
  test('list tells kinds and levels apart, and pages', async () => {
    await using hub = await startTestHub()
    await setRisk(hub, 'ada@example.com', 'HIGH')
    await run(hub, ['load', '-'], JSON.stringify([bob]))
    expect((await run(hub, ['list', '--level', 'HIGH'])).stdout).toContain('ada@example.com')
    expect((await run(hub, ['list', '--level', 'HIGH'])).stdout).not.toContain('bob@example.com')
    expect((await run(hub, ['list', '--kind', 'device'])).stdout).toBe('There are none.\n')
    expect((await run(hub, ['list', '--search', 'BOB'])).stdout).toMatch(
      /^\S+ +user +NONE +bob@example.com$/m,
    )
    const all = JSON.parse((await run(hub, ['list', '--limit', '1', '--json'])).stdout) as unknown[]
    expect(all).toHaveLength(1)
  })

  test('show has identifiers, reasons and what was said before', async () => {
    await using hub = await startTestHub()
    await run(hub, ['load', '-'], JSON.stringify([ada]))
    for (const riskLevel of ['LOW', 'HIGH']) await hub.api('PUT', '/api/v1/users/ada/risk', { riskLevel })
    const { stdout } = await run(hub, ['show', 'ada@example.com'])
    expect(stdout).toMatch(/level +HIGH/)
    expect(stdout).toMatch(/^email +ada@example.com$/m)
    expect(stdout).toMatch(/^HIGH +Admin Reported User Risk[^]+Before that:[^]+^LOW +Admin/m)
  })

  test('an erased subject is no longer found', async () => {
    await using hub = await startTestHub()
    await run(hub, ['load', '-'], JSON.stringify([ada]))
    expect((await run(hub, ['erase', 'ada'])).stdout).toMatch(/^00u\w+ is erased\.\n$/)
    expect((await run(hub, ['show', 'ada'])).exitCode).toBe(1)
    expect((await run(hub, ['erase', 'ada'])).stderr).toContain("'ada'")
  })

  test('erase says where to look, and erasure list and show tell how it went', async () => {
    await using hub = await startTestHub()
    await run(hub, ['load', '-'], JSON.stringify([ada, bob]))
    const begun = JSON.parse((await run(hub, ['erase', 'ada', '--no-wait', '--json'])).stdout) as {
      id: string
      subject: { id: string }
    }
    const said = (await run(hub, ['erase', begun.subject.id, '--no-wait'])).stdout
    expect([
      `${begun.subject.id} is being erased; \`watchbell erasure show ${begun.id}\` tells how far it is.\n`,
      `${begun.subject.id} is erased.\n`,
    ]).toContain(said)
    const again = JSON.parse((await run(hub, ['erase', begun.subject.id, '--json'])).stdout) as object
    expect(again).toMatchObject({ id: begun.id, state: 'done' })
    await run(hub, ['erase', 'bob@example.com'])

    const erasures = (args: readonly string[]) => {
      const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
      return runInProcess(['erasure', ...args], { env })
    }
    const shown = (await erasures(['show', begun.id])).stdout
    expect(shown).toMatch(
      new RegExp(`^id +${begun.id}\nstate +done\nsubject +${begun.subject.id} \\(user\\)`),
    )
    expect(shown).toMatch(/^DELETED +ROWS\nidentifiers +2$/m)
    expect(shown).not.toContain('ada@')
    expect((await erasures(['list'])).stdout).toMatch(
      /^ID +STATE +SUBJECT[^]+\nera\w+ +done +00u[^]+\nera\w+ +done/,
    )
    expect((await erasures(['list', '--state', 'waiting'])).stdout).toBe('There are none.\n')
    const newest = JSON.parse((await erasures(['list', '--limit', '1', '--json'])).stdout) as { id: string }[]
    expect(newest).toHaveLength(1)
    expect(newest[0]?.id).not.toBe(begun.id)
    expect(await erasures(['show', 'era0'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("There is no erasure 'era0'"),
    })
    expect((await erasures(['list', '--state', 'gone'])).exitCode).toBe(2)
  })

  test('what cannot be done is refused in words', async () => {
    await using hub = await startTestHub()
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['load'], 2, 'file'],
      [['load', '/nowhere/users.json'], 2, 'cannot be read'],
      [['list', '--kind', 'group'], 2, 'user, device'],
      [['list', '--level', 'NONE'], 2, 'HIGH'],
      [['list', '--limit', '0'], 2, '100000'],
      [['show', 'nobody'], 1, "'nobody'"],
      [['erase', 'nobody'], 1, "'nobody'"],
    ]
    for (const [args, exitCode, message] of cases) {
      expect(await run(hub, args)).toMatchObject({ exitCode, stderr: expect.stringContaining(message) })
    }
  })
})
