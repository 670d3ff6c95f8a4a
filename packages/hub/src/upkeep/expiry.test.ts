import { expect, test } from 'vitest'
import { judgeOf } from '../../test/known-sources.ts'
import { openTemporarySqlite } from '../../test/contract/open-sqlite.ts'
import { silentLogger } from '@watchbell/receiver/base'
import { realWorld } from '../base/world.ts'
import type { Provider } from '../providers/provider.ts'
import { applyStatements } from '../risk/apply-statements.ts'
import { statementOfReason } from '../risk/statement.ts'
import type { RiskReason } from '../risk/risk-reason.ts'
import type { Storage } from '../stores.ts'
import { journaled } from '../journal/journal.ts'
import { createExpiry } from './expiry.ts'

const minuteMs = 60_000
const start = Date.UTC(2026, 0, 1)
const ada = 'user:email:ada@example.com'

const transmitter: Provider = {
  id: 'sse1',
  name: 'a transmitter',
  type: 'test',
  status: 'ACTIVE',
  issuer: 'https://transmitter.example',
  jwksUrl: 'https://transmitter.example/keys',
  wellKnownUrl: undefined,
  createdAt: new Date(start),
  updatedAt: new Date(start),
}

function reason(slot: string, level: RiskReason['level'], minutes: number): RiskReason {
  return {
    id: slot,
    identifier: ada,
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
    dismissedAt: undefined,
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
  const sources = { judge: judgeOf('sse1'), origin: 'https://hub.example' }
  await using expiry = createExpiry({ storage: journaled(storage, world), world, logger: silentLogger })
  const turn = () => expiry.runOnce(new AbortController().signal)
  await storage.stores.providers.insert(transmitter)
  await storage.transaction(({ subjects, risk }) =>
    applyStatements({ subjects, risk, world, ...sources, ignoreUnknownUsers: false }, [
      statementOfReason(reason('a', 'HIGH', 10)),
      statementOfReason(reason('b', 'LOW', 20)),
      statementOfReason(reason('c', 'LOW', 15)),
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

test('a statement that holds longer than the last does not move the moment to look, and the level stays until it runs out', async () => {
  await using storage = await openTemporarySqlite()
  let now = start
  const world = { ...realWorld(globalThis.fetch), now: () => new Date(now) }
  await using expiry = createExpiry({ storage: journaled(storage, world), world, logger: silentLogger })
  await storage.stores.providers.insert(transmitter)
  const apply = (minutes: number) =>
    storage.transaction(({ subjects, risk }) => {
      const occurredAt = new Date(now)
      const statement = statementOfReason({ ...reason('a', 'HIGH', minutes), id: `a${minutes}`, occurredAt })
      return applyStatements(
        {
          subjects,
          risk,
          world,
          judge: judgeOf('sse1'),
          origin: 'https://hub.example',
          ignoreUnknownUsers: false,
        },
        [statement],
      )
    })
  const due = () => storage.stores.risk.due(new Date(now), 10)

  await apply(10)
  now = start + minuteMs
  await apply(20)
  now = start + 10 * minuteMs
  expect(await due()).toHaveLength(1) // as the first statement had it
  await expiry.runOnce(new AbortController().signal)
  expect(await due()).toEqual([])
  expect(await risksLogged(storage)).toEqual([])
  now = start + 20 * minuteMs
  await expiry.runOnce(new AbortController().signal)
  expect(await risksLogged(storage)).toEqual([
    '{previousLevel=HIGH, level=NONE, detectionName=Risk Reasons Expired, reasons=}',
  ])

  await apply(40)
  now = start + 21 * minuteMs
  await apply(30)
  now = start + 30 * minuteMs
  expect(await due()).toHaveLength(1) // what runs out sooner does move it
})
