import { expect, test } from 'vitest'
import { openTemporarySqlite } from '../../test/contract/open-sqlite.ts'
import { silentLogger } from '../base/logger.ts'
import { realWorld } from '../base/world.ts'
import { applyNews, newsOfReason } from '../risk/news.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import type { Storage } from '../stores.ts'
import { createExpiry } from './expire.ts'

const minuteMs = 60_000
const start = Date.UTC(2026, 0, 1)
const ada = 'user:email:ada@example.com'

function reason(slot: string, level: RiskReason['level'], minutes: number): RiskReason {
  return {
    id: slot,
    anchor: ada,
    source: { kind: 'security_events_provider', id: 'sse1' },
    slot,
    detection: slot,
    level,
    message: undefined,
    occurredAt: new Date(start),
    receivedAt: new Date(start),
    expiresAt: new Date(start + minutes * minuteMs),
    signalId: undefined,
    eventType: undefined,
  }
}

const risksLogged = async (storage: Storage): Promise<readonly unknown[]> => {
  const entries = await storage.stores.systemLog.page({
    position: { order: 'persisted', after: 0 },
    eventTypes: undefined,
    limit: 100,
  })
  return entries.map(({ event }) => event?.debugContext.debugData['risk'])
}

test('a level falls step by step as its reasons run out, and each fall is logged once', async () => {
  await using storage = await openTemporarySqlite()
  let now = start
  const world = { ...realWorld(globalThis.fetch), now: () => new Date(now) }
  const sources = { actionOf: () => 'enforce_and_log' as const }
  await using expiry = createExpiry({ storage, world, logger: silentLogger })
  const turn = () => expiry.runOnce(new AbortController().signal)
  const at = new Date(start)
  await storage.stores.providers.insert({
    id: 'sse1',
    name: 'a transmitter',
    type: 'test',
    status: 'ACTIVE',
    issuer: 'https://transmitter.example',
    jwksUrl: 'https://transmitter.example/keys',
    wellKnownUrl: undefined,
    createdAt: at,
    updatedAt: at,
  })
  await storage.transaction(({ subjects, risk }) =>
    applyNews({ subjects, risk, world, ...sources, ignoreUnknownUsers: false }, [
      newsOfReason(reason('a', 'HIGH', 10)),
      newsOfReason(reason('b', 'LOW', 20)),
      newsOfReason(reason('c', 'LOW', 15)),
    ]),
  )

  now = start + 10 * minuteMs - 1
  expect(await turn()).toBe(0)
  for (const minutes of [10, 10, 15, 20, 20, 30]) {
    now = start + minutes * minuteMs
    await turn()
  }
  expect(await risksLogged(storage)).toEqual([
    '{previousLevel=HIGH, level=LOW, detectionName=Risk Reasons Expired, reasons=b; c}',
    '{previousLevel=LOW, level=NONE, detectionName=Risk Reasons Expired, reasons=}',
  ])
})
