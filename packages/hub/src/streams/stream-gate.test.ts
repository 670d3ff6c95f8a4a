import { expect, test } from 'vitest'
import { silentLogger } from '@watchbell/receiver/base'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { createStreamGate } from './stream-gate.ts'
import { createStreamRegistry, type StreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import { newStream } from '../../test/new-stream.ts'

const at = new Date('2026-01-01T00:00:00Z')
const stream = newStream('str1', { providerId: 'sse1', status: 'enabled' })
const provider = { id: 'sse1', name: 'idp', issuer: 'https://idp.example' }
const paused = {
  type: 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated',
  family: 'ssf',
  name: 'stream-updated',
  subject: { format: 'opaque', id: 'stream-1' },
  occurredAt: undefined,
  claims: { status: 'paused' },
} as SecurityEvent

/** @param meanwhile - runs while the change is being committed */
async function gateOver(meanwhile: (registry: StreamRegistry) => void) {
  const store: Pick<StreamStore, 'list' | 'update'> = {
    list: async () => [stream],
    update: async () => undefined,
  }
  const registry = await createStreamRegistry(store as StreamStore) // it asks for no more than these two
  const gate = createStreamGate({
    world: { now: () => at },
    logger: silentLogger,
    registry,
    store: { useState: async () => true },
    async transaction(work) {
      const done = await work({
        stores: { streams: store as StreamStore, providers: { findById: async () => undefined } },
        journal: { streamChanged: async () => undefined },
      })
      meanwhile(registry)
      return done
    },
    onDoubt: () => undefined,
  })
  return { registry, gate }
}

test('a stream that is deleted while its transmitter pauses it stays deleted', async () => {
  const { registry, gate } = await gateOver((registry) => registry.forget('str1'))
  await gate.accepted(stream, { provider, jti: 'a', events: [paused] }, 'stored')
  expect(registry.list()).toEqual([])
})

test('concurrent changes by others stay', async () => {
  const { registry, gate } = await gateOver((registry) => registry.apply('str1', { checkedAt: at }))
  await gate.accepted(stream, { provider, jti: 'a', events: [paused] }, 'stored')
  expect(registry.find('str1')).toMatchObject({ status: 'paused', checkedAt: at })
})
