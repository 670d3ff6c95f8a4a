import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { generateSigningKey, publicJwk } from '@watchbell/receiver/set'
import { startEmulatedTransmitter } from '../testing/emulated-transmitter.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'
import { privateJwk } from '../testing/transmitter-keys.ts'

function run(hub: TestHub, args: readonly string[], stdin = ''): Promise<CliRun> {
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
  return runInProcess(['stream', ...args], { env, stdin })
}

describe('streams over a real hub and a real transmitter', () => {
  test('one URL and one secret connect, register the provider and wait for the verification', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    const connected = await run(
      hub,
      ['connect', transmitter.wellKnownUrl, '--client-id', 'receiver', '--secret-file', '-'],
      'receiver\n',
    )
    expect(connected).toMatchObject({ exitCode: 0, stderr: '' })
    expect(connected.stdout).toContain(transmitter.stream().id)
    expect(connected.stdout).toMatch(/auth +client_secret_basic as receiver/)
    expect(connected.stdout).toMatch(/verified +\d{4}-/)
    const { host } = new URL(transmitter.origin)

    const again = await run(hub, ['connect', transmitter.issuer, '--secret', 'static-token', '--json'])
    expect(again.exitCode).toBe(0) // found by its well-known URL or issuer, not registered twice
    expect((await run(hub, ['show', host])).stdout).toMatch(/auth +bearer/)
    expect((await run(hub, ['verify', host])).stdout).toContain('is verified')
    expect((await run(hub, ['pause', host, '--reason', 'Holidays'])).stdout).toContain('is paused.')
    const ill = await run(hub, ['doctor', host])
    expect(ill).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('does not work as it should') })
    expect(ill.stdout).toMatch(/failed {3}status +The stream is paused/)
    expect((await run(hub, ['resume', host])).stdout).toContain('is enabled.')
    expect((await run(hub, ['doctor', host])).exitCode).toBe(0)
    expect((await run(hub, ['add-subject', host, '--subject', 'email:ada@example.com'])).exitCode).toBe(0)
    expect((await run(hub, ['remove-subject', host, '--subject', 'email:ada@example.com'])).exitCode).toBe(0)
    expect((await run(hub, ['rotate-authorization', host, '--overlap', '0'])).exitCode).toBe(0)
    expect((await run(hub, ['disconnect', host])).stdout).toContain('is deleted')
    for (const command of ['show', 'verify', 'pause', 'doctor', 'disconnect', 'rotate-authorization']) {
      expect(await run(hub, [command, host])).toMatchObject({
        exitCode: 1,
        stderr: `watchbell: The provider '${host}' has no stream; \`watchbell stream connect\` sets one up.\n`,
      })
    }
  })

  test('connecting that was not verified fails, and shows what was set up', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    transmitter.fail('verification', { status: 400, body: { error: 'stream_verification_error' } }, 2)
    const connect = ['connect', transmitter.wellKnownUrl, '--secret', 'static-token', '--wait', '0']
    const refused = await run(hub, connect)
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('stream_verification_error'),
    })
    expect(refused.stdout).toContain(transmitter.stream().id)
    const json = await run(hub, [...connect, '--json'])
    expect(json.exitCode).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({ connected: true, verified_at: null })

    await using silent = await startEmulatedTransmitter({ alg: 'ES256', misbehaving: ['verify-never'] })
    const waited = [
      'connect',
      silent.wellKnownUrl,
      '--name',
      'Silent',
      '--secret',
      'static-token',
      '--wait',
      '1',
    ]
    expect(await run(hub, waited)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('no verification event came within 1 s'),
    })
  })

  test('event types have short names, and options that would be ignored are refused', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    const connect = ['connect', transmitter.wellKnownUrl, '--secret', 'static-token']
    const events = ['--events', 'session-revoked,urn:example:own']
    expect(await run(hub, [...connect, '--name', 'First', ...events])).toMatchObject({ exitCode: 0 })
    expect(transmitter.stream().eventsRequested).toEqual([
      'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
      'urn:example:own',
    ])
    expect(await run(hub, [...connect, '--events', 'session-revokd'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('There is no event type'),
    })
    for (const [option, value] of [
      ['--name', 'Second'],
      ['--type', 'other'],
    ] as const) {
      const refused = await run(hub, [...connect, option, value])
      expect(refused.exitCode).toBe(2)
      expect(refused.stderr).toContain(option)
    }
    expect((await run(hub, [...connect, '--name', 'First', '--type', 'custom'])).exitCode).toBe(0)
  })

  test('a dialect is put back when connecting with it fails', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    const connect = ['connect', transmitter.wellKnownUrl, '--name', 'P', '--secret']
    expect((await run(hub, [...connect, 'static-token'])).exitCode).toBe(0)
    expect((await run(hub, [...connect, 'wrong', '--dialect', 'scim'])).exitCode).toBe(1)
    expect((await run(hub, ['dialects', 'P'])).stdout).toMatch(/dialects +none/)
    expect((await run(hub, ['show', 'P'])).stdout).toMatch(/verified +\d{4}-/)
  })

  test('all streams are listed and examined, and each is found by name, id, issuer and URL', async () => {
    await using hub = await startTestHub()
    const none = 'There are no streams yet; `watchbell stream connect --help` tells how to set one up.\n'
    expect(await run(hub, ['list'])).toMatchObject({ exitCode: 0, stdout: none })
    expect(await run(hub, ['doctor'])).toMatchObject({ exitCode: 0, stdout: none })
    expect((await run(hub, ['list', '--json'])).stdout).toBe('[]\n')

    await using one = await startEmulatedTransmitter({ alg: 'ES256' })
    await using two = await startEmulatedTransmitter({ alg: 'ES256' })
    for (const [name, { wellKnownUrl }] of [['One', one] as const, ['Two', two] as const]) {
      await run(hub, ['connect', wellKnownUrl, '--name', name, '--secret', 'static-token'])
    }
    const streams = JSON.parse((await run(hub, ['list', '--json'])).stdout) as {
      id: string
      provider_id: string
    }[]
    expect(streams).toHaveLength(2)
    const listed = (await run(hub, ['list'])).stdout
    expect(listed).toMatch(/^ID +PROVIDER +DELIVERY +STATUS/)
    expect(listed).toMatch(new RegExp(`${streams[0]?.id} +One +push +enabled`))
    for (const name of [
      'Two',
      two.issuer,
      `${two.issuer}/`,
      two.wellKnownUrl,
      streams[1]?.id,
      streams[1]?.provider_id,
    ]) {
      expect((await run(hub, ['show', name ?? ''])).stdout).toMatch(/^provider +Two /)
    }

    const well = await run(hub, ['doctor'])
    expect(well).toMatchObject({ exitCode: 0, stderr: '' })
    expect(well.stdout).toMatch(/^One \(sse\w+\)\nok[^]*\n\nTwo \(sse\w+\)\nok/)
    await run(hub, ['pause', 'Two'])
    const ill = await run(hub, ['doctor', '--json'])
    expect(ill).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('1 of 2 streams') as string })
    expect(ill.stderr).toContain('Two')
    expect(JSON.parse(ill.stdout)).toMatchObject([
      { provider_id: streams[0]?.provider_id, healthy: true },
      { provider_id: streams[1]?.provider_id, healthy: false },
    ])
  })

  test('a private key signs in, and polls', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub()
    const key = await generateSigningKey('ES256')
    await using transmitter = await startEmulatedTransmitter({
      alg: 'ES256',
      clients: [{ id: 'hub', jwks: { keys: [publicJwk(key)] } }],
    })
    const file = join(folder.path, 'key.json')
    await writeFile(file, JSON.stringify(privateJwk(key)))
    const args = ['connect', transmitter.wellKnownUrl, '--poll', '--client-id', 'hub', '--client-key', file]
    const connected = await run(hub, [...args, '--name', 'IdP'])
    expect(connected).toMatchObject({ exitCode: 0, stderr: '' })
    expect(connected.stdout).toMatch(/polled at +http/)
  })

  test('dialects are shown, set and taken back; connecting may name them', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    const args = ['connect', transmitter.wellKnownUrl, '--secret', 'static-token', '--name', 'IdP']
    expect((await run(hub, [...args, '--dialect', 'okta-transmitter,scim'])).exitCode).toBe(0)
    const dialects = (...more: readonly string[]) => run(hub, ['dialects', 'IdP', ...more])
    expect((await dialects()).stdout).toMatch(/dialects +okta-transmitter, scim\naudiences +none/)
    expect((await dialects('--audience', 'app-1')).stdout).toMatch(/scim\naudiences +app-1/)
    expect((await dialects('--set', 'none')).stdout).toMatch(/dialects +none\naudiences +app-1/)
    expect(await dialects('--set', 'klingon')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('"klingon" is none of google-risc, apple, okta-transmitter'),
    })
    const json = JSON.parse((await dialects('--audience', 'none', '--json')).stdout) as object
    expect(json).toEqual({ dialects: [], audiences: [] })
  })

  test('polls can be short', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256' })
    const args = ['connect', transmitter.wellKnownUrl, '--poll', '--polling', 'short', '--name', 'IdP']
    const connected = await run(hub, [...args, '--secret', 'static-token'])
    expect(connected).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/delivery +poll \(short\)/),
    })
  })

  test('a verification that never comes is told after the wait', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startEmulatedTransmitter({ alg: 'ES256', misbehaving: ['verify-never'] })
    const args = ['connect', transmitter.wellKnownUrl, '--secret', 'static-token']
    const waited = await run(hub, [...args, '--wait', '1'])
    expect(waited).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('no verification event came within 1 s'),
    })
    expect((await run(hub, [...args, '--wait', '0'])).exitCode).toBe(0)
  })

  test.each([
    [['connect', 'https://idp.example'], 'needs --secret or --secret-file'],
    [['connect', 'https://idp.example', '--push', '--poll', '--secret', 'x'], 'not both'],
    [['connect', 'https://idp.example', '--auth', 'private_key_jwt'], 'needs --client-key'],
    [['connect', 'https://idp.example', '--auth', 'basic'], 'one of bearer'],
    [['connect', 'https://idp.example', '--subjects', 'some'], 'one of all, listed'],
    [['connect', 'https://idp.example', '--polling', 'long', '--secret', 'x'], '--polling is for --poll'],
    [['connect', 'https://idp.example', '--poll', '--polling', 'often'], 'one of long, short'],
    [['add-subject', 'x'], 'Give --subject'],
    [['rotate-authorization', 'x', '--overlap', '-1'], 'whole number'],
  ])('%j is wrong usage', async (args, why) => {
    const env = { WATCHBELL_URL: 'http://127.0.0.1:9', WATCHBELL_TOKEN: 'x' }
    const { exitCode, stderr } = await runInProcess(['stream', ...args], { env })
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(why)])
  })
})
