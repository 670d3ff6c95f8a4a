import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { defaultPollLimits } from '../../src/ingest/poll.ts'
import { startEmulatedTransmitter } from '../../src/testing/emulated-transmitter.ts'
import { startTransmitter, type Transmitter } from '../../src/testing/transmitter.ts'
import { runOn } from '../postgres-server.ts'
import { runInProcess } from '../run-cli.ts'
import {
  allHandled,
  anyOf,
  isKnown,
  patience,
  publicOrigin,
  pushUntilTaken,
  register,
  revoked,
  startForwarder,
  startNodes,
  startSenders,
  storedAndLogged,
  type Nodes,
} from './nodes.ts'
import { jtiOnPostgres } from './logged-jti.ts'
import { adminToken, serve, type ServeProcess } from './serve.ts'
import { freePort } from '../free-port.ts'

const providers = '/api/v1/security-events-providers'

const { leaseMs, leaseTryMs } = defaultPollLimits
/** What a machine that is busy with other tests may add to a promised time. */
const busyMachineMs = 10_000

const pushStatus = async (node: ServeProcess, set: string): Promise<number> => (await node.push(set)).status

describe('three nodes on one database', () => {
  let nodes: Nodes
  let transmitter: Transmitter
  beforeAll(async () => {
    nodes = await startNodes(3, { WATCHBELL_LOG_LEVEL: 'debug' })
    transmitter = await startTransmitter({ alg: 'ES256' })
    await register(nodes, transmitter)
  }, 120_000)
  afterAll(async () => {
    await nodes[Symbol.asyncDispose]()
    await transmitter[Symbol.asyncDispose]()
  })

  const onAll = <T>(ask: (node: ServeProcess) => Promise<T>): Promise<T[]> =>
    Promise.all(nodes.alive.map(ask))
  const command = (...args: readonly string[]) => runInProcess(args, { env: { ...nodes.environment } })
  const statusWith = (node: ServeProcess, authorization: string): Promise<number> =>
    fetch(`${node.origin}/v1/signals`, { headers: { authorization } }).then(({ status }) => status)
  const announced = (node: ServeProcess, table: string): boolean =>
    node.output().includes(`"table":"${table}","msg":"a change was announced"`)

  test('the same SET pushed to all of them at once, many times, has one effect', async () => {
    const sets = Array.from({ length: 60 }, (_, number) =>
      revoked(transmitter, `${number}@once.example`, `once-${number}`),
    )
    const pushes = sets.flatMap((set) =>
      [...nodes.alive, ...nodes.alive].map((node) => pushStatus(node, set)),
    )
    expect(new Set(await Promise.all(pushes))).toEqual(new Set([202]))
    await allHandled(nodes)

    const { signals } = (await (await nodes.at(1).api('GET', '/v1/signals?limit=200')).json()) as {
      signals: { jti: string; outcome: string; repeats: number }[]
    } // of a 200
    const found = signals.filter(({ jti }) => jti.startsWith('once-'))
    expect(found).toHaveLength(60)
    expect(found.filter(({ outcome, repeats }) => outcome !== 'handled' || repeats !== 5)).toEqual([])
    const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
    expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))
  })

  test('what one subject did is handled in its order, whichever node took and handled it', async () => {
    const subjects = Array.from({ length: 12 }, (_, number) => `${number}@order.example`)
    const sendAll = async (email: string): Promise<string[]> => {
      const sent: string[] = []
      for (let number = 0; number < 15; number++) {
        const jti = `order-${email}-${number}`
        await pushUntilTaken(nodes, revoked(transmitter, email, jti))
        sent.push(jti)
      }
      return sent
    }
    const sent = await Promise.all(subjects.map(sendAll))
    await allHandled(nodes)
    const rows = await runOn(
      nodes.databaseUrl,
      `SELECT ${jtiOnPostgres} AS jti FROM log_events
       WHERE event_type = 'security.events.provider.receive_event' ORDER BY sequence`,
    )
    const logged = rows.map(({ jti }) => String(jti))
    const ofSubject = (email: string): string[] => logged.filter((jti) => jti.startsWith(`order-${email}-`))
    expect(subjects.map(ofSubject)).toEqual(sent)

    const handled = await onAll((node) => nodes.counted(node, 'watchbell_handling_lag_seconds_count'))
    expect(handled.reduce((sum, count) => sum + count)).toBe(logged.length)
    expect(handled.filter((count) => count > 0).length).toBeGreaterThan(1) // they share the work
  })

  test('a provider is known, stopped and forgotten by all when one node is told', async () => {
    await using newcomer = await startTransmitter({ alg: 'ES256' })
    const id = await register(nodes, newcomer) // the others took it up from an announcement
    const set = revoked(newcomer, 'a@providers.example')
    expect(await onAll((node) => pushStatus(node, set))).toEqual([202, 202, 202])
    const [first, second, third] = [nodes.at(0), nodes.at(1), nodes.at(2)]

    await second.api('POST', `${providers}/${id}/lifecycle/deactivate`)
    // Without any delay: the append asks.
    const refused = await onAll((node) => node.push(revoked(newcomer, 'b@providers.example')))
    expect(refused.map(({ status }) => status)).toEqual([400, 400, 400])
    await third.api('POST', `${providers}/${id}/lifecycle/activate`)
    for (const node of nodes.alive) {
      const again = revoked(newcomer, 'c@providers.example')
      await expect.poll(() => pushStatus(node, again), patience).toBe(202)
    }
    await first.api('DELETE', `${providers}/${id}`)
    for (const node of nodes.alive) {
      const late = revoked(newcomer, 'd@providers.example')
      await expect
        .poll(async () => (await node.push(late)).json(), patience)
        .toMatchObject({ description: expect.stringContaining('No provider is registered') })
    }
    expect(await onAll(async (node) => announced(node, 'providers'))).toEqual([true, true, true])
  })

  test('what the word of a provider counts for is the same on all', async () => {
    await using source = await startTransmitter({ alg: 'ES256' })
    const id = await register(nodes, source)
    const user = { type: 'user', id: 'risky@sources.example' }
    const level = async (node: ServeProcess): Promise<unknown> => {
      const answer = await node.api('POST', '/access/v1/evaluation', {
        subject: user,
        action: { name: 'sign_in' },
        resource: { type: 'application', id: 'wiki' },
      })
      return ((await answer.json()) as { decision: boolean }).decision // of a 200
    }
    const risk = source.sign({
      type: 'risk-level-change',
      aud: publicOrigin,
      subject: { format: 'email', email: user.id },
      claims: { principal: 'USER', current_level: 'HIGH', previous_level: 'LOW' },
    })
    await pushUntilTaken(nodes, risk)
    await allHandled(nodes)
    expect(await onAll(level)).toEqual([false, false, false])
    const answer = await nodes.at(0).api('PUT', `/v1/providers/${id}/action`, { action: 'log_only' })
    expect(answer.status).toBe(200)
    for (const node of nodes.alive) await expect.poll(() => level(node), patience).toBe(true)
    expect(await onAll(async (node) => announced(node, 'provider_actions'))).toEqual([true, true, true])
  })

  test('the dialects of a provider are the same on all', async () => {
    await using speaker = await startTransmitter({ alg: 'ES256' })
    const id = await register(nodes, speaker)
    const foreign = speaker.sign({
      type: 'session-revoked',
      aud: 'com.example.app',
      subject: { format: 'email', email: 'a@dialects.example' },
    })
    expect(await onAll((node) => pushStatus(node, foreign))).toEqual([400, 400, 400])
    const wanted = { dialects: ['apple'], audiences: ['com.example.app'] }
    expect((await nodes.at(1).api('PUT', `/v1/providers/${id}/dialects`, wanted)).status).toBe(200)
    for (const node of nodes.alive) await expect.poll(() => pushStatus(node, foreign), patience).toBe(202)
    expect(await onAll(async (node) => announced(node, 'provider_dialects'))).toEqual([true, true, true])
  })

  test('what one node is told of a provider, all go by within a second', async () => {
    const known: number[] = []
    const acted: number[] = []
    const spoken: number[] = []
    /** How long after the change was answered the last node goes by it. */
    const spread = async (isSo: (node: ServeProcess) => Promise<boolean>): Promise<number> => {
      const changedAt = performance.now()
      await onAll((node) => vi.waitUntil(() => isSo(node), { ...patience, interval: 20 }))
      return performance.now() - changedAt
    }
    for (let round = 0; round < 5; round += 1) {
      await using newcomer = await startTransmitter({ alg: 'ES256' })
      const { issuer, jwksUrl } = newcomer
      const asked = nodes.at(round % 3)
      const settings = { issuer, jwks_url: jwksUrl }
      const created = await asked.api('POST', providers, { name: issuer, type: 'test', settings })
      known.push(await spread((node) => isKnown(node, issuer)))

      const { id } = (await created.json()) as { id: string } // of a 200
      const says = async (node: ServeProcess, about: string, text: string): Promise<boolean> =>
        (await (await node.api('GET', `/v1/providers/${id}/${about}`)).text()).includes(text)
      await asked.api('PUT', `/v1/providers/${id}/action`, { action: 'log_only' })
      acted.push(await spread((node) => says(node, 'action', 'log_only')))
      await asked.api('PUT', `/v1/providers/${id}/dialects`, {
        dialects: ['apple'],
        audiences: ['com.example'],
      })
      spoken.push(await spread((node) => says(node, 'dialects', 'com.example')))
    }
    // A look at everything, which comes every 10 seconds, would be seldom so soon; a busy machine may hiccup once.
    const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[2]
    for (const times of [known, acted, spoken]) expect(median(times)).toBeLessThan(1_000)
  }, 120_000)

  test('a token works at all nodes as soon as it is made, and at none once it is revoked', async () => {
    const secret = (await command('token', 'create', '--name', 'ci')).stdout.trim()
    expect(await onAll((node) => statusWith(node, `SSWS ${secret}`))).toEqual([200, 200, 200])
    expect((await command('token', 'revoke', 'ci')).exitCode).toBe(0)
    expect(await onAll((node) => statusWith(node, `SSWS ${secret}`))).toEqual([401, 401, 401])
  })

  test('a new signing key is published and believed by all nodes at once', async () => {
    const [first, second] = [nodes.at(0), nodes.at(1)]
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const registered = await first.api('POST', '/oauth2/v1/clients', {
      client_name: 'app',
      jwks: { keys: [await exportJWK(publicKey)] },
      scope: 'watchbell.signals.read',
    })
    const { client_id: clientId } = (await registered.json()) as { client_id: string } // of a 201
    const accessToken = async (): Promise<string> => {
      const assertion = await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(`${publicOrigin}/oauth2/v1/token`)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey)
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        scope: 'watchbell.signals.read',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      })
      const answer = await fetch(`${second.origin}/oauth2/v1/token`, { method: 'POST', body })
      return ((await answer.json()) as { access_token: string }).access_token // of a 200
    }
    const keyIds = async (node: ServeProcess): Promise<string[]> => {
      const answer = await fetch(`${node.origin}/oauth2/v1/keys`)
      return ((await answer.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
    }
    const before = await accessToken()
    const { kid } = JSON.parse((await command('key', 'rotate', '--json')).stdout) as { kid: string }
    expect(await onAll(async (node) => (await keyIds(node))[0])).toEqual([kid, kid, kid])
    const after = await accessToken()
    expect(JSON.parse(Buffer.from(after.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({ kid })
    for (const token of [before, after]) {
      expect(await onAll((node) => statusWith(node, `Bearer ${token}`))).toEqual([200, 200, 200])
    }
  })
})

describe('what takes nodes a while', { concurrent: true }, () => {
  test('limits hold over three nodes together, but for what passes between two exchanges (OKTA-Q1, OKTA-Q2)', async ({
    expect,
  }) => {
    const limit = 150
    await using nodes = await startNodes(3, { WATCHBELL_API_REQUESTS_PER_MINUTE: `${limit}` })
    let passed = 0
    /** A request without credentials, which its address is charged for. @returns how much that one has left here */
    const knock = async (node: ServeProcess): Promise<number> => {
      const { status, headers } = await fetch(`${node.origin}/v1/signals`)
      if (status !== 429) passed += 1
      expect(headers.get('x-rate-limit-limit')).toBe(`${limit}`)
      const remaining = Number(headers.get('x-rate-limit-remaining'))
      expect(remaining).toBeGreaterThanOrEqual(0)
      expect(remaining).toBeLessThan(limit)
      return remaining
    }
    const known = 99
    const first = nodes.alive.flatMap((node) => Array.from({ length: known / 3 }, () => knock(node)))
    await Promise.all(first)
    for (const node of nodes.alive) {
      await expect
        .poll(() => knock(node), { timeout: 30_000, interval: 500 })
        .toBeLessThanOrEqual(limit - known)
    }
    const last = nodes.alive.flatMap((node) => Array.from({ length: limit }, () => knock(node)))
    expect(await Promise.all(last)).toContain(0)
    // Each let through no more than what it knew to be left.
    expect(passed).toBeGreaterThanOrEqual(limit)
    expect(passed).toBeLessThanOrEqual(known + 3 * (limit - known))
    for (const node of nodes.alive) expect((await fetch(`${node.origin}/v1/signals`)).status).toBe(429)
  }, 90_000)

  test('a change whose announcement is lost is honoured all the same, when all is read anew', async ({
    expect,
  }) => {
    await using nodes = await startNodes(2, { WATCHBELL_LOG_LEVEL: 'debug' })
    await runOn(nodes.databaseUrl, 'DROP TRIGGER announce_change ON providers')
    await using transmitter = await startTransmitter({ alg: 'ES256' })
    await register(nodes, transmitter) // returns when the other knows it
    expect(await pushStatus(nodes.at(1), revoked(transmitter, 'a@lost.example'))).toBe(202)
    expect(nodes.alive.map((node) => node.output()).join('')).not.toContain('"table":"providers"')
  }, 90_000)

  test('one node polls a stream at a time, and another goes on when that one is killed', async ({
    expect,
  }) => {
    await using transmitter = await startEmulatedTransmitter({
      alg: 'ES256',
      origin: `http://127.0.0.1:${await freePort()}`,
      longPollMs: 500,
    })
    let open = 0
    let openMax = 0
    await using _proxy = await startForwarder(new URL(transmitter.origin).port, (request, ended) => {
      if (request.url?.startsWith('/ssf/poll/') === true) {
        openMax = Math.max(openMax, (open += 1))
        void ended.then(() => (open -= 1))
      }
      return transmitter.listensAt
    })
    await using nodes = await startNodes(3)
    const polls = (node: ServeProcess): Promise<number> => nodes.counted(node, 'watchbell_polls_total')
    const first = nodes.at(0)
    const created = await first.api('POST', providers, {
      name: 'emulated',
      type: 'emulated',
      settings: { well_known_url: transmitter.wellKnownUrl },
    })
    const { id } = (await created.json()) as { id: string } // of a 200
    const connected = await first.api('PUT', `/v1/providers/${id}/stream`, {
      delivery: 'poll',
      auth: { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' },
    })
    expect(connected.status).toBe(200)
    const sent: string[] = []
    const send = (count: number): void => {
      for (let number = 0; number < count; number++) {
        const subject = { format: 'email', email: `${sent.length}@polled.example` }
        sent.push(
          transmitter.send({
            type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
            subject,
          }),
        )
      }
    }
    send(50)
    await expect.poll(() => transmitter.stream().waiting.length, patience).toBe(0)
    const counts = await Promise.all(nodes.alive.map(polls))
    const polling = nodes.alive.filter((_node, at) => (counts[at] ?? 0) > 0)
    expect(polling).toHaveLength(1)

    send(50)
    await nodes.kill(polling[0] as ServeProcess) // there is one
    const killedAt = performance.now()
    send(50)
    const othersPolled = async () => (await Promise.all(nodes.alive.map(polls))).some((count) => count > 0)
    await expect.poll(othersPolled, patience).toBe(true)
    expect(performance.now() - killedAt).toBeLessThan(leaseMs + leaseTryMs + busyMachineMs)
    await expect.poll(() => transmitter.stream().waiting.length, patience).toBe(0)
    expect(openMax).toBe(1)
    await allHandled(nodes)
    const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
    const known = new Set(stored)
    expect(sent.filter((jti) => !known.has(jti))).toEqual([])
    expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))
    const rest = await Promise.all(nodes.alive.map(polls))
    expect(rest.filter((count) => count > 0)).toHaveLength(1)
  }, 120_000)
})

