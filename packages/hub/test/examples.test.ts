import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { startTestHub } from '../src/testing/start-test-hub.ts'

const root = resolve(import.meta.dirname, '../../..')
const text = (file: string): string => readFileSync(join(root, file), 'utf8')

// The programs are run by test/e2e/package.test.ts, with the package as npm packs it.

test('every example stands in the list', () => {
  const list = text('examples/README.md')
  const listed = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.\w+$/.test(file) && file !== 'README.md')
    .filter((file) => !list.includes(`(${file})`))
  expect(listed).toEqual([])
})

test('what the Terraform example asks for, the hub makes', async () => {
  await using hub = await startTestHub()
  const source = text('examples/terraform/main.tf')
  const value = (name: string): string => new RegExp(`\\b${name} += "([^"]*)"`).exec(source)?.[1] ?? ''
  const body = {
    name: value('name'),
    type: value('type'),
    settings: { issuer: value('issuer'), jwks_url: value('jwks_url') },
  }
  const made = await hub.api('POST', '/api/v1/security-events-providers', body)
  expect(made.status).toBe(200)
  expect(await made.json()).toMatchObject({ ...body, status: value('is_enabled') })
  expect(text('docs/clients.md')).toContain(`http_proxy = "${value('http_proxy')}"`)
})
