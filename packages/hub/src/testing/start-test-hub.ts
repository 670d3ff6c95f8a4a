import { readSettings, settingEntries, type SettingName } from '../config/settings.ts'
import type { Hub } from '../hub.ts'
import { startHub } from '../run/run-hub.ts'
import { openInProcess } from './open-in-process.ts'
import { testStorage } from './test-storage.ts'

export interface TestHub extends AsyncDisposable {
  /** What the hub calls itself. */
  readonly origin: string
  /** Where this hub listens. Another than its origin when the setting `origin` says that something stands before it. */
  readonly address: string
  /** An API token with the role admin. */
  readonly adminToken: string
  readonly hub: Hub
  /** Where `/metrics` is, when `metricsListen` is set. */
  readonly metricsOrigin: string | undefined
  /** Works out what every accepted SET leads to, and returns when that is done. */
  handleAll(): Promise<void>
  /** A request with the admin token; `body` is sent as JSON. */
  api(method: string, path: string, body?: unknown): Promise<Response>
  /** Pushes a compact SET. */
  push(set: string): Promise<Response>
}

export interface TestHubOptions {
  /** Settings by name, as text. Default: loopback may be fetched from, no rate limits, a quiet log. */
  readonly settings?: Partial<Record<SettingName, string>>
  /** Keep data there instead of in a folder that is removed at the end. With the setting `databaseUrl` nothing is kept in it. */
  readonly folder?: string
  /** Whether the database and the handler have threads of their own, as `serve` gives them. Default: no, which starts in a tenth of the time. */
  readonly threads?: boolean
}

export const testAdminToken = 'test-admin-token'

/** A whole hub on a free port of this machine, over a database of its own: real sockets, real files. */
export async function startTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const { settings = {}, folder, threads = false } = options
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(await testStorage.open(folder))
  const texts: Partial<Record<SettingName, string>> = {
    listen: '127.0.0.1:0',
    adminToken: testAdminToken,
    outboundAllow: '127.0.0.1, localhost, [::1]',
    apiRequestsPerMinute: '0',
    refusalsPerMinute: '0',
    logLevel: 'error',
    ...storage.settings,
    ...settings,
  }
  const byVariable = new Map(
    Object.entries(texts).map(([name, text]) => [settingEntries[name as SettingName].variable, text]), // keys of the type above
  )
  const running = opened.use(
    await startHub(
      readSettings([{ text: ({ variable }) => byVariable.get(variable), where: ({ variable }) => variable }]),
      ...(threads ? [] : [openInProcess]),
    ),
  )
  const started = opened.move()
  const { origin, hub, metricsOrigin } = running
  const address = `http://${running.listener}`
  const adminToken = texts.adminToken ?? ''
  return {
    origin,
    address,
    adminToken,
    hub,
    metricsOrigin,
    handleAll: () => running.handleAll(),
    api: (method, path, body) =>
      fetch(address + path, {
        method,
        headers: {
          authorization: `SSWS ${adminToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    push: (set) =>
      fetch(`${address}/security/api/v1/security-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json' },
        body: set,
      }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