test('a push stream is connected, verified and served behind a load balancer', async () => {
  const port = await freePort()
  await using nodes = await startNodes(3, { WATCHBELL_ORIGIN: `http://127.0.0.1:${port}` })
  let turn = 0
  await using balancer = await startForwarder(port, () => nodes.at((turn += 1) % 3).origin)
  await using transmitter = await startEmulatedTransmitter({ alg: 'ES256', pushRetryMs: 50 })
  const api = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(balancer.origin + path, {
      method,
      headers: { authorization: `SSWS ${adminToken}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    expect([path, answer.status]).toEqual([path, 200])
    return answer.json()
  }
  const { id } = (await api('POST', providers, {
    name: 'emulated',
    type: 'emulated',
    settings: { well_known_url: transmitter.wellKnownUrl },
  })) as { id: string } // of a 200
  await api('PUT', `/v1/providers/${id}/stream`, {
    delivery: 'push',
    auth: { method: 'client_secret_basic', client_id: 'receiver', client_secret: 'receiver' },
  })
  const sent = Array.from({ length: 30 }, (_, number) =>
    transmitter.send({
      type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
      subject: { format: 'email', email: `${number}@pushed.example` },
    }),
  )
  for (const node of nodes.alive) {
    const stream = async () => (await node.api('GET', `/v1/providers/${id}/stream`)).json()
    await expect.poll(stream, patience).toMatchObject({ status: 'enabled', verified_at: expect.any(String) })
  }
  await expect.poll(() => transmitter.stream().waiting, patience).toEqual([])
  const refused = transmitter.stream().pushes.filter(({ status }) => status !== 202 && status !== 503)
  expect(refused).toEqual([])
  await allHandled(nodes)
  const { logged } = await storedAndLogged(nodes.databaseUrl)
  const times = new Map(logged.map((each) => [each.jti, each.times]))
  expect(sent.map((jti) => times.get(jti))).toEqual(sent.map(() => 1))
}, 90_000)

test('kill -9 of any node at any moment: what got 202 is stored and handled once, and the others go on', async () => {
  await using nodes = await startNodes(3)
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  await register(nodes, transmitter)
  using senders = startSenders(nodes, transmitter, 12)
  const { accepted } = senders
  const killed = Number(process.env['WATCHBELL_TEST_ROUNDS'] ?? 4)
  for (let round = 0; round < killed; round += 1) {
    await delay(Math.floor(Math.random() * 500))
    await nodes.kill(anyOf(nodes))
    const before = accepted.size
    await expect.poll(() => accepted.size, patience).toBeGreaterThan(before + 50)
    await nodes.start() // in the midst of it
  }
  await senders.stop()
  await allHandled(nodes)
  const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
  expect(stored.toSorted()).toEqual([...accepted].toSorted()) // who sent it tried until it was taken
  expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))
}, 240_000)

test('a later version starts beside the others and changes the schema: those that run go on', async () => {
  await using nodes = await startNodes(2)
  await using transmitter = await startTransmitter({ alg: 'ES256' })
  await register(nodes, transmitter)
  const older = nodes.at(0)
  const taken: string[] = []
  const answers = new Set<string>()
  const enough = new AbortController()
  const senders = Array.from({ length: 8 }, async (_, sender) => {
    for (let number = 0; !enough.signal.aborted; number++) {
      const node = nodes.at(number % nodes.alive.length)
      const jti = `${sender}-${number}`
      const set = revoked(transmitter, `${sender}@upgraded.example`, jti)
      const status = await pushStatus(node, set)
      const [page, log] = await Promise.all([node.api('GET', '/v1/signals'), node.api('GET', '/api/v1/logs')])
      if (status === 202) taken.push(jti)
      answers.add([status, page.status, log.status].join(' '))
    }
  })
  const { href } = pathToFileURL(`${import.meta.dirname}/later-migration.ts`)
  const later = await nodes.start({ NODE_OPTIONS: `--import ${href}` })
  const steps = await runOn(nodes.databaseUrl, `SELECT name FROM migrations WHERE name = '9999-later'`)
  expect(steps).toHaveLength(1)
  const before = taken.length
  await expect.poll(() => taken.length, patience).toBeGreaterThan(before + 100)
  enough.abort()
  await Promise.all(senders)
  expect([...answers]).toEqual(['202 200 200']) // not one 503 either

  // Changes still go both ways.
  await using newcomer = await startTransmitter({ alg: 'ES256' })
  await register(nodes, newcomer)
  for (const node of nodes.alive) expect(await pushStatus(node, revoked(newcomer, 'a@new.example'))).toBe(202)
  await allHandled(nodes)
  const { stored, logged } = await storedAndLogged(nodes.databaseUrl)
  expect(stored).toHaveLength(taken.length + 3)
  expect(logged).toEqual(stored.map((jti) => ({ jti, times: 1 })))

  // One that is started again must be of the later version.
  expect(await older.stop('SIGTERM')).toBe(0)
  const restarted = serve(await freePort(), nodes.environment)
  await expect(restarted).rejects.toThrow(/newer Watchbell.*9999-later/)
  expect(await pushStatus(later, revoked(newcomer, 'b@new.example'))).toBe(202)
}, 120_000)
