import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { openPostgres } from '../../src/storage/postgres/open-postgres.ts'
import { openSqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import {
  columnsOf,
  contentOf,
  countsOf,
  databases,
  makeFixture,
  readShown,
  unpackFixture,
  type DatabaseKind,
} from './fixture.ts'

/** Versions whose databases are kept beside this file. */
const kept = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

let own: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  own = await temporaryFolder()
  return () => own[Symbol.asyncDispose]()
})

/** Made once, by the test that needs it first. */
let making: Promise<string> | undefined
async function makeOwn(): Promise<string> {
  const folder = join(own.path, 'made')
  await makeFixture(folder)
  return folder
}

const folderOf = async (version: string): Promise<string> =>
  version === 'this one' ? (making ??= makeOwn()) : join(import.meta.dirname, version)

/** Opens a database and brings its schema up to date, as a hub does that starts. */
async function migrated(kind: DatabaseKind, place: string): Promise<void> {
  const now = new Date()
  const storage =
    kind === 'sqlite'
      ? (await openSqliteInThread(place, now)).storage
      : await openPostgres({ url: place, connectionsMax: 2, migrateAt: now })
  await storage[Symbol.asyncDispose]()
}

describe.each(['this one', ...kept])('the databases of version %s', (version) => {
  test.each(databases)(
    '%s: is brought up to date, keeps every row, and a hub goes on with it',
    async (kind) => {
      const folder = await folderOf(version)
      const content = await contentOf(folder, kind)
      await using data = await temporaryFolder()
      const place = kind === 'sqlite' ? data.path : await emptyDatabase()
      await unpackFixture(folder, kind, place)
      await migrated(kind, place)
      expect(await countsOf(kind, place)).toMatchObject(content.counts)

      // A migration that was changed in place gives an old database another schema than a new one.
      await using newData = await temporaryFolder()
      const newPlace = kind === 'sqlite' ? newData.path : await emptyDatabase()
      await migrated(kind, newPlace)
      expect(await columnsOf(kind, place)).toEqual(await columnsOf(kind, newPlace))

      const forEver = {
        signalRetentionDays: '0',
        tokenRetentionDays: '0',
        logRetentionDays: '0',
        riskHistoryRetentionDays: '0',
        // It starts as the hub itself: the address of the first one is not to be had again.
        standby: 'false',
        secretKey: content.secretKey,
      } as const
      await using hub = await startTestHub(
        kind === 'sqlite'
          ? { folder: place, settings: forEver }
          : { settings: { ...forEver, databaseUrl: place } },
      )
      expect(await readShown(hub)).toEqual(content.shown)
      const status = async (token: string): Promise<number> =>
        (await fetch(`${hub.origin}/v1/signals`, { headers: { authorization: `SSWS ${token}` } })).status
      expect([await status(content.tokens.live), await status(content.tokens.revoked)]).toEqual([200, 401])

      await using transmitter = await startTransmitter({ alg: 'ES256' })
      const provider = {
        name: 'After the upgrade',
        type: 'test',
        settings: { issuer: transmitter.issuer, jwks_url: transmitter.jwksUrl },
      }
      expect((await hub.api('POST', '/api/v1/security-events-providers', provider)).status).toBe(200)
      const jti = randomUUID()
      const subject = { format: 'email', email: 'ada@example.com' }
      const set = transmitter.sign({ type: 'session-revoked', aud: hub.origin, subject, jti })
      expect((await hub.push(set)).status).toBe(202)
      await hub.handleAll()
      expect((await readShown(hub)).signals[0]).toEqual({ jti, outcome: 'handled' })
    },
  )
})
