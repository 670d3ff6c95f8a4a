import { defineConfig } from 'vitest/config'

// Hubs under test start threads and processes that load our sources anew; compiled once, they start in half the time.
process.env['NODE_COMPILE_CACHE'] ??= 'node_modules/.cache/node-compile'

export default defineConfig({
  test: {
    reporters: ['default', './scripts/closing-line-reporter.ts'],
    globalSetup: ['./test/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['src/**/*.test.ts', 'test/**/*.test.ts'] } },
      {
        // What clients see must be the same on PostgreSQL. Contract suites run on both in one go.
        extends: true,
        test: {
          name: 'postgres',
          env: { WATCHBELL_TEST_STORAGE: 'postgres' },
          // Of conformance only how streams are set up: all of it would take a minute more.
          include: ['test/http/**/*.test.ts', 'test/conformance/receiver-streams.test.ts'],
          setupFiles: ['./test/on-postgres.ts'],
        },
      },
    ],
  },
})
