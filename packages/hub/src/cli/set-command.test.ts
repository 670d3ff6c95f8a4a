import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runInProcess, type CliRun } from '../../test/run-cli.ts'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { breakageNames, breakages } from '../testing/breakages.ts'
import { startTransmitter, type Transmitter } from '../testing/transmitter.ts'

const ada = { format: 'email', email: 'ada@example.com' }
const hub = 'https://hub.example'
const draft = { type: 'session-revoked', subject: ada, aud: hub }

function decode(stdin: string, ...args: readonly string[]): Promise<CliRun> {
  return runInProcess(['set', 'decode', ...args], { stdin })
}

describe('decode', () => {
  test('shows header and claims, says that nothing is verified, and what our parser thinks', async () => {
    await using idp = await startTransmitter({ alg: 'EdDSA' })
    const { exitCode, stdout } = await decode(idp.sign(draft))
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^Not verified: anybody can write this\./)
    expect(stdout).toContain('"typ": "secevent+jwt"')
    expect(stdout).toContain('"email": "ada@example.com"')
    expect(stdout).toContain('It has the shape of a SET.')
  })

  test('a token in quotes and with white space (OKTA-E5), from a file, as JSON', async () => {
    await using folder = await temporaryFolder()
    await using idp = await startTransmitter({ alg: 'EdDSA' })
    const file = join(folder.path, 'token')
    await writeFile(file, ` "${idp.sign(draft)}"\n`)
    const { stdout } = await decode('', file, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      verified: false,
      well_formed: true,
      header: { alg: 'EdDSA' },
      claims: { iss: idp.issuer },
    })
  })

  test.each(['typ', 'alg-none', 'exp', 'no-events', 'duplicate-member'] as const)(
    'a token broken by %s is shown all the same, with why a hub refuses it',
    async (name) => {
      await using idp = await startTransmitter({ alg: 'EdDSA' })
      const token = await idp.signBroken(name, draft)
      const { exitCode, stdout } = await decode(token)
      expect(exitCode).toBe(0)
      expect(stdout).toContain(`The hub would refuse it by its shape alone: ${breakages[name].code}: `)
      expect(JSON.parse((await decode(token, '--json')).stdout)).toMatchObject({
        well_formed: false,
        code: breakages[name].code,
      })
    },
  )

  test('what stands in it cannot steer the terminal', async () => {
    await using idp = await startTransmitter({ alg: 'EdDSA' })
    const { stdout } = await decode(idp.sign({ ...draft, token: { txn: 'a\u009b31m\u202e\u001b[2J' } }))
    expect(stdout).toContain(String.raw`"a\u009b31m\u202e\u001b[2J"`)
    expect(stdout).not.toMatch(/[^\P{C}\n]/u)
  })

  test.each([
    ['nothing', '', 'This is not a compact JWS'],
    ['a word', 'token', 'This is not a compact JWS'],
    ['two parts', 'a.b', 'This is not a compact JWS'],
    ['an encrypted one', 'a.b.c.d.e', 'This is not a compact JWS'],
    ['parts that are not JSON', 'a.b.c', 'The header of the token is not JSON'],
    ['claims that are not JSON', 'e30.b.c', 'The payload of the token is not JSON'],
  ])('%s cannot be shown', async (_, text, message) => {
    const { exitCode, stdout, stderr } = await decode(text)
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain(message)
  })

  test('a file that is not there, and input without end, are wrong usage', async () => {
    expect(await decode('', '/nowhere/token')).toMatchObject({ exitCode: 2, stdout: '' })
    expect((await decode('x'.repeat(1_048_577))).stderr).toContain('more than 1048576 bytes')
  })
})

