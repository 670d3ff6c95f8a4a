import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { startEmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { startTestHub, type TestHub } from '../../src/testing/index.ts'
import { createDatabase, startPostgresServer } from '../postgres-server.ts'

const bearer = { delivery: 'push', auth: { method: 'bearer', token: 'static-token' } }

/** Two nodes on one database, and a transmitter that would take as many streams as it is asked for. */
async function openNodes() {
  const opened = new AsyncDisposableStack()
  const server = opened.use(await startPostgresServer())
  const databaseUrl = await createDatabase(server.url, 'template0')
  const settings = { databaseUrl, secretKey: randomBytes(32).toString('base64') }
  const one = opened.use(await startTestHub({ settings }))
  const origin = one.origin // both are behind one load balancer
  const other = opened.use(await startTestHub({ settings: { ...settings, origin } }))
  const transmitter = opened.use(await startEmulatedTransmitter({ alg: 'ES256', streamsPerReceiver: 10 }))
  const created = await one.api('POST', '/api/v1/security-events-providers', {
    name: 'Emulated',
    type: 'test',
    settings: { well_known_url: transmitter.wellKnownUrl },
  })
  const path = `/v1/providers/${((await created.json()) as { id: string }).id}/stream`
  return {
    nodes: [one, other] as const,
    transmitter,
    path,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const statuses = async (answers: readonly Promise<Response>[]): Promise<number[]> =>
  (await Promise.all(answers)).map(({ status }) => status)

const push = (node: TestHub, url: string, authorization = ''): Promise<Response> =>
  fetch(new URL(new URL(url).pathname, node.address), {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt', authorization },
    body: 'no SET, but let in',
  })

test('two nodes that connect at once make one stream', async () => {
  await using open = await openNodes()
  const { nodes, transmitter, path } = open
  transmitter.fail('configuration', { delayMs: 1_500 }, 2) // so that both would be creating
  expect(await statuses(nodes.map((node) => node.api('PUT', path, { ...bearer, delivery: 'poll' })))).toEqual(
    [200, 200],
  )
  expect(transmitter.streams).toHaveLength(1)
})

test('rotations at two nodes at once leave the transmitter with a value that each node takes', async () => {
  await using open = await openNodes()
  const { nodes, transmitter, path } = open
  const connected = await nodes[0].api('PUT', path, bearer)
  const { push_url: url } = (await connected.json()) as { push_url: string }
  for (let round = 0; round < 3; round++) {
    // Without one turn for both, the answers would cross: the first to be asked for would be the last to be stored.
    transmitter.fail('configuration', { answerAfterMs: 1_000 }, 1)
    const rotations = nodes.map((node) =>
      node.api('POST', `${path}/rotate-authorization`, { overlap_seconds: 0 }),
    )
    expect(await statuses(rotations)).toEqual([200, 200])
    const { authorization } = transmitter.stream()
    // 400 is about the body: the value was taken, also by a node that has not heard of the rotation yet.
    expect(await statuses(nodes.map((node) => push(node, url, authorization)))).toEqual([400, 400])
  }
})
