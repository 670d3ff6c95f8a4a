import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { isLongRun } from './packages/receiver/test/long-run.ts'

// Hubs under test start threads and processes that load our sources anew; compiled once, they start in half the time.
process.env['NODE_COMPILE_CACHE'] ??= resolve(import.meta.dirname, 'node_modules/.cache/node-compile')

/** Each hub on PostgreSQL has 15 connections or so: see test/postgres-server.ts for how many the server has. */
const workersMax = 16

/** What is other SQL on PostgreSQL, as clients see it. The rest of HTTP is the same code, on ports that test/contract holds. */
const touchesSql = [
  'evaluation',
  'every-route',
  'push',
  'risk-state',
  'signals',
  'stream-life',
  'streams',
  'system-log',
].map((name) => `packages/hub/test/http/${name}.test.ts`)

/** Whatever a hub answers in a test, the OpenAPI document describes it. */
const asDocumented = './packages/hub/test/answers-as-documented.ts'

/** `npm run upgrade-fixture`: keeps the databases of this version, and runs no test. */
const upgradeFixture = { name: 'upgrade-fixture', include: ['packages/hub/test/upgrade/make-fixture.ts'] }

export default defineConfig({
  test: {
    reporters: ['default', './scripts/closing-line-reporter.ts'],
    globalSetup: ['./packages/hub/test/global-setup.ts'],
    testTimeout: isLongRun ? 300_000 : 30_000,
    hookTimeout: 30_000,
    maxWorkers: Math.min(availableParallelism(), workersMax),
    projects:
      process.env['WATCHBELL_UPGRADE_FIXTURE'] === '1'
        ? [{ extends: true, test: upgradeFixture }]
        : [
            {
              extends: true,
              test: {
                name: 'sqlite',
                setupFiles: [asDocumented],
                include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
              },
            },
            {
              extends: true,
              test: {
                name: 'postgres',
                env: { WATCHBELL_TEST_STORAGE: 'postgres' },
                // Of conformance only how streams are set up. Contract suites run on both in one go.
                include: isLongRun
                  ? ['packages/hub/test/http/**/*.test.ts', 'packages/hub/test/conformance/**/*.test.ts']
                  : [...touchesSql, 'packages/hub/test/conformance/receiver-streams.test.ts'],
                setupFiles: ['./packages/hub/test/on-postgres.ts', asDocumented],
              },
            },
          ],
  },
})
