import { createPublicKey } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { startTestHub } from '../testing/start-test-hub.ts'
import { generateSigningKey, publicJwk } from '@watchbell/receiver/set'
import { privateJwk } from '../testing/transmitter-keys.ts'

function run(data: string, ...args: readonly string[]): Promise<CliRun> {
  return runInProcess(args, { env: { WATCHBELL_DATA: data } })
}

describe('token', () => {
  test('a new one works at once at a running hub, and no longer when it is revoked', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub({ folder: folder.path })
    const created = await run(folder.path, 'token', 'create', '--name', 'ci')
    expect(created.exitCode).toBe(0)
    expect(created.stdout).toMatch(/^00[\w-]{40}\n$/)
    expect(created.stderr).toMatch(
      /^The hub's folder is \/.*\.\nAPI token "ci" \(00T\w{17}\), role admin\. It is shown this once:\n$/,
    )

    const status = async (): Promise<number> =>
      (
        await fetch(`${hub.origin}/v1/signals`, {
          headers: { authorization: `SSWS ${created.stdout.trim()}` },
        })
      ).status
    expect(await status()).toBe(200)
    expect((await run(folder.path, 'token', 'revoke', 'ci')).stdout).toMatch(
      /^API token "ci" \(00T\w{17}\) is revoked\.\n$/,
    )
    expect(await status()).toBe(401)
  })

  test('the secret is in no list and in no file', async () => {
    await using folder = await temporaryFolder()
    const { token, id } = JSON.parse(
      (await run(folder.path, 'token', 'create', '--name', 'n', '--role', 'read_only', '--json')).stdout,
    ) as { token: string; id: string }
    const list = await run(folder.path, 'token', 'list')
    expect(list.stdout).toMatch(new RegExp(`^ID +ROLE +NAME +STATE\n${id}  read_only  n +used never\n$`))
    const json = await run(folder.path, 'token', 'list', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject([{ id, role: 'read_only', revoked_at: null }])
    expect(list.stdout + json.stdout).not.toContain(token)
    expect((await readdir(folder.path)).filter((file) => file.includes(token))).toEqual([])
    await run(folder.path, 'token', 'revoke', id)
    expect((await run(folder.path, 'token', 'list')).stdout).toMatch(/revoked \d{4}-\d\d-\d\d\n$/)
  })

  test('one that expires says when, and is refused from then on', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub({ folder: folder.path })
    const created = await run(folder.path, 'token', 'create', '--name', 'short', '--expires', '1s')
    expect(created.stderr).toMatch(/role admin, expires \d{4}-.*Z\. It is shown this once:\n$/)
    const status = async (): Promise<number> =>
      (
        await fetch(`${hub.origin}/v1/signals`, {
          headers: { authorization: `SSWS ${created.stdout.trim()}` },
        })
      ).status
    await expect.poll(status, { timeout: 10_000 }).toBe(401)
    const list = await run(folder.path, 'token', 'list')
    expect(list.stdout).toMatch(/short +expired \d{4}-\d\d-\d\d$/m)
    const json = JSON.parse((await run(folder.path, 'token', 'list', '--json')).stdout) as object[]
    expect(json).toContainEqual(
      expect.objectContaining({ name: 'short', expires_at: expect.any(String), revoked_at: null }),
    )
    for (const when of ['yesterday', '0s', '2020-01-01', '3651d']) {
      const refused = await run(folder.path, 'token', 'create', '--name', 'other', '--expires', when)
      expect([refused.exitCode, refused.stdout]).toEqual([expect.toBeOneOf([1, 2]), ''])
    }
  })

  test('a PostgreSQL that cannot be reached is named, without its password', async () => {
    const env = {
      WATCHBELL_DATABASE_URL: 'postgres://hub:swordfish@127.0.0.1:1/watchbell',
      WATCHBELL_SECRET_KEY: Buffer.alloc(32).toString('base64'),
    }
    const { exitCode, stderr } = await runInProcess(['token', 'list'], { env })
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining('database watchbell at 127.0.0.1:1 cannot'),
    ])
    expect(stderr).not.toContain('swordfish')
  })

  test('--data beats a database URL that the environment has', async () => {
    await using folder = await temporaryFolder()
    const env = {
      WATCHBELL_DATABASE_URL: 'postgres://127.0.0.1:1/nowhere',
      WATCHBELL_SECRET_KEY: 'A'.repeat(43),
    }
    const created = await runInProcess(['token', 'create', '--name', 'n', '--data', folder.path], { env })
    expect([created.exitCode, created.stderr]).toEqual([0, expect.stringContaining('API token "n"')])
  })

  test('a list of none says how to make one', async () => {
    await using folder = await temporaryFolder()
    const app = ['--name', 'a', '--scope', 'okta.logs.read', '--jwks-uri', 'https://a.example/jwks']
    await run(folder.path, 'client', 'create', ...app)
    expect((await run(folder.path, 'token', 'list')).stdout).toContain('watchbell token create')
  })

  test.each([
    ['no name', ['create'], 2, "'--name <name>' not specified"],
    ['a blank name', ['create', '--name', ' '], 1, 'The name must not be blank.'],
    [
      'a role that there is not',
      ['create', '--name', 'x', '--role', 'root'],
      2,
      'Allowed choices are admin, read_only',
    ],
    ['a name that is taken', ['create', '--name', 'taken'], 1, 'already has'],
    ['a token that there is not', ['revoke', 'nobody'], 1, 'no live API token'],
    [
      'a settings file that there is not',
      ['list', '--env-file', '/nowhere/env'],
      2,
      '/nowhere/env cannot be read',
    ],
  ])('%s is refused', async (_, args, code, message) => {
    await using folder = await temporaryFolder()
    await run(folder.path, 'token', 'create', '--name', 'taken')
    const { exitCode, stdout, stderr } = await run(folder.path, 'token', ...args)
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' })
    expect(stderr).toContain(message)
  })

  test('what works on the data needs no origin, also where the hub would need one', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'env')
    await writeFile(file, 'WATCHBELL_LISTEN=0.0.0.0:8080\n')
    for (const args of [
      ['token', 'create', '--name', 'n'],
      ['token', 'list'],
      ['client', 'list'],
      ['key', 'rotate'],
      ['backup', join(folder.path, 'copy.db')],
      ['export', join(folder.path, 'dump.jsonl')],
    ]) {
      expect(await run(folder.path, ...args, '--env-file', file)).toMatchObject({ exitCode: 0 })
    }
  })

  test.each([
    ['token list'],
    ['token revoke n'],
    ['client list'],
    ['client revoke 0oaNobody'],
    ['key rotate'],
    ['key rotate --lost-secret-key'],
  ])('%s makes no database where there is none, and says where it looked', async (command) => {
    await using folder = await temporaryFolder()
    for (const data of [folder.path, join(folder.path, 'nowhere')]) {
      const { exitCode, stdout, stderr } = await run(data, ...command.split(' '))
      expect([exitCode, stdout]).toEqual([1, ''])
      expect(stderr).toContain(`There is no database in ${data}: `)
      expect(stderr).toContain('--data')
    }
    expect(await readdir(folder.path)).toEqual([])
  })

  test('what is made before the first start is made where it is told, and the hub that starts there knows it', async () => {
    await using folder = await temporaryFolder()
    const made = await run(folder.path, 'token', 'create', '--name', 'first', '--json')
    expect(made.stderr).toBe(
      `There was no database in ${folder.path}: a new one was made, for a hub that will start there.\n`,
    )
    await using hub = await startTestHub({ folder: folder.path })
    const { token } = JSON.parse(made.stdout) as { token: string }
    const headers = { authorization: `SSWS ${token}` }
    expect((await fetch(`${hub.origin}/v1/signals`, { headers })).status).toBe(200)
  })

  test('variables of OpenTelemetry, which are everybody’s, keep nobody from the data', async () => {
    await using folder = await temporaryFolder()
    const env = { WATCHBELL_DATA: folder.path, OTEL_TRACES_EXPORTER: 'console', OTEL_SDK_DISABLED: 'no' }
    const created = await runInProcess(['token', 'create', '--name', 'n'], { env })
    expect(created).toMatchObject({ exitCode: 0 })
    expect(created.stderr).not.toContain('OTEL_')
  })

  test('a folder that is a file, and bad settings, are told', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'file')
    await writeFile(file, 'WATCHBELL_DATAA=x\n')
    const noFolder = await run(folder.path, 'token', 'list', '--data', file)
    expect(noFolder).toMatchObject({ exitCode: 1 })
    expect(noFolder.stderr).toContain(`The database in ${file} cannot be opened`)
    const typo = await run(folder.path, 'token', 'list', '--env-file', file)
    expect(typo).toMatchObject({ exitCode: 2 })
    expect(typo.stderr).toContain('WATCHBELL_DATAA')
  })
})

