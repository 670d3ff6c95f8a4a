import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, cp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startEmulatedTransmitter } from '../src/testing/emulated-transmitter.ts'
import { startTestHub, type TestHub } from '../src/testing/start-test-hub.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { childEnvironment } from './child-environment.ts'

const root = resolve(import.meta.dirname, '../../..')
const text = (file: string): string => readFileSync(join(root, file), 'utf8')
const run = promisify(execFile)

// The programs are run by e2e/package.test.ts with the package as npm packs it, nginx by http/forward-auth.test.ts.

test('every example stands in the list', () => {
  const list = text('examples/README.md')
  const missing = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.\w+$/.test(file) && file !== 'README.md')
    .filter((file) => !list.includes(`(${file})`))
  expect(missing).toEqual([])
})

test('the page about forward auth shows the example for nginx', () => {
  const [, server = ''] = /^(server \{\n[\s\S]*?\n\})$/m.exec(text('examples/nginx/forward-auth.conf')) ?? []
  expect(server).toContain('auth_request')
  expect(text('docs/forward-auth.md')).toContain(`\`\`\`nginx\n${server}\n\`\`\``)
})

describe('examples/terraform', () => {
  const source = text('examples/terraform/main.tf')
  const value = (name: string): string => new RegExp(`\\b${name} += "([^"]*)"`).exec(source)?.[1] ?? ''
  const path = '/api/v1/security-events-providers'

  test('what Okta’s Terraform provider sends for it, in its order, makes, keeps and deletes the provider', async () => {
    await using hub = await startTestHub()
    const body = {
      name: value('name'),
      type: value('type'),
      settings: { issuer: value('issuer'), jwks_url: value('jwks_url') },
    }
    const made = await hub.api('POST', path, body)
    expect(made.status).toBe(200)
    const { id } = (await made.json()) as { id: string }
    // The state that Terraform keeps is the answer of the second call (OKTA-R72).
    const step = { ACTIVE: 'activate', INACTIVE: 'deactivate' }[value('is_enabled')]
    const enabled = await hub.api('POST', `${path}/${id}/lifecycle/${step}`)
    expect(await enabled.json()).toMatchObject({ ...body, id, status: value('is_enabled') })
    expect(await (await hub.api('GET', `${path}/${id}`)).json()).toMatchObject(body)
    const renamed = { ...body, name: `${body.name} renamed` }
    expect(await (await hub.api('PUT', `${path}/${id}`, renamed)).json()).toMatchObject(renamed)
    expect((await hub.api('DELETE', `${path}/${id}`)).status).toBe(204)
    expect((await hub.api('GET', `${path}/${id}`)).status).toBe(404)
  })

  test('has the attributes of the resource, no token, and the address that the page explains', () => {
    const attributes = [...source.matchAll(/^ +(\w+) += /gm)].map(([, name]) => name)
    expect(attributes).toEqual([
      ...['okta', 'source', 'org_name', 'base_url', 'http_proxy'],
      ...['name', 'type', 'is_enabled', 'issuer', 'jwks_url'],
    ])
    expect(text('docs/clients.md')).toContain(`http_proxy = "${value('http_proxy')}"`)
  })
})

