import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { registerServiceApp } from '../../test/http/service-app.ts'
import { setRisk } from '../../test/http/user-risk.ts'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'

function run(hub: TestHub, ...args: readonly string[]): Promise<CliRun> {
  return runInProcess(args, { env: { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken } })
}

describe('risk-provider', () => {
  test('is created, listed, shown with its counters and deleted, by id and by name', async () => {
    await using hub = await startTestHub()
    expect((await run(hub, 'risk-provider', 'list')).stdout).toContain('There are no risk providers yet')
    const app = await registerServiceApp(hub, 'okta.riskEvents.manage')
    const create = ['risk-provider', 'create', '--name', 'Partner', '--client', app.clientId]
    const made = await run(hub, ...create, '--action', 'enforce_and_log', '--json')
    expect(made).toMatchObject({ exitCode: 0, stderr: '' })
    const { id } = JSON.parse(made.stdout) as { id: string }
    const event = [{ subjects: [{ ip: '203.0.113.7', riskLevel: 'HIGH' }] }]
    await app.call('okta.riskEvents.manage', 'POST', '/api/v1/risk/events/ip', event)

    expect((await run(hub, 'risk-provider', 'list')).stdout).toMatch(
      new RegExp(`${id} +enforce_and_log +Partner +${app.clientId}`),
    )
    const onTerminal = await runInProcess(['risk-provider', 'list'], {
      env: { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken },
      terminalColumns: 60,
    })
    expect(onTerminal.stdout).toContain(id)
    expect(onTerminal.stdout).toContain(app.clientId)
    expect((await run(hub, 'risk-provider', 'show', 'Partner')).stdout).toContain('1 taken, 0 ignored')
    expect((await run(hub, 'risk', 'show', '203.0.113.7')).stdout).toMatch(
      /HIGH +Risk Provider Reported Risk/,
    )
    const asked = await run(hub, 'evaluate', '--user', 'ada@example.com', '--ip', '203.0.113.7')
    expect(asked.stdout).toMatch(/^DENY, risk level HIGH\n {2}Partner says HIGH of the address/)
    expect((await run(hub, 'risk-provider', 'delete', id)).stdout).toBe(`Partner (${id}) is deleted.\n`)
  })

  test('what cannot be done is refused in words', async () => {
    await using hub = await startTestHub()
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['create', '--name', 'a'], 2, '--client'],
      [['create', '--name', 'a', '--client', '0oaNone', '--action', 'block'], 2, 'log_only'],
      [['create', '--name', 'a', '--client', '0oaNone'], 1, 'clientId'],
      [['show', 'nobody'], 1, 'nobody'],
      [['delete', 'nobody'], 1, 'nobody'],
    ]
    for (const [args, exitCode, message] of cases) {
      const result = await run(hub, 'risk-provider', ...args)
      expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(message) })
    }
  })
})

describe('risk and evaluate', () => {
  test('a level is set, shown and decides', async () => {
    await using hub = await startTestHub()
    await setRisk(hub, 'ada@example.com', 'LOW')
    const set = await run(
      hub,
      'risk',
      'set',
      'ada@example.com',
      '--level',
      'MEDIUM',
      '--reason',
      'lost laptop',
    )
    expect(set).toMatchObject({ exitCode: 0, stdout: 'ada@example.com has the level MEDIUM now.\n' })
    const shown = (await run(hub, 'risk', 'show', 'ada@example.com')).stdout
    expect(shown).toMatch(/level +MEDIUM/)
    expect(shown).toMatch(/\n  “lost laptop”\n/)
    expect(shown.match(/ada@example\.com/g)).toHaveLength(1) // sign-in name and email address
    const asked = await run(
      hub,
      'evaluate',
      '--user',
      'ada@example.com',
      '--session',
      's',
      '--issued-at',
      '2026-01-01T00:00:00Z',
    )
    expect(asked.stdout).toMatch(/^CHALLENGE, risk level MEDIUM\n {2}An administrator says MEDIUM/)
    const json = await run(hub, 'evaluate', '--user', 'ada@example.com', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ decision: false, context: { outcome: 'challenge' } })
  })

  test('the commands of the README show a revocation that ends sessions', async () => {
    await using hub = await startTestHub()
    const page = await readFile(new URL('../../../../README.md', import.meta.url), 'utf8')
    const commands = page.matchAll(/^npm run watchbell -- ((?:send|evaluate) .*)$/gm)
    const said: string[] = []
    for (const [, line = ''] of commands) {
      if (line.includes('--ssf')) continue // serves until Ctrl-C: scripts/first-hour.ts types it
      const { exitCode, stdout } = await run(hub, ...line.split(/\s+#/)[0]!.trim().split(' '))
      await hub.handleAll()
      expect([line, exitCode]).toEqual([line, 0])
      said.push(stdout)
    }
    expect(said.filter((text) => text.startsWith('ALLOW'))).toEqual([
      expect.stringContaining('Sessions of this user were revoked'),
    ])
    expect(said.filter((text) => text.startsWith('DENY'))).toEqual([
      expect.stringContaining('revoked all sessions of the user'),
    ])
  })

  test('an unknown subject is reported as unknown', async () => {
    await using hub = await startTestHub()
    expect((await run(hub, 'evaluate', '--user', 'bob@example.com')).stdout).toBe(
      'ALLOW, risk level NONE\nNothing is known of this user.\n',
    )
    const shown = await run(hub, 'risk', 'show', '198.51.100.1')
    expect(shown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('198.51.100.1') })
  })

  test('what cannot be done is refused in words', async () => {
    await using hub = await startTestHub()
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['evaluate'], 2, '--user'],
      [['evaluate', '--user', 'a', '--ip', '1.2.3'], 1, 'context.ip'],
      [['evaluate', '--user', 'a', '--issued-at', 'now'], 1, 'issued_at'],
      [['risk', 'set', 'a'], 2, '--level'],
      [['risk', 'set', 'a', '--level', 'WORST'], 2, 'HIGH'],
      [['risk', 'set', 'nobody@example.com', '--level', 'HIGH'], 1, 'nobody@example.com'],
    ]
    for (const [args, exitCode, message] of cases) {
      const result = await run(hub, ...args)
      expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(message) })
    }
  })
})

test('a reason is dismissed and restored, and anything may be set to NONE', async () => {
  await using hub = await startTestHub()
  await setRisk(hub, 'ada@example.com', 'HIGH')
  const shown = JSON.parse((await run(hub, 'risk', 'show', 'ada@example.com', '--json')).stdout) as {
    reasons: { id: string }[]
  }
  const id = shown.reasons[0]?.id ?? ''
  expect((await run(hub, 'risk', 'show', 'ada@example.com')).stdout).toContain(id)
  expect((await run(hub, 'risk', 'dismiss', 'ada@example.com', id)).stdout).toBe(
    'The reason is dismissed. ada@example.com has the level NONE now.\n',
  )
  expect((await run(hub, 'risk', 'show', 'ada@example.com')).stdout).toMatch(/Dismissed:[^]*Admin Reported/)
  expect((await run(hub, 'risk', 'restore', 'ada@example.com', id)).stdout).toContain('the level HIGH now')
  expect(await run(hub, 'risk', 'dismiss', 'ada@example.com', 'other')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('(Reason)') as string,
  })
  expect((await run(hub, 'risk', 'set', 'ada@example.com', '--level', 'NONE')).stdout).toBe(
    'ada@example.com has the level NONE now.\n',
  )
})