describe('client', () => {
  test('with a generated key: the private key is printed once, and only the public one is kept', async () => {
    await using folder = await temporaryFolder()
    const scope = 'okta.logs.read watchbell.signals.read'
    const created = await run(
      folder.path,
      'client',
      'create',
      '--name',
      'siem',
      '--scope',
      scope,
      '--generate',
      '--dpop',
      '--json',
    )
    const app = JSON.parse(created.stdout) as { client_id: string; private_key: { d: string; kid: string } }
    expect(app).toMatchObject({ client_name: 'siem', scope, dpop_bound_access_tokens: true })
    expect(app.private_key.d).toMatch(/^[\w-]{300,}$/)

    const list = await run(folder.path, 'client', 'list', '--json')
    expect(JSON.parse(list.stdout)).toMatchObject([
      { jwks: { keys: [{ kid: app.private_key.kid, kty: 'RSA' }] } },
    ])
    expect(list.stdout).not.toContain(app.private_key.d)
    expect((await run(folder.path, 'client', 'list')).stdout).toMatch(
      new RegExp(`${app.client_id} +siem +DPoP +${scope}`),
    )
    expect((await run(folder.path, 'client', 'revoke', app.client_id)).exitCode).toBe(0)
    expect((await run(folder.path, 'client', 'list')).stdout).toContain('There are no service apps')
  })

  test('with a generated key as PEM, which Terraform and Okta’s SDKs read', async () => {
    await using folder = await temporaryFolder()
    const create = (...options: string[]) =>
      run(folder.path, 'client', 'create', '--name', 'terraform', '--scope', 'okta.logs.read', ...options)
    const created = await create('--generate', '--pem', '--json')
    const { private_key: pem, jwks } = JSON.parse(created.stdout) as {
      private_key: string
      jwks: { keys: { n: string }[] }
    }
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    expect(createPublicKey(pem).export({ format: 'jwk' })).toMatchObject({ kty: 'RSA', n: jwks.keys[0]?.n })
    expect((await create('--generate', '--pem')).stdout).toMatch(/-----END PRIVATE KEY-----\n$/)
    const alone = await create('--jwks-uri', 'https://a.example/jwks', '--pem')
    expect([alone.exitCode, alone.stderr]).toEqual([2, expect.stringContaining('--generate')])
  })

  test('with keys of its own: from a file, as one key, by URL; for people', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'jwks.json')
    const jwk = publicJwk(await generateSigningKey('ES256', 'mine'))
    const create = (...args: readonly string[]): Promise<CliRun> =>
      run(
        folder.path,
        'client',
        'create',
        '--name',
        'a',
        '--scope',
        'okta.logs.read',
        '--scope',
        'okta.clients.read',
        ...args,
      )
    for (const keys of [{ keys: [jwk] }, jwk]) {
      await writeFile(file, JSON.stringify(keys))
      const { stdout } = await create('--jwks', file)
      expect(stdout).toMatch(
        /^client id {2}0oa\w{17}\n[^]*scopes +okta.logs.read okta.clients.read\n[^]*keys +mine\n$/,
      )
    }
    expect((await create('--jwks-uri', 'https://app.example/jwks.json')).stdout).toContain(
      'https://app.example/jwks.json',
    )
    expect((await create('--generate')).stdout).toMatch(
      /\nThe private key, shown this once[^\n]*:\n\{.*"d":".*\}\n$/,
    )
  })

  test('its keys get it a token at a running hub until it is revoked', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub({ folder: folder.path })
    const { client_id } = JSON.parse(
      (
        await run(
          folder.path,
          'client',
          'create',
          '--name',
          'a',
          '--scope',
          'okta.logs.read',
          '--generate',
          '--json',
        )
      ).stdout,
    ) as { client_id: string }
    expect((await hub.api('GET', `/oauth2/v1/clients/${client_id}`)).status).toBe(200)
    await run(folder.path, 'client', 'revoke', client_id)
    expect((await hub.api('GET', `/oauth2/v1/clients/${client_id}`)).status).toBe(404)
  })

  test.each([
    ['no keys', [], 2, 'Give one of --jwks FILE, --jwks-uri URL and --generate'],
    ['two kinds of keys', ['--generate', '--jwks-uri', 'https://a.example'], 2, 'Give one of --jwks'],
    [
      'a scope that there is not',
      ['--generate', '--scope', 'okta.everything'],
      1,
      "'okta.everything' is not one of the scopes",
    ],
    ['a file that there is not', ['--jwks', '/nowhere/jwks.json'], 2, '/nowhere/jwks.json cannot be read'],
    ['a URL that is none', ['--jwks-uri', 'nowhere'], 1, 'jwks_uri'],
  ])('%s is refused, and nothing is made', async (_, args, code, message) => {
    await using folder = await temporaryFolder()
    const refused = await run(
      folder.path,
      'client',
      'create',
      '--name',
      'a',
      '--scope',
      'okta.logs.read',
      ...args,
    )
    expect(refused).toMatchObject({ exitCode: code, stdout: '' })
    expect(refused.stderr).toContain(message)
    expect(await readdir(folder.path)).toEqual([])
  })

  test('private keys are not taken for public ones, and JSON that two readers read differently is refused', async () => {
    await using folder = await temporaryFolder()
    const create = (stdin: string): Promise<CliRun> =>
      runInProcess(['client', 'create', '--name', 'a', '--scope', 'okta.logs.read', '--jwks', '-'], {
        env: { WATCHBELL_DATA: folder.path },
        stdin,
      })
    const secret = JSON.stringify({ keys: [privateJwk(await generateSigningKey('EdDSA'))] })
    expect((await create(secret)).stderr).toContain('was published with its private part')
    expect((await create('{"keys":[],"keys":[]}')).stderr).toContain('"keys" is repeated')
    expect((await create('')).stderr).toContain('it is empty')
  })

  test('a client that there is not cannot be revoked', async () => {
    await using folder = await temporaryFolder()
    expect(await run(folder.path, 'client', 'revoke', '0oaNobody')).toMatchObject({ exitCode: 1, stdout: '' })
  })
})

