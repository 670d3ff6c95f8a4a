import { describe, expect, test } from 'vitest'
import { startTransmitter } from '../../src/testing/transmitter.ts'
import { startHubWithProvider, type HubWithProvider } from './with-provider.ts'

/** An honest transmitter (`world`), and another that is registered as well and means ill. */
interface Attack extends AsyncDisposable {
  readonly world: HubWithProvider
  /** Of the honest transmitter's issuer. */
  sub(id: string): object
  honest(type: string, subject: object, claims?: object): Promise<void>
  evil(type: string, subject: object, claims?: object): Promise<void>
  /** What becomes of somebody's sign-in. */
  decisionOn(user: string): Promise<boolean>
}

const email = (address: string) => ({ format: 'email', email: address })
const aliases = (...identifiers: readonly object[]) => ({ format: 'aliases', identifiers })
const ada = email('ada@example.com')
const hal = email('hal@example.com')
const longAgo = { event_timestamp: 1 }
const high = { current_level: 'high' }
const aMinuteAgo = (): number => Math.floor(Date.now() / 1_000) - 60

async function startAttack(action?: 'none' | 'log_only'): Promise<Attack> {
  const world = await startHubWithProvider()
  const { hub } = world
  const other = await startTransmitter({ alg: 'ES256' })
  const created = await hub.api('POST', '/api/v1/security-events-providers', {
    name: 'evil',
    type: 'test',
    settings: { issuer: other.issuer, jwks_url: other.jwksUrl },
  })
  const { id } = (await created.json()) as { id: string }
  if (action !== undefined) await hub.api('PUT', `/v1/providers/${id}/action`, { action })
  const tell = async (set: string): Promise<void> => {
    expect((await hub.push(set)).status).toBe(202)
    await hub.handleAll()
  }
  return {
    world,
    sub: (sub) => ({ format: 'iss_sub', iss: world.transmitter.issuer, sub }),
    honest: (type, subject, claims = {}) => tell(world.sign({ type, subject, claims })),
    evil: (type, subject, claims = {}) => tell(other.sign({ type, aud: hub.origin, subject, claims })),
    async decisionOn(user) {
      const asked = {
        subject: { type: 'user', id: user },
        action: { name: 'sign_in' },
        resource: { type: 'app', id: 'a' },
      }
      const answer = await hub.api('POST', '/access/v1/evaluation', asked)
      return ((await answer.json()) as { decision: boolean }).decision
    },
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

describe('a transmitter cannot end statements of another', () => {
  test.each([
    ['that counts for nothing', 'none'],
    ['that is only watched', 'log_only'],
    ['whose word is acted on', undefined],
  ] as const)('with an older claim that contradicts it: one %s', async (_whose, action) => {
    await using attack = await startAttack(action)
    await attack.honest('user-risk-change', aliases(attack.sub('u1'), ada), high)
    await attack.honest('session-revoked', aliases(attack.sub('u1'), ada))
    await attack.evil('token-claims-change', aliases(attack.sub('nobody'), ada), longAgo)
    expect(await attack.decisionOn('ada@example.com')).toBe(false)
    const [, ...honest] = await attack.world.signals()
    expect(honest.map(({ events }) => events)).toMatchObject([[{ matched: true }], [{ matched: true }]])
  })

  test('with an earlier claim about ids of the issuer', async () => {
    await using attack = await startAttack()
    await attack.evil('token-claims-change', aliases(attack.sub('nobody'), ada), longAgo)
    await attack.honest('user-risk-change', aliases(attack.sub('u1'), ada), high)
    expect(await attack.decisionOn('ada@example.com')).toBe(false)
    expect(await attack.decisionOn('u1')).toBe(false)
    const [honest, evil] = await attack.world.signals()
    expect([honest?.events, evil?.events]).toMatchObject([[{ matched: true }], [{ matched: false }]])
  })

  test('by joining two users whose own claims then contradict each other', async () => {
    await using attack = await startAttack()
    await attack.evil('token-claims-change', aliases(ada, hal, { format: 'opaque', id: 'x' }), longAgo)
    await attack.honest('user-risk-change', aliases(attack.sub('u1'), ada), { current_level: 'none' })
    await attack.honest('user-risk-change', aliases(attack.sub('u2'), hal), high)
    await attack.honest('session-revoked', aliases(attack.sub('u2'), hal))
    for (const name of ['hal@example.com', 'u2']) expect(await attack.decisionOn(name)).toBe(false)
    const answer = await attack.world.hub.api('POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: 'hal@example.com', properties: { sessionIssuedAt: 1 } },
      action: { name: 'sign_in' },
      resource: { type: 'app', id: 'a' },
    })
    expect(await answer.json()).toMatchObject({ decision: false })
  })

  test.each(['none', 'log_only'] as const)('by recycling an address, with the action %s', async (action) => {
    await using attack = await startAttack(action)
    await attack.honest('user-risk-change', ada, { ...high, event_timestamp: aMinuteAgo() })
    await attack.evil('identifier-recycled', ada)
    expect(await attack.decisionOn('ada@example.com')).toBe(false)
  })

  test('by recycling an address of a loaded user', async () => {
    await using attack = await startAttack()
    const user = { kind: 'user', login: 'ada', emails: ['ada@example.com'] }
    expect((await attack.world.hub.api('POST', '/v1/subjects', user)).status).toBe(201)
    await attack.honest('user-risk-change', ada, { ...high, event_timestamp: aMinuteAgo() })
    await attack.evil('identifier-recycled', ada)
    await attack.evil('identifier-changed', ada)
    expect(await attack.decisionOn('ada')).toBe(false)
    expect(await attack.decisionOn('ada@example.com')).toBe(false)
  })
})

test('a statement of a log_only provider about several identifiers is shown with each user that has one of them', async () => {
  await using attack = await startAttack('log_only')
  await attack.world.hub.api('POST', '/v1/subjects', { kind: 'user', login: 'ada@example.com' })
  await attack.evil('user-risk-change', aliases(attack.sub('u1'), ada), high)
  const answer = await attack.world.hub.api('GET', '/v1/subjects/ada@example.com')
  expect(await answer.json()).toMatchObject({
    level: 'NONE',
    reported_level: 'HIGH',
    identifiers: [{ value: 'ada@example.com' }, { value: 'ada@example.com' }],
  })
  expect(await attack.decisionOn('ada@example.com')).toBe(true)
})
