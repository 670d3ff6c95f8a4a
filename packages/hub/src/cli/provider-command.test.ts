import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { startLocalServer } from '../../test/local-server.ts'
import { startTestHub, type TestHub } from '../testing/start-test-hub.ts'
import { startTransmitter } from '../testing/transmitter.ts'
import type { ProviderBody } from '../wire/providers.ts'

const mdm = [
  '--name',
  'MDM',
  '--issuer',
  'https://mdm.example',
  '--jwks-url',
  'https://mdm.example/jwks.json',
]

function run(hub: TestHub, ...args: readonly string[]): Promise<CliRun> {
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
  return runInProcess(['provider', ...args], { env })
}

describe('providers over a real hub', () => {
  test('are created by issuer and JWKS URL, shown, switched off and on, and deleted, by id and by name', async () => {
    await using hub = await startTestHub()
    const created = await run(hub, 'create', ...mdm, '--type', 'Example', '--json')
    expect(created).toMatchObject({ exitCode: 0, stderr: '' })
    const { id } = JSON.parse(created.stdout) as ProviderBody
    expect(JSON.parse(created.stdout)).toMatchObject({ name: 'MDM', type: 'Example', status: 'ACTIVE' })

    expect((await run(hub, 'show', id)).stdout).toContain('https://mdm.example/jwks.json')
    expect((await run(hub, 'deactivate', 'MDM')).stdout).toBe(
      `MDM (${id}) is INACTIVE: the hub refuses its SETs.\n`,
    )
    expect((await run(hub, 'list')).stdout).toMatch(new RegExp(`${id} +INACTIVE +MDM +https://mdm.example`))
    expect((await run(hub, 'activate', id)).stdout).toBe(`MDM (${id}) is ACTIVE: the hub accepts its SETs.\n`)
    expect((await run(hub, 'delete', 'MDM')).stdout).toBe(`MDM (${id}) is deleted.\n`)
    expect((await run(hub, 'list')).stdout).toContain('There are no providers yet')
    expect(JSON.parse((await run(hub, 'list', '--json')).stdout)).toEqual([])
  })

  test('say at creation what their word counts for, and begin as they are told to', async () => {
    await using hub = await startTestHub()
    const created = await run(hub, 'create', ...mdm)
    expect(created.stdout).toMatch(
      /\nMDM has the action enforce_and_log: what it says counts at once, for everybody whom it names[^]*provider action sse\w+ log_only` lets/,
    )
    await run(hub, 'delete', 'MDM')
    const logOnly = await run(hub, 'create', ...mdm, '--log-only')
    expect(logOnly.stdout).toMatch(/\nMDM has the action log_only: what it says is shown and logged/)
    expect((await run(hub, 'action', 'MDM')).stdout).toContain('MDM has the action log_only')
    const set = await run(hub, 'action', 'MDM', 'none', '--json')
    expect(JSON.parse(set.stdout)).toMatchObject({ action: 'none' })
    expect((await run(hub, 'action', 'https://mdm.example')).stdout).toBe(
      'MDM has the action none: what it says counts for nothing.\n',
    )
    expect(await run(hub, 'action', 'MDM', 'block')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('log_only'),
    })
    expect(await run(hub, 'action', 'nobody')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('nobody'),
    })
  })

  test('begin with what the setting says', async () => {
    await using hub = await startTestHub({ settings: { newProviderAction: 'log_only' } })
    expect((await run(hub, 'create', ...mdm)).stdout).toContain('MDM has the action log_only')
    expect((await run(hub, 'action', 'MDM', 'enforce_and_log')).stdout).toContain('enforce_and_log')
    expect((await run(hub, 'action', 'MDM')).stdout).toContain('MDM has the action enforce_and_log')
  })

  test('are created by their metadata', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    const created = await run(hub, 'create', '--name', 'IdP', '--well-known-url', transmitter.wellKnownUrl)
    expect(created.exitCode).toBe(0)
    expect(created.stdout).toContain(transmitter.jwksUrl)
  })

  test('are found by id, name, issuer, and the URL of metadata or keys, with and without a slash at its end', async () => {
    await using hub = await startTestHub()
    await using transmitter = await startTransmitter({ alg: 'EdDSA' })
    await run(hub, 'create', ...mdm)
    await run(hub, 'create', '--name', 'IdP', '--well-known-url', transmitter.wellKnownUrl)
    for (const name of [
      'MDM',
      'https://mdm.example',
      'https://mdm.example/',
      'https://mdm.example/jwks.json',
    ]) {
      expect((await run(hub, 'show', name)).stdout).toMatch(/^id +sse\w+\nname +MDM\n/)
    }
    for (const name of [transmitter.issuer, `${transmitter.issuer}/`, transmitter.wellKnownUrl]) {
      expect((await run(hub, 'show', name)).stdout).toMatch(/^id +sse\w+\nname +IdP\n/)
    }
    expect((await run(hub, 'deactivate', 'https://mdm.example')).stdout).toContain('MDM')
    expect((await run(hub, 'delete', transmitter.wellKnownUrl)).stdout).toContain('IdP')
  })

  test('a name that several have is an error that lists them, and changes nothing', async () => {
    await using hub = await startTestHub()
    await run(hub, 'create', ...mdm)
    const other = ['--name', 'https://mdm.example', '--issuer', 'https://other.example']
    await run(hub, 'create', ...other, '--jwks-url', 'https://mdm.example/jwks.json')
    const [one, two] = JSON.parse((await run(hub, 'list', '--json')).stdout) as ProviderBody[]
    for (const name of ['https://mdm.example', 'https://mdm.example/jwks.json']) {
      for (const verb of ['show', 'activate', 'deactivate', 'delete']) {
        const { exitCode, stdout, stderr } = await run(hub, verb, name)
        expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
        expect(stderr).toContain(`'${name}' may mean 2 providers`)
        expect(stderr).toContain(`\n  ${one?.id}  `)
        expect(stderr).toContain(`\n  ${two?.id}  `)
      }
    }
    expect((await run(hub, 'list')).stdout).not.toContain('INACTIVE')
    expect((await run(hub, 'show', 'MDM')).exitCode).toBe(0)
  })

  test('a list fits a terminal of 80 columns, and is not cut in a pipe', async () => {
    await using hub = await startTestHub()
    const issuer = `https://${'long.'.repeat(20)}example`
    await run(
      hub,
      'create',
      '--name',
      'n'.repeat(90),
      '--issuer',
      issuer,
      '--jwks-url',
      'https://a.example/k',
    )
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken, NO_COLOR: '1' }
    const terminal = await runInProcess(['provider', 'list'], { env, terminalColumns: 80 })
    expect(Math.max(...terminal.stdout.split('\n').map((line) => line.length))).toBe(80)
    expect((await run(hub, 'list')).stdout).toContain(issuer)
  })

  test.each([
    [
      'neither shape',
      ['create', '--name', 'x'],
      'Give --well-known-url alone, or --issuer and --jwks-url together.',
    ],
    [
      'both shapes',
      ['create', ...mdm, '--well-known-url', 'https://a.example'],
      'Give --well-known-url alone',
    ],
    ['half a shape', ['create', '--name', 'x', '--issuer', 'i'], 'Give --well-known-url alone'],
    [
      'no name',
      ['create', '--issuer', 'i', '--jwks-url', 'https://a.example'],
      "'--name <name>' not specified",
    ],
    ['no id', ['show'], "missing required argument 'id-or-name'"],
    ['an unknown option', ['list', '--colour'], "unknown option '--colour'"],
    ['a URL that is none', ['list', '--url', 'hub.example'], "'hub.example' is not the URL of a hub"],
    ['a URL of another scheme', ['list', '--url', 'ftp://hub.example'], 'is not the URL of a hub'],
  ])('%s is wrong usage', async (_, args, message) => {
    const env = { WATCHBELL_URL: 'http://127.0.0.1:9', WATCHBELL_TOKEN: 't' }
    const { exitCode, stdout, stderr } = await runInProcess(['provider', ...args], { env })
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toContain(message)
  })

  test.each([
    [
      'an unknown provider',
      ['show', 'nobody'],
      "There is no provider with the id, name, issuer or URL 'nobody'",
    ],
    ['a wrong token', ['list', '--token', 'wrong'], 'says 401: Invalid token provided. Check --token'],
    ['an issuer that is taken (OKTA-R62)', ['create', ...mdm], 'already exists'],
    [
      'a name that is taken (OKTA-R61)',
      ['create', '--name', 'MDM', '--issuer', 'i', '--jwks-url', 'https://a.example/k'],
      'Security Events Provider name must be unique',
    ],
    [
      'a private URL (OKTA-R63)',
      ['create', '--name', 'y', '--issuer', 'i', '--jwks-url', 'http://10.0.0.1/k'],
      'jwks_url is not valid',
    ],
  ])('%s is refused with the reason', async (_, args, message) => {
    await using hub = await startTestHub()
    await run(hub, 'create', ...mdm)
    const { exitCode, stdout, stderr } = await run(hub, ...args)
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).not.toMatch(/\n {4}at /)
  })

  test('a token with the role read_only may look and not change', async () => {
    await using hub = await startTestHub()
    const { secret } = await hub.hub.apiTokens.create({ name: 'looks', role: 'read_only' })
    expect((await run(hub, 'list', '--token', secret)).exitCode).toBe(0)
    const refused = await run(hub, 'create', ...mdm, '--token', secret)
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('Use a token with the role admin.')
  })
})