describe('key', () => {
  test('a rotated key is published beside the one before it, by a running hub too', async () => {
    await using folder = await temporaryFolder()
    await using hub = await startTestHub({ folder: folder.path })
    const kids = async (): Promise<string[]> => {
      const document = (await (await fetch(`${hub.origin}/oauth2/v1/keys`)).json()) as {
        keys: { kid: string }[]
      }
      return document.keys.map(({ kid }) => kid)
    }
    const before = await kids()
    const { kid } = JSON.parse((await run(folder.path, 'key', 'rotate', '--json')).stdout) as { kid: string }
    expect(before).not.toContain(kid)
    expect((await kids()).toSorted()).toEqual([...before, kid].toSorted())
  })

  test.each([
    ['none', {}],
    ['another', { WATCHBELL_SECRET_KEY: Buffer.alloc(32, 'another').toString('base64') }],
  ])(
    'with %s of the secret keys that a hub can have, nothing is rotated and nothing is made',
    async (_which, env) => {
      await using folder = await temporaryFolder()
      const secretKey = Buffer.alloc(32, 'ours').toString('base64')
      await using hub = await startTestHub({ folder: folder.path, settings: { secretKey } })
      const published = async (): Promise<string> => (await fetch(`${hub.origin}/oauth2/v1/keys`)).text()
      const before = await published()
      const refused = await runInProcess(['key', 'rotate'], { env: { WATCHBELL_DATA: folder.path, ...env } })
      expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('WATCHBELL_SECRET_KEY')])
      expect(await published()).toBe(before)
      expect(await readdir(folder.path)).not.toContain('secret.key')
      const given = { env: { WATCHBELL_DATA: folder.path, ...env } }
      const rotated = await runInProcess(['key', 'rotate', '--lost-secret-key', '--json'], given)
      expect(await published()).toContain((JSON.parse(rotated.stdout) as { kid: string }).kid)
    },
  )
})