describe('verify', () => {
  const allowed = { WATCHBELL_OUTBOUND_ALLOW: '127.0.0.1' }

  function verify(idp: Transmitter, token: string, ...args: readonly string[]): Promise<CliRun> {
    const trust = ['--issuer', idp.issuer, '--jwks', idp.jwksUrl, '--audience', hub]
    return runInProcess(['set', 'verify', ...trust, ...args], { stdin: token, env: allowed })
  }

  test('a sound token, with keys fetched, from a file, and one key alone', async () => {
    await using folder = await temporaryFolder()
    await using idp = await startTransmitter({ alg: 'ES256' })
    const token = idp.sign(draft)
    const fetched = await verify(idp, token)
    expect(fetched).toMatchObject({ exitCode: 0, stderr: '' })
    expect(fetched.stdout).toBe(
      `Verified: ${idp.issuer} signed it, and it is meant for us.\n  session-revoked ada@example.com\n`,
    )
    expect(JSON.parse((await verify(idp, token, '--json')).stdout)).toMatchObject({
      verified: true,
      events: [{ name: 'session-revoked', subject: ada }],
    })
    const keys = (await (await fetch(idp.jwksUrl)).json()) as { keys: readonly [object] }
    for (const document of [keys, keys.keys[0]]) {
      const file = join(folder.path, 'jwks.json')
      await writeFile(file, JSON.stringify(document))
      expect(await verify(idp, token, '--jwks', file)).toMatchObject({ exitCode: 0 })
    }
  })

  test('every broken token is refused with its reason and exit code 1', async () => {
    await using idp = await startTransmitter({ alg: 'ES256' })
    const codes: Record<string, string | undefined> = {}
    for (const name of breakageNames) {
      const { exitCode, stdout, stderr } = await verify(idp, await idp.signBroken(name, draft), '--json')
      expect({ name, exitCode }).toEqual({ name, exitCode: 1 })
      const { code, reason } = JSON.parse(stdout) as { code: string; reason: string }
      expect(stderr).toBe(`watchbell: Refused: ${code}: ${reason}\n`)
      codes[name] = code
    }
    expect(codes).toEqual({
      ...Object.fromEntries(breakageNames.map((name) => [name, breakages[name].code])),
      oversized: 'set.malformed', // HTTP refuses it before it is read
    })
  })

  test.each([
    ['for one of several audiences', ['--audience', 'https://a.example'], 0, 'Verified'],
    ['of another issuer', ['--issuer', 'https://other.example'], 1, 'set.unknown_issuer'],
  ])('a token %s', async (_, args, code, message) => {
    await using idp = await startTransmitter({ alg: 'EdDSA' })
    const { exitCode, stdout, stderr } = await verify(idp, idp.sign(draft), ...args)
    expect(exitCode).toBe(code)
    expect(stdout + stderr).toContain(message)
  })

  test('private addresses are fetched from only with WATCHBELL_OUTBOUND_ALLOW', async () => {
    await using idp = await startTransmitter({ alg: 'EdDSA' })
    const args = ['set', 'verify', '--issuer', idp.issuer, '--jwks', idp.jwksUrl, '--audience', hub]
    const refused = await runInProcess(args, { stdin: idp.sign(draft) })
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('WATCHBELL_OUTBOUND_ALLOW can permit it')
    expect(idp.fetches.keys).toBe(0)
    const typo = await runInProcess(args, { stdin: 'x', env: { WATCHBELL_OUTBOUND_ALLOW: '10.0.0.0/99' } })
    expect(typo).toMatchObject({ exitCode: 2 })
    expect(typo.stderr).toContain('WATCHBELL_OUTBOUND_ALLOW: 10.0.0.0/99')
  })

  test.each([
    ['without keys', ['--issuer', 'i', '--audience', 'a'], "'--jwks <file-or-url>' not specified"],
    ['without an issuer', ['--jwks', 'k', '--audience', 'a'], "'--issuer <issuer>' not specified"],
    ['without an audience', ['--jwks', 'k', '--issuer', 'i'], "'--audience <audience>' not specified"],
    [
      'with both from standard input',
      ['--jwks', '-', '--issuer', 'i', '--audience', 'a'],
      'cannot both come from standard input',
    ],
    [
      'with a key file that is not there',
      ['--jwks', '/nowhere', '--issuer', 'i', '--audience', 'a'],
      '/nowhere cannot be read',
    ],
  ])('%s is wrong usage', async (_, args, message) => {
    const { exitCode, stdout, stderr } = await runInProcess(['set', 'verify', ...args], { stdin: 'x' })
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
    expect(stderr).toContain(message)
  })

  test('keys that are no key set are told', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'jwks.json')
    await writeFile(file, '{"keys":1}')
    const args = ['set', 'verify', '--issuer', 'i', '--audience', 'a', '--jwks', file]
    const { exitCode, stderr } = await runInProcess(args, { stdin: 'x' })
    expect(exitCode).toBe(1)
    expect(stderr).toContain('The key set is not a JSON object with an array `keys`.')
  })
})
