import { expect, test } from 'vitest'
import { HubError } from '../base/hub-error.ts'
import { silentLogger } from '@watchbell/receiver/base'
import { createStreamKeeper, defaultKeeperLimits, dueOf } from './stream-keeper.ts'
import { createStreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import type { RemoteStream, Stream, TransmitterEndpoints } from './stream.ts'
import { newStream } from '../../test/new-stream.ts'

const now = Date.UTC(2026, 0, 1, 12)
const ago = (minutes: number): Date => new Date(now - minutes * 60_000)

const endpoints: TransmitterEndpoints = {
  metadataUrl: 'https://idp.example/.well-known/ssf-configuration',
  configuration: 'https://idp.example/streams',
  status: undefined,
  verification: 'https://idp.example/verify',
  addSubject: undefined,
  removeSubject: undefined,
  deliveryMethods: undefined,
  defaultSubjects: undefined,
  criticalSubjectMembers: [],
}

const remote: RemoteStream = {
  streamId: 'a',
  iss: 'https://idp.example',
  aud: ['b'],
  endpointUrl: undefined,
  eventsDelivered: undefined,
  minVerificationIntervalS: undefined,
  inactivityTimeoutS: undefined,
}

const stream = newStream('str1', {
  issuer: 'https://idp.example',
  endpoints,
  remote,
  status: 'enabled',
  verificationAskedAt: ago(1),
  checkedAt: ago(1),
  createdAt: ago(1),
  updatedAt: ago(1),
})

const nothing = { check: false, verify: false }

test.each<readonly [string, Partial<Stream>, { check: boolean; verify: boolean }]>([
  ['all is fresh', {}, nothing],
  ['checked long ago', { checkedAt: ago(15) }, { check: true, verify: false }],
  ['checked by a clock a day ahead', { checkedAt: ago(-1_440) }, { check: true, verify: false }],
  ['checked by a clock some seconds ahead', { checkedAt: ago(-0.1) }, nothing],
  [
    'never checked, and made by a clock a day ahead',
    { checkedAt: undefined, createdAt: ago(-1_440) },
    { check: true, verify: false },
  ],
  ['asked by a clock a day ahead', { verificationAskedAt: ago(-1_440) }, { check: false, verify: true }],
  ['asked by a clock some seconds ahead', { verificationAskedAt: ago(-0.1) }, nothing],
  ['never checked and new', { checkedAt: undefined }, nothing],
  ['never checked and old', { checkedAt: undefined, createdAt: ago(15) }, { check: true, verify: false }],
  // SSF 1.0 §8.1.1: a management call in every third of the inactivity timeout
  [
    'a short inactivity timeout',
    { remote: { ...remote, inactivityTimeoutS: 180 } },
    { check: true, verify: false },
  ],
  ['a longer one', { remote: { ...remote, inactivityTimeoutS: 240 } }, nothing],
  ['asked long ago', { verificationAskedAt: ago(60) }, { check: false, verify: true }],
  ['never asked', { verificationAskedAt: undefined }, { check: false, verify: true }],
  [
    'within the minimal interval',
    { verificationAskedAt: ago(60), remote: { ...remote, minVerificationIntervalS: 7_200 } },
    nothing,
  ],
  [
    'after it',
    { verificationAskedAt: ago(120), remote: { ...remote, minVerificationIntervalS: 7_200 } },
    { check: false, verify: true },
  ],
  [
    'the last request failed, and it is too soon',
    { verificationAskedAt: undefined, verifyNotBefore: ago(-0.5) },
    nothing,
  ],
  [
    'the last request failed, and the time has come',
    { verificationAskedAt: undefined, verifyNotBefore: ago(0) },
    { check: false, verify: true },
  ],
  [
    'the last request failed by a clock a day ahead',
    { verificationAskedAt: undefined, verifyNotBefore: ago(-1_440) },
    { check: false, verify: true },
  ],
  [
    'a promised change to poll',
    { settings: { ...stream.settings, delivery: 'poll' } },
    { check: true, verify: false },
  ],
  ['a paused stream is not asked', { verificationAskedAt: undefined, status: 'paused' }, nothing],
  [
    'a stream of unknown status is asked',
    { verificationAskedAt: undefined, status: undefined },
    { check: false, verify: true },
  ],
  [
    'nothing to ask',
    { verificationAskedAt: undefined, endpoints: { ...endpoints, verification: undefined } },
    nothing,
  ],
  ['never connected', { verificationAskedAt: undefined, remote: undefined }, nothing],
])('%s', (_, over, due) => {
  expect(dueOf({ ...stream, ...over }, now, false, defaultKeeperLimits)).toEqual(due)
})

test('a stream that was marked for a check is checked', () => {
  expect(dueOf(stream, now, true, defaultKeeperLimits)).toEqual({ check: true, verify: false })
})

test('a check that another node has just made is not repeated, even if this node does not know of it', async () => {
  let row: Stream = { ...stream, checkedAt: ago(20) }
  const store: Pick<StreamStore, 'list' | 'update'> = {
    list: async () => [row],
    async update(_id, changes) {
      row = { ...row, ...changes }
    },
  }
  const checked: string[] = []
  const world = { now: () => new Date(now), newUuid: () => 'node' }
  const keeperOf = async (node: string) => {
    const registry = await createStreamRegistry(store as StreamStore) // it asks for no more than these two
    const check = async (): Promise<Stream> => {
      checked.push(node)
      return (await registry.note(row.id, { checkedAt: world.now() })) ?? row
    }
    const leases = { take: async () => true, end: async () => undefined }
    const streams = { check, verify: check }
    return createStreamKeeper({
      world,
      logger: silentLogger,
      registry,
      streams,
      leases,
      isActive: () => true,
    })
  }
  const [one, other] = [await keeperOf('one'), await keeperOf('other')]
  const { signal } = new AbortController()
  expect([await one.runOnce(signal), await other.runOnce(signal)]).toEqual([1, 0])
  expect(checked).toEqual(['one'])
})

test('a transmitter whose answers make the keeper fail does not stop the keeper from checking other streams', async () => {
  const rows = ['str1', 'str2', 'str3'].map((id) =>
    newStream(id, { ...stream, id, providerId: id, checkedAt: ago(20) }),
  )
  const store: Pick<StreamStore, 'list' | 'update'> = {
    list: async () => rows,
    update: async () => undefined,
  }
  const registry = await createStreamRegistry(store as StreamStore) // it asks for no more than these two
  const asked: string[] = []
  let at = now
  const check = async (id: string): Promise<Stream> => {
    asked.push(id)
    if (id === 'str1') throw new RangeError('init["status"] must be in the range of 200 to 599')
    if (id === 'str2')
      throw new HubError('stream.transmitter_unavailable', { detail: 'later', retryAfterS: 1.7e9 })
    const known = registry.ofProvider(id)
    if (known === undefined) throw new Error('not reached')
    return registry.apply(known.id, { checkedAt: new Date(at) }) ?? known
  }
  const keeper = createStreamKeeper({
    world: { now: () => new Date(at), newUuid: () => 'node' },
    logger: silentLogger,
    registry,
    streams: { check, verify: check },
    leases: { take: async () => true, end: async () => undefined },
    isActive: () => true,
  })
  const { signal } = new AbortController()
  await keeper.runOnce(signal)
  expect(asked.toSorted()).toEqual(['str1', 'str2', 'str3'])
  asked.length = 0
  at += defaultKeeperLimits.checkEveryMs
  await keeper.runOnce(signal)
  expect(asked.toSorted()).toEqual(['str1', 'str2', 'str3'])
  asked.length = 0
  at -= 86_400_000 // the clock was ahead and is corrected: the pause must not last until it gets there again
  await keeper.runOnce(signal)
  expect([...new Set(asked)].toSorted()).toEqual(['str1', 'str2', 'str3'])
})
