import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { manifest } from '../deploy/files.ts'
import { databases, makeFixture } from './fixture.ts'

// Not part of the suite: `npm run upgrade-fixture` runs it before a release, and its files are committed.
test('keeps the databases of this version', { timeout: 120_000 }, async () => {
  const folder = resolve(import.meta.dirname, manifest.version)
  await makeFixture(folder)
  expect(readdirSync(folder)).toHaveLength(2 * databases.length)
})
