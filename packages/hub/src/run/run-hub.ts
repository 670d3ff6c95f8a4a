import { rm, writeFile } from 'node:fs/promises'
import { createServer as createNetServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { createGuardedFetch } from '../base/guarded-fetch.ts'
import { nothingAllowed } from '../base/outbound-allow.ts'
import { isHubError } from '../base/hub-error.ts'
import type { Logger } from '@watchbell/receiver/base'
import { urlProblem } from '../base/outbound-allow.ts'
import { createSecretBox } from '../base/secret-box.ts'
import { ownVersion } from '../base/version.ts'
import { realWorld } from '../base/world.ts'
import { secretKey } from '../config/secret-key.ts'
import type { FirstTokenPlace, Settings } from '../config/settings.ts'
import { standbyReason } from '../config/standby.ts'
import { shownAddress, starting } from '../config/start-error.ts'
import type { ClusteredOptions } from './clustered.ts'
import { openEmbedded, type EmbeddedOptions } from './embedded.ts'
import { boundConnections } from '../http/bound-connections.ts'
import { hubServer } from '../http/index.ts'
import { createHub, type Hub } from '../hub.ts'
import { startTelemetry, type Telemetry } from '../metrics/telemetry.ts'
import type { HandledStorage } from './start-handler.ts'
import { stderrLogger } from './stderr-logger.ts'

/** A hub that listens. Disposing lets requests under way end, stores what waits, and closes the database. */
export interface RunningHub extends AsyncDisposable {
  readonly origin: string
  /** `host:port` of its own listener, which proxies reach it by. */
  readonly listener: string
  readonly hub: Hub
  /** The first admin token, when this start made it for its caller to show: nobody will see it again. */
  readonly firstToken?: string
  /** The file that this start put it into instead. */
  readonly firstTokenFile?: string
  /** Where `/metrics` is; undefined when metrics are off. */
  readonly metricsOrigin: string | undefined
  /** Handles every signal that waits. */
  handleAll(): Promise<void>
  /** Rejects when the thread of the database or of the handler dies: the process had better end. */
  readonly died: Promise<never>
}

const connectTimeoutMs = 5_000

/** What a hub's storage is opened with. */
export interface HubStorageOptions extends Omit<ClusteredOptions, 'url'>, EmbeddedOptions {
  /** Of PostgreSQL; undefined for the embedded database in `folder`. */
  readonly url: string | undefined
}

/** The settings' database, with threads that leave the event loop to requests. */
async function openInThreads(options: HubStorageOptions): Promise<HandledStorage> {
  const { url, extraCa = [], folder, logger, ...both } = options
  if (url === undefined) return openEmbedded({ folder, ...both })
  const { openClustered } = await import('./clustered.ts') // loads the driver
  return openClustered({ url, extraCa, logger, ...both })
}

/**
 * Composes settings, storage, hub and http, and listens.
 * @param openStorage - where something else than `serve` wants the storage otherwise
 */
export async function startHub(
  settings: Settings,
  openStorage: (options: HubStorageOptions) => Promise<HandledStorage> = openInThreads,
): Promise<RunningHub> {
  const logger = stderrLogger({ level: settings.logLevel, format: settings.logFormat })
  for (const warning of settings.warnings) logger.warn({}, warning)
  await using opened = new AsyncDisposableStack()

  const outbound = { extraCa: settings.caFile, connectTimeoutMs }
  const guarded = opened.use(createGuardedFetch({ ...outbound, allow: settings.outboundAllow }))
  const publicOnly = opened.use(createGuardedFetch({ ...outbound, allow: nothingAllowed }))
  const telemetry = opened.use(await telemetryOf(settings, logger))
  const world = realWorld(telemetry.watch(guarded.fetch), telemetry.watch(publicOnly.fetch))
  const death = Promise.withResolvers<never>()
  death.promise.catch(() => undefined)
  const { databaseUrl } = settings.secrets
  const { host, port } = settings.listen
  const held = port === 0 ? opened.use(await starting('listen', settings, () => holdPort(host))) : undefined
  const listen = { host, port: held?.port ?? port }
  const origin = port === 0 ? settings.origin.replace(/:0$/, `:${listen.port}`) : settings.origin
  const storage = opened.use(
    await starting(databaseUrl === undefined ? 'data' : 'databaseUrl', settings, () =>
      openStorage({
        url: databaseUrl,
        extraCa: settings.caFile,
        folder: settings.data,
        logger,
        now: world.now(),
        logLevel: settings.logLevel,
        logFormat: settings.logFormat,
        origin,
        riskOverrides: settings.riskRules,
        unknownUsers: settings.unknownUsers,
        handling: telemetry.handling,
        onDeath: death.reject,
      }),
    ),
  )
  const key = await starting('secretKey', settings, () =>
    secretKey(settings.secrets.secretKey, settings.data),
  )
  const standby = await standbyReason({ ...settings, origin }, storage.transaction)
  if (standby !== undefined) {
    logger.warn(
      {},
      `this hub is a standby, because ${standby}: it takes no signals and leaves transmitters, streams and what is old alone; WATCHBELL_STANDBY=false makes it the hub itself`,
    )
  }
  const hub = opened.use(
    await createHub({
      standby,
      world,
      logger,
      storage,
      secretBox: createSecretBox(key),
      urlProblem: (url) => urlProblem(settings.outboundAllow, url),
      settings: { ...settings, origin },
      ...telemetry.hub,
    }).catch((error: unknown) => {
      if (!isHubError(error, 'hub.secret_unreadable')) throw error
      return starting<Hub>('secretKey', settings, () => Promise.reject(error))
    }),
  )
  const { adminToken } = settings.secrets
  if (adminToken !== undefined) await hub.apiTokens.ensureConfigured(adminToken)
  let isStarted = false
  const server = hubServer({
    hub: { ...hub, isReady: async () => isStarted && hub.isReady() },
    world,
    logger,
    trustedProxies: settings.trustedProxies,
    forwardAuth: {
      userHeader: settings.forwardAuthUserHeader,
      addressHeader: settings.forwardAuthAddressHeader,
      sessionHeader: settings.forwardAuthSessionHeader,
      signedInHeader: settings.forwardAuthSignedInHeader,
      untimed: {
        treatment: settings.forwardAuthUntimed,
        sessionDaysMax: settings.forwardAuthSessionDays,
      },
      token: settings.secrets.forwardAuthToken,
    },
    deprecationHeaders: settings.deprecationHeaders,
    observer: telemetry.observer,
  })
  opened.defer(() => drain(server))
  await held?.[Symbol.asyncDispose]()
  boundConnections(server.server, logger)
  await starting('listen', settings, () => server.listen(listen))
  const metrics = await starting('metricsListen', settings, () => telemetry.serve({ hub, storage }))
  if (metrics !== undefined) opened.use(metrics)
  // Last: of a start that fails, nobody would ever see it.
  const first =
    adminToken === undefined
      ? await starting('firstToken', settings, () => ensureFirst(hub, settings.firstToken))
      : {}
  isStarted = true
  logger.info(
    {
      version: ownVersion(),
      listener: shownAddress(listen),
      origin,
      database: databaseUrl === undefined ? 'sqlite' : 'postgresql',
      ...(metrics !== undefined && { metrics: metrics.origin }),
    },
    'the hub has started',
  )

  const running = opened.move()
  return {
    origin,
    listener: shownAddress(listen),
    hub,
    ...first,
    metricsOrigin: metrics?.origin,
    async handleAll() {
      while ((await storage.handle()) > 0);
    },
    died: death.promise,
    async [Symbol.asyncDispose]() {
      logger.info({ listener: shownAddress(listen) }, 'the hub stops')
      await running.disposeAsync()
      logger.info({ listener: shownAddress(listen) }, 'the hub has stopped')
    },
  }
}

/** The clock is the real one, as everywhere here; its way out to receivers is its own. */
function telemetryOf({ metricsListen, tracing, secrets }: Settings, logger: Logger): Promise<Telemetry> {
  return startTelemetry({
    metricsListen,
    tracing: tracing && { ...tracing, headers: secrets.otlpHeaders },
    version: ownVersion(),
    logger,
    now: realWorld(globalThis.fetch).now,
  })
}

/** Makes the first admin token, unless there has been one or none is wanted. @returns what is to be told of it */
async function ensureFirst(
  { apiTokens }: Pick<Hub, 'apiTokens'>,
  place: FirstTokenPlace,
): Promise<Pick<RunningHub, 'firstToken' | 'firstTokenFile'>> {
  if (place === 'none') return {}
  if (place === 'print') {
    const made = await apiTokens.ensureFirst()
    return made === undefined ? {} : { firstToken: made.secret }
  }
  const file = firstTokenFile(place.file)
  try {
    const made = await apiTokens.ensureFirst(file.keep)
    return made === undefined ? {} : { firstTokenFile: place.file }
  } catch (error) {
    await file.forget()
    throw error
  }
}

/** Keeps a free port from others until we listen on it: the origin must be known before. */
async function holdPort(host: string): Promise<{ readonly port: number } & AsyncDisposable> {
  const holder = createNetServer().listen(0, host)
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo // a TCP server's address is never a string
  return {
    port,
    async [Symbol.asyncDispose]() {
      if (!holder.listening) return
      const closed = once(holder, 'close')
      holder.close()
      await closed
    },
  }
}

/** How long requests under way have to end when the hub stops: half of the 10 seconds it has, the other half is the storage's. */
const drainMaxMs = 5_000

/** Takes no more requests, lets those under way end, and hangs up on whoever has not come to an end by then. */
async function drain(server: FastifyInstance, maxMs: number = drainMaxMs): Promise<void> {
  const overdue = setTimeout(() => server.server.closeAllConnections(), maxMs)
  try {
    await server.close()
  } finally {
    clearTimeout(overdue)
  }
}

/** A new file that keeps the first admin token, for its owner alone. */
interface FirstTokenFile {
  /** @throws Error when there is such a file already: it is never overwritten */
  keep(secret: string): Promise<void>
  /** Removes what was kept: no token was made. */
  forget(): Promise<void>
}

function firstTokenFile(path: string): FirstTokenFile {
  let isOurs = false
  return {
    async keep(secret) {
      await writeFile(path, `${secret}\n`, { flag: isOurs ? 'w' : 'wx', mode: 0o600, flush: true })
      isOurs = true
    },
    async forget() {
      if (isOurs) await rm(path, { force: true })
    },
  }
}