describe('examples/keycloak', () => {
  const page = text('docs/keycloak.md')

  /** A folder with the example in it, and the programs that its scripts call. */
  async function startFolder(programs: Readonly<Record<string, string>>) {
    const folder = await temporaryFolder()
    await cp(join(root, 'examples/keycloak'), folder.path, { recursive: true })
    await writeFile(join(folder.path, 'keycloak.secret'), 'of-the-client')
    for (const [name, script] of Object.entries(programs)) {
      await writeFile(join(folder.path, name), `#!/usr/bin/env bash\n${script}\n`)
      await chmod(join(folder.path, name), 0o755)
    }
    return folder
  }

  const ofKeycloak = {
    KEYCLOAK: 'https://sso.example',
    HUB: 'https://hub.example',
    ...childEnvironment,
  }

  test('keycloak.sh asks kcadm.sh for the realm, the client and the scopes that the page names', async () => {
    // Keycloak's own tool prints the id of what it made, and a list of scopes.
    const kcadm = `printf '%s\\n' "$*" >> asked
      case "$*" in
        'create clients'*) echo client-1;;
        'get client-scopes'*) printf 'id-p,profile\\nid-r,ssf.read\\nid-m,ssf.manage\\n';;
      esac`
    await using folder = await startFolder({})
    await run('mkdir', [join(folder.path, 'bin')])
    await writeFile(join(folder.path, 'bin/kcadm.sh'), `#!/usr/bin/env bash\n${kcadm}\n`, { mode: 0o755 })
    await run('bash', ['keycloak.sh'], {
      cwd: folder.path,
      env: { ...ofKeycloak, KEYCLOAK_HOME: folder.path },
    })
    const asked = (await readFile(join(folder.path, 'asked'), 'utf8')).trim().split('\n')
    const attributes = asked
      .flatMap((line) => /attributes=(\{.*\})/.exec(line)?.[1] ?? [])
      .map((json) => JSON.parse(json) as unknown)
    expect(attributes).toEqual([
      { 'ssf.transmitterEnabled': 'true' },
      { 'ssf.enabled': 'true', 'ssf.validPushUrls': 'https://hub.example/*', 'ssf.defaultSubjects': 'ALL' },
    ])
    for (const name of attributes.flatMap((each) => Object.keys(each as object)))
      expect(page).toContain(`\`${name}\``)
    expect(asked.filter((line) => line.startsWith('update'))).toEqual([
      'update clients/client-1/optional-client-scopes/id-r -r acme',
      'update clients/client-1/optional-client-scopes/id-m -r acme',
    ])
    expect(asked.find((line) => line.startsWith('create clients'))).toContain(
      ' -s clientId=watchbell -s secret=of-the-client ',
    )
  })

  async function connected(hub: TestHub, delivery: string) {
    const main = join(root, 'packages/hub/src/cli/main.ts')
    const folder = await startFolder({ watchbell: `exec "${process.execPath}" "${main}" "$@"` })
    const transmitter = await startEmulatedTransmitter({
      misbehaving: ['keycloak'],
      clients: [{ id: 'watchbell', secret: 'of-the-client' }],
      longPollMs: 200,
    })
    const origin = new URL(transmitter.issuer).origin
    const users = join(folder.path, 'users.jsonl')
    await writeFile(users, (await readFile(users, 'utf8')).replaceAll('https://sso.example', origin))
    const { stdout } = await run('bash', ['hub.sh'], {
      cwd: folder.path,
      env: {
        KEYCLOAK: origin,
        DELIVERY: delivery,
        WATCHBELL_URL: hub.origin,
        WATCHBELL_TOKEN: hub.adminToken,
        PATH: `${folder.path}:${dirname(process.execPath)}:${process.env['PATH']}`,
      },
    })
    return {
      stdout,
      transmitter,
      async [Symbol.asyncDispose]() {
        await transmitter[Symbol.asyncDispose]()
        await folder[Symbol.asyncDispose]()
      },
    }
  }

  test.each(['--push', '--poll'])(
    'hub.sh with %s: a sign-out at Keycloak ends the session here',
    { timeout: 120_000 },
    async (delivery) => {
      await using hub = await startTestHub()
      await using site = await connected(hub, delivery)
      expect(site.stdout).toContain('verified')
      const { iss, sub } = (
        JSON.parse(text('examples/keycloak/users.jsonl')) as { identifiers: [{ iss: string; sub: string }] }
      ).identifiers[0]
      expect(iss).toBe(`${ofKeycloak.KEYCLOAK}${new URL(site.transmitter.issuer).pathname}`)
      expect(page).toContain(sub)
      site.transmitter.send({
        type: 'session-revoked',
        subject: {
          format: 'complex',
          user: { format: 'iss_sub', iss: site.transmitter.issuer, sub },
          session: { format: 'opaque', id: 'ALL' },
        },
      })
      await site.transmitter.pushAll()
      await expect
        .poll(
          async () => {
            await hub.handleAll()
            const answer = await hub.api('POST', '/access/v1/evaluation', {
              subject: { type: 'user', id: 'ada@example.com' },
              context: { issued_at: '2026-01-01T00:00:00Z' },
              action: { name: 'authenticate' },
              resource: { type: 'app', id: 'mail' },
            })
            return ((await answer.json()) as { decision: boolean }).decision
          },
          { timeout: 60_000 },
        )
        .toBe(false)
    },
  )
})
