import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { authority, certificateKey, expiredCertificate, goodCertificate } from '../http/certificates.ts'
import { startPostgresServer } from '../postgres-server.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** Who runs the server when we are root. */
const nobody = 65_534

/** A folder that the server may read and write, with a key and a certificate. */
async function serverFolder(certificate: string) {
  const folder = await temporaryFolder()
  const files = { 'server.crt': certificate, 'server.key': certificateKey }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder.path, name), text)
    await chmod(join(folder.path, name), 0o600)
  }
  if (process.getuid?.() === 0) {
    for (const name of ['', ...Object.keys(files)]) await chown(join(folder.path, name), nobody, nobody)
  }
  return folder
}

async function outcomeOf(url: string, extraCa: readonly string[] = []): Promise<string> {
  try {
    const storage = await openPostgres({ url, extraCa, connectionsMax: 2, migrateAt: new Date() })
    await storage.alone('handling', async () => 1)
    await storage[Symbol.asyncDispose]()
    return 'opened'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

test('SSL with an authority of the settings, and in words why it fails', { timeout: 60_000 }, async () => {
  await using folder = await serverFolder(goodCertificate)
  await using server = await startPostgresServer([
    'ssl=on',
    `ssl_cert_file=${join(folder.path, 'server.crt')}`,
    `ssl_key_file=${join(folder.path, 'server.key')}`,
    `unix_socket_directories=${folder.path}`,
  ])
  const { port } = server
  const at = (host: string, query: string): string =>
    `postgres://watchbell:hunter2@${host}:${port}/postgres${query}`
  for (const mode of ['sslmode=verify-full', 'sslmode=require', 'ssl=true']) {
    expect(await outcomeOf(at('localhost', `?${mode}`), [authority])).toBe('opened')
    const untrusted = await outcomeOf(at('localhost', `?${mode}`))
    expect(untrusted).toMatch(/at localhost:\d+ cannot be used: .*not trusted.*WATCHBELL_CA_FILE/)
    expect(untrusted).not.toContain('hunter2')
  }
  expect(await outcomeOf(at('127.0.0.1', '?sslmode=require'), [authority])).toMatch(/for another host/)
  expect(await outcomeOf(at('localhost', '?sslmode=no-verify'))).toBe('opened')
  expect(await outcomeOf(at('localhost', '?sslmode=disable'))).toBe('opened')
  // a socket, named in the query as with libpq
  expect(await outcomeOf(at('localhost', `?host=${folder.path}`))).toBe('opened')
  expect(await outcomeOf(at('localhost', `?host=${folder.path}/nowhere`))).toMatch(/at .*nowhere:\d+ cannot/)
})

test('a certificate that has expired, and a server without SSL', { timeout: 60_000 }, async () => {
  await using folder = await serverFolder(expiredCertificate)
  await using expired = await startPostgresServer([
    'ssl=on',
    `ssl_cert_file=${join(folder.path, 'server.crt')}`,
    `ssl_key_file=${join(folder.path, 'server.key')}`,
  ])
  const url = `postgres://watchbell@localhost:${expired.port}/postgres?sslmode=verify-full`
  expect(await outcomeOf(url, [authority])).toMatch(/not valid now \(CERT_HAS_EXPIRED\)/)
  await using plain = await startPostgresServer()
  expect(await outcomeOf(`postgres://watchbell@localhost:${plain.port}/postgres?sslmode=require`)).toMatch(
    /speaks no SSL, which WATCHBELL_DATABASE_URL asks for/,
  )
})