describe('hubs that are none', () => {
  test('nothing listens there', async () => {
    await using gone = await startLocalServer(() => undefined)
    await gone[Symbol.asyncDispose]()
    const env = { WATCHBELL_ORIGIN: gone.origin, WATCHBELL_ADMIN_TOKEN: 't' }
    const { exitCode, stderr } = await runInProcess(['provider', 'list'], { env })
    expect(exitCode).toBe(1)
    expect(stderr).toBe(
      `watchbell: No hub answers at ${gone.origin}: ${gone.origin.slice(7)} could not be fetched: the connection was ` +
        'refused. Is `watchbell serve` running there? Another address goes into --url or WATCHBELL_URL.\n',
    )
  })

  test.each([
    ['a web page', 200, '<h1>Hello</h1>', "does not speak the hub's API"],
    ['a proxy without a hub', 502, '<h1>Bad Gateway</h1>', 'says 502: nothing more.'],
    ['a redirect', 302, '', 'says 302'],
    ['JSON errors of another kind', 400, '{"error":1}', 'says 400: nothing more.'],
    ['a limit', 429, '{"errorSummary":"too many","errorCauses":[]}', 'says 429: too many. Wait a minute'],
  ])('%s', async (_, status, body, message) => {
    await using other = await startLocalServer(
      (_request, response) => void response.writeHead(status).end(body),
    )
    const env = { WATCHBELL_URL: other.origin, WATCHBELL_TOKEN: 't' }
    const { exitCode, stderr } = await runInProcess(['provider', 'list'], { env })
    expect(exitCode).toBe(1)
    expect(stderr).toContain(message)
  })

  test('what a hub says cannot steer the terminal', async () => {
    const evil = {
      id: 'sse1',
      name: 'a\u001b[31mb\u202ec',
      type: 't',
      status: 'ACTIVE',
      settings: { issuer: 'i', jwks_url: 'u' },
    }
    await using hub = await startLocalServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify([evil]))
    })
    const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: 't' }
    for (const args of [['list'], ['list', '--json'], ['show', 'sse1']]) {
      const { exitCode, stdout } = await runInProcess(['provider', ...args], { env })
      expect(exitCode).toBe(0)
      expect(stdout).not.toMatch(/[^\P{C}\n]/u)
    }
  })

  test('without any token it is told how to get one', async () => {
    const { exitCode, stderr } = await runInProcess(['provider', 'list'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('watchbell token create --name cli')
  })
})

test('trust is shown and set', async () => {
  await using hub = await startTestHub()
  const env = { WATCHBELL_URL: hub.origin, WATCHBELL_TOKEN: hub.adminToken }
  const run = (args: readonly string[], stdin?: string) =>
    runInProcess(['provider', ...args], { env, ...(stdin !== undefined && { stdin }) })
  const create = [
    'create',
    '--name',
    'edr',
    '--issuer',
    'https://edr.example',
    '--jwks-url',
    'https://edr.example/jwks',
  ]
  expect((await run(create)).exitCode).toBe(0)
  expect((await run(['trust', 'edr'])).stdout).toMatch(/speaks of domains +any[^]*may join +none/)
  const set = await run(['trust', 'edr', '--set', '-'], '{"speaks_of":{"domains":["corp.example"]}}')
  expect(set.stdout).toMatch(/speaks of domains +corp\.example/)
  expect(await run(['trust', 'edr', '--set', '-'], '{"speaks_of":{"domain":[]}}')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('speaks_of.domain') as string,
  })
  expect(await run(['trust', 'edr', '--set', '-'], '[]')).toMatchObject({ exitCode: 2 })
})
