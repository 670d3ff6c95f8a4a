import { createServer as createNetServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { createGuardedFetch } from './base/guarded-fetch.ts'
import { urlProblem } from './base/outbound-allow.ts'
import { createSecretBox } from './base/secret-box.ts'
import { realWorld } from './base/world.ts'
import { secretKey } from './config/secret-key.ts'
import type { Settings } from './config/settings.ts'
import { openEmbedded } from './embedded.ts'
import { drain } from './http/drain.ts'
import { hubServer } from './http/index.ts'
import { createHub, type Hub } from './hub.ts'

/** A hub that listens. Disposing lets requests under way end, stores what waits, and closes the database. */
export interface RunningHub extends AsyncDisposable {
  readonly origin: string
  readonly hub: Hub
  /** The first admin token, when this start made it: nobody will see it again. */
  readonly firstToken: string | undefined
  /** Handles every signal that waits. */
  handleAll(): Promise<void>
  /** Rejects when the database thread dies: the process had better end. */
  readonly died: Promise<never>
}

const connectTimeoutMs = 5_000

/** Composes settings, storage, hub and http, and listens. */
export async function startHub(settings: Settings): Promise<RunningHub> {
  const logger = pino({ level: settings.logLevel }, pino.destination({ dest: 2, sync: true }))
  await using opened = new AsyncDisposableStack()

  const guarded = opened.use(
    createGuardedFetch({ allow: settings.outboundAllow, extraCa: settings.caFile, connectTimeoutMs }),
  )
  const world = realWorld(guarded.fetch)
  const death = Promise.withResolvers<never>()
  death.promise.catch(() => undefined)
  const storage = opened.use(
    await openEmbedded({
      folder: settings.data,
      logLevel: settings.logLevel,
      riskOverrides: settings.riskRules,
      unknownUsers: settings.unknownUsers,
      onDeath: death.reject,
    }),
  )
  const { host, port } = settings.listen
  const listen = { host, port: port === 0 ? await freePort(host) : port }
  const origin = port === 0 ? settings.origin.replace(/:0$/, `:${listen.port}`) : settings.origin
  const hub = opened.use(
    await createHub({
      world,
      logger,
      storage,
      secretBox: createSecretBox(secretKey(settings.secrets.secretKey, settings.data)),
      urlProblem: (url) => urlProblem(settings.outboundAllow, url),
      settings: { ...settings, origin },
    }),
  )
  const first = await ensureAdmin(hub, settings.secrets.adminToken)
  const server = hubServer({
    hub,
    world,
    logger,
    trustedProxies: settings.trustedProxies,
    forwardAuth: {
      userHeader: settings.forwardAuthUserHeader,
      addressHeader: settings.forwardAuthAddressHeader,
      token: settings.secrets.forwardAuthToken,
    },
    deprecationHeaders: settings.deprecationHeaders,
  })
  opened.defer(() => drain(server))
  await server.listen(listen)

  const running = opened.move()
  return {
    origin,
    hub,
    firstToken: first,
    async handleAll() {
      while ((await storage.handle()) > 0);
    },
    died: death.promise,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** @returns the secret of a token made just now, or undefined when there was one already */
async function ensureAdmin(hub: Hub, configured: string | undefined): Promise<string | undefined> {
  if (configured === undefined) return (await hub.apiTokens.ensureFirst())?.secret
  await hub.apiTokens.ensureConfigured(configured)
  return undefined
}

/** A port that is free now: the origin must be known before we listen. */
async function freePort(host: string): Promise<number> {
  const probe = createNetServer().listen(0, host)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo // a TCP server's address is never a string
  probe.close()
  await once(probe, 'close')
  return port
}
