import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { startTestHub } from '../testing/start-test-hub.ts'
import { startTransmitter } from '../testing/transmitter.ts'
import { childEnvironment } from '../../test/child-environment.ts'

const main = new URL('main.ts', import.meta.url).pathname

interface Finished {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, [main, ...args], { env: { ...env, ...childEnvironment } })
}

/** The real command, in a process of its own. */
async function watchbell(
  args: readonly string[],
  { env = {}, stdin = '' }: { env?: Readonly<Record<string, string>>; stdin?: string } = {},
): Promise<Finished> {
  const child = start(args, env)
  child.stdin.end(stdin)
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { exitCode, stdout, stderr }
}

test('version, help, and wrong usage', async () => {
  const [version, help, nothing, unknown] = await Promise.all(
    [['--version'], ['--help'], [], ['xyzzy']].map((args) => watchbell(args)),
  )
  expect(version).toMatchObject({ exitCode: 0, stderr: '' })
  expect(version?.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect(help?.exitCode).toBe(0)
  for (const command of ['serve', 'provider', 'signals', 'send', 'token', 'client', 'set']) {
    expect(help?.stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
  }
  expect(nothing).toMatchObject({ exitCode: 2, stdout: '' })
  expect(unknown).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: "watchbell: unknown command 'xyzzy'\nAdd --help to see what can be given.\n",
  })
})

test.each([
  ['provider create', '--well-known-url'],
  ['provider list', '--json'],
  ['provider show', 'id-or-name'],
  ['provider activate', 'id-or-name'],
  ['provider deactivate', 'id-or-name'],
  ['provider delete', 'id-or-name'],
  ['signals', '--follow'],
  ['signals show', '--include-token'],
  ['send', 'alg-hs256'],
  ['send', '(default: 127.0.0.1:0)'],
  ['token create', '--role'],
  ['token list', '--env-file'],
  ['token revoke', 'id-or-name'],
  ['client create', 'okta.logs.read'],
  ['client list', '--data'],
  ['client revoke', 'client-id'],
  ['set decode', 'without verifying it'],
  ['set verify', 'WATCHBELL_OUTBOUND_ALLOW'],
])('%s has a help text', async (command, content) => {
  const { exitCode, stdout } = await watchbell([...command.split(' '), '--help'])
  expect(exitCode).toBe(0)
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(content)
})

describe('the whole way', () => {
  test('a token made on the database of a running hub registers a provider and sees what it sent', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub({ folder: folder.path })
    const { stdout: secret } = await watchbell(['token', 'create', '--name', 'cli', '--data', folder.path])
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: secret.trim() }
    expect(await watchbell(['send', 'account-disabled', '--register'], { env })).toMatchObject({
      exitCode: 0,
    })
    expect((await watchbell(['provider', 'list'], { env })).stdout).toMatch(/ACTIVE +watchbell send http/)
    expect((await watchbell(['signals'], { env })).stdout).toMatch(/ {2}account-disabled ada@example\.com\n/)
  })

  test('a token through a pipe is decoded', async () => {
    await using idp = await startTransmitter({ alg: 'EdDSA' })
    const stdin = idp.sign({ type: 'session-revoked', aud: 'https://hub.example' })
    const { exitCode, stdout } = await watchbell(['set', 'decode'], { stdin })
    expect(exitCode).toBe(0)
    expect(stdout).toContain('Not verified')
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'send --serve and signals --follow end in good order by %s',
    async (signal) => {
      await using hub = await startTestHub()
      const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
      const sender = start(['send', 'session-revoked', '--register', '--serve'], env)
      const follower = start(['signals', '--follow'], env)
      await Promise.all([once(sender.stdout, 'data'), once(follower.stdout, 'data')])
      for (const child of [sender, follower]) {
        const closed = once(child, 'close')
        child.kill(signal)
        expect(await closed).toEqual([0, null])
      }
    },
  )

  test('a reader that has seen enough is no error', async () => {
    const child = start(['send', '--list', '--json'])
    const stderr = text(child.stderr)
    child.stdout.destroy()
    const [exitCode] = (await once(child, 'close')) as [number]
    expect({ exitCode, stderr: await stderr }).toEqual({ exitCode: 0, stderr: '' })
  })

  test('a stack trace only shows with WATCHBELL_LOG_LEVEL=debug', async () => {
    const args = ['provider', 'list', '--url', 'http://127.0.0.1:9', '--token', 't']
    const [plain, debug] = await Promise.all([
      watchbell(args),
      watchbell(args, { env: { WATCHBELL_LOG_LEVEL: 'debug' } }),
    ])
    expect(plain.stderr).not.toMatch(/\n {4}at /)
    expect(debug.stderr).toMatch(/\n {4}at /)
  })
})
