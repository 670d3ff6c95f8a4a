import { randomUUID } from 'node:crypto'
import { request as forward, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { vi } from 'vitest'
import type { Transmitter } from '../../src/testing/transmitter.ts'
import { startLocalServer, type LocalServer } from '../local-server.ts'
import { readExposition, valueOf } from '../metrics/exposition.ts'
import { emptyDatabase } from '../postgres-database.ts'
import { runOn } from '../postgres-server.ts'
import { jtiOnPostgres } from './logged-jti.ts'
import { serve, type ServeProcess } from './serve.ts'
import { freePort } from '../free-port.ts'

/** Hubs in processes of their own on one PostgreSQL, as a load balancer would have them behind it. */
export interface Nodes extends AsyncDisposable {
  readonly databaseUrl: string
  /** Settings that all of them, and commands on their database, share. */
  readonly environment: Readonly<Record<string, string>>
  /** Those that were started and not killed. */
  readonly alive: readonly ServeProcess[]
  /** One of them. @throws Error when there are not so many */
  at(index: number): ServeProcess
  /** Starts one more. @param over - settings of its own */
  start(over?: Readonly<Record<string, string>>): Promise<ServeProcess>
  /** What a node counted under this name: the sum of its samples that have these labels. */
  counted(node: ServeProcess, name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  /** Ends one by `kill -9`. */
  kill(node: ServeProcess): Promise<void>
}

export const publicOrigin = 'https://hub.example'
/** For what takes another process a while. Nothing here says how long it may take in earnest. */
export const patience = { timeout: 60_000, interval: 50 }
const startsMax = 3

/** @param over - settings of all of them; a database of their own unless it names one */
export async function startNodes(count: number, over: Readonly<Record<string, string>> = {}): Promise<Nodes> {
  const databaseUrl = over['WATCHBELL_DATABASE_URL'] ?? (await emptyDatabase())
  const environment = {
    WATCHBELL_DATABASE_URL: databaseUrl,
    WATCHBELL_SECRET_KEY: Buffer.alloc(32, 'nodes').toString('base64'),
    WATCHBELL_ORIGIN: publicOrigin,
    ...over,
  }
  const alive: ServeProcess[] = []
  const metricsOf = new Map<ServeProcess, string>()
  const nodes: Nodes = {
    databaseUrl,
    environment,
    alive,
    at(index) {
      const node = alive[index]
      if (node === undefined) throw new Error(`Of ${alive.length} nodes there is no number ${index}.`)
      return node
    },
    async start(over = {}) {
      for (let starts = 1; ; starts++) {
        try {
          const [port, metricsPort] = await twoFreePorts()
          const WATCHBELL_METRICS_LISTEN = `127.0.0.1:${metricsPort}`
          const settings = { ...environment, WATCHBELL_METRICS_LISTEN, ...over }
          const node = await serve(port, settings)
          metricsOf.set(node, `http://${WATCHBELL_METRICS_LISTEN}/metrics`)
          alive.push(node)
          return node
        } catch (error) {
          // Somebody else may have taken the port since it was free.
          if (starts === startsMax || !String(error).includes('--listen')) throw error
        }
      }
    },
    async counted(node, name, labels) {
      const scrape = await (await fetch(metricsOf.get(node) ?? '')).text()
      return valueOf(readExposition(scrape), name, labels) ?? 0
    },
    async kill(node) {
      alive.splice(alive.indexOf(node), 1)
      await node.stop('SIGKILL')
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(alive.map((node) => node.stop('SIGKILL')))
    },
  }
  await Promise.all(Array.from({ length: count }, () => nodes.start()))
  return nodes
}

async function twoFreePorts(): Promise<readonly [number, number]> {
  const [port, other] = [await freePort(), await freePort()]
  return port === other ? twoFreePorts() : [port, other]
}

/** Registers a transmitter at one node, and returns when every node knows it. @returns its id */
export async function register(nodes: Nodes, { issuer, jwksUrl }: Transmitter): Promise<string> {
  const created = await nodes.at(0).api('POST', '/api/v1/security-events-providers', {
    name: issuer,
    type: 'test',
    settings: { issuer, jwks_url: jwksUrl },
  })
  const { id } = (await created.json()) as { id: string } // of a 200
  for (const node of nodes.alive.slice(1)) await vi.waitUntil(() => isKnown(node, issuer), patience)
  return id
}

/** Whether a node has heard that there is a provider with this issuer. */
export async function isKnown(node: ServeProcess, issuer: string): Promise<boolean> {
  const answer = await node.push(unsigned(issuer))
  if (answer.status !== 400) return false // 429 to who asks too often
  const { description } = (await answer.json()) as { description: string } // of a 400
  return !description.includes('No provider is registered')
}

/** A token of this issuer that nobody takes: the refusal shows whether the issuer is known. */
function unsigned(issuer: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: issuer, aud: publicOrigin, jti: 'probe', iat: 1, events: { 'https://e.example': {} } }
  return `${part({ alg: 'RS256', kid: 'nobody', typ: 'secevent+jwt' })}.${part(claims)}.AAAA`
}

export function revoked(transmitter: Transmitter, email: string, jti: string = randomUUID()): string {
  return transmitter.sign({
    type: 'session-revoked',
    aud: publicOrigin,
    subject: { format: 'email', email },
    jti,
  })
}

/** One of them by chance, as a load balancer chooses. */
export function anyOf(nodes: Nodes): ServeProcess {
  return nodes.at(Math.floor(Math.random() * nodes.alive.length))
}

interface PushOptions {
  /** After this another one is asked. */
  readonly answerTimeoutMs?: number
  readonly signal?: AbortSignal
}

/** Pushes until somebody takes it, as a transmitter behind a load balancer does. @returns how often it took */
export async function pushUntilTaken(
  nodes: Nodes,
  set: string,
  { answerTimeoutMs = patience.timeout, signal }: PushOptions = {},
): Promise<number> {
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted()
    const status = await anyOf(nodes)
      .push(set, AbortSignal.timeout(answerTimeoutMs))
      .then(
        (answer) => answer.status,
        () => undefined, // killed before it could answer, or it hangs
      )
    if (status === 202) return tries
    if (status !== undefined && status !== 503) throw new Error(`A push was answered with ${status}.`)
    await delay(20)
  }
}

/** They give up when they are disposed. */
export interface Senders extends Disposable {
  /** The `jti`s that were answered with 202. */
  readonly accepted: ReadonlySet<string>
  /** Resolves when each has got its last SET through. */
  stop(): Promise<void>
}

interface SendersOptions extends Omit<PushOptions, 'signal'> {
  /** Between a sender's SET that was taken and its next one. */
  readonly pauseMs?: number
}

/** Pushes SETs, so many at a time, each until somebody takes it. */
export function startSenders(
  nodes: Nodes,
  transmitter: Transmitter,
  count: number,
  { pauseMs = 0, ...options }: SendersOptions = {},
): Senders {
  const accepted = new Set<string>()
  const enough = new AbortController()
  const givenUp = new AbortController()
  let serial = 0
  const senders = Array.from({ length: count }, async (_, sender) => {
    while (!enough.signal.aborted) {
      const jti = `${sender}-${(serial += 1)}`
      const set = revoked(transmitter, `${serial % 50}@senders.example`, jti)
      await pushUntilTaken(nodes, set, { ...options, signal: givenUp.signal })
      accepted.add(jti)
      if (pauseMs > 0) await delay(pauseMs)
    }
  })
  const all = Promise.all(senders)
  all.catch(() => undefined) // `stop` tells
  return {
    accepted,
    async stop() {
      enough.abort()
      await all
    },
    [Symbol.dispose]: () => givenUp.abort(),
  }
}

export async function allHandled(nodes: Nodes): Promise<void> {
  await vi.waitUntil(async () => {
    const counts = await nodes.at(0).api('GET', '/v1/signals/counts')
    return ((await counts.json()) as { pending: number }).pending === 0 // of a 200
  }, patience)
}

export interface Handled {
  readonly jti: string
  readonly times: number
}

/** What is stored, and how often the System Log has each as received. */
export async function storedAndLogged(
  databaseUrl: string,
): Promise<{ readonly stored: readonly string[]; readonly logged: readonly Handled[] }> {
  const stored = (await runOn(databaseUrl, 'SELECT jti FROM signals ORDER BY jti')) as { jti: string }[]
  const logged = await runOn(
    databaseUrl,
    `SELECT ${jtiOnPostgres} AS jti, count(*)::int AS times FROM log_events
     WHERE event_type = 'security.events.provider.receive_event' GROUP BY 1 ORDER BY 1`,
  )
  return { stored: stored.map(({ jti }) => jti), logged: logged as unknown as readonly Handled[] } // as it was asked
}

/**
 * A server that hands each request on to another one, as proxies and load balancers do.
 * @param targetOf - the origin to hand it to; told when the request has ended, whichever side ended it
 */
export function startForwarder(
  port: number | string,
  targetOf: (request: IncomingMessage, ended: Promise<void>) => string,
): Promise<LocalServer> {
  return startLocalServer(
    (request, response) => {
      const ended = Promise.withResolvers<void>()
      const { method = 'GET', headers, url = '/' } = request
      const on = forward(targetOf(request, ended.promise) + url, { method, headers }, (from) => {
        response.writeHead(from.statusCode ?? 500, from.headers)
        from.pipe(response)
      })
      on.on('error', () => response.destroy())
      response.on('close', () => {
        ended.resolve()
        on.destroy()
      })
      request.pipe(on)
    },
    { port: Number(port) },
  )
}
