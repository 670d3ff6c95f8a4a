import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

// Plays the receiver's part of each module of an OpenID Foundation receiver plan, through Watchbell's own API.
// docs/conformance.md says how to run it.

const help = `node scripts/conformance-driver.ts --config FILE --delivery push|poll [options]

  --suite URL          the conformance suite (default https://localhost:8443)
  --hub URL            Watchbell (default http://127.0.0.1:8080)
  --plan NAME          openid-ssf-receiver-test-plan (default) or openid-ssf-receiver-caep-test-plan
  --config FILE        the plan's configuration for the suite; its alias makes the transmitter's issuer
  --delivery D         push or poll
  --access-token T     static authentication: the token that stands in the configuration
  --client-id ID       dynamic authentication, with --client-secret or --client-key
  --client-secret S    for client_secret_basic, and for client_secret_post with --client-auth
  --client-key FILE    for private_key_jwt: a private JWK, whose public half stands in the configuration
  --client-auth M      client_secret_basic, client_secret_post or private_key_jwt, where the above does not say it
  --scope S            dynamic authentication (default: client.scope of the configuration, or "ssf.read ssf.manage")
  --subject JSON       the subject that is removed in the module about that
  --module WORD        only modules whose names contain this
  --idle-seconds N     a module is done when no event came for so long (default 30)
  --end-seconds N      how long the suite may take to end a module after that (default 180)

Environment: WATCHBELL_TOKEN, CONFORMANCE_TOKEN (of the suite, if it asks for one), NODE_EXTRA_CA_CERTS.`

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'https://localhost:8443' },
    hub: { type: 'string', default: 'http://127.0.0.1:8080' },
    plan: { type: 'string', default: 'openid-ssf-receiver-test-plan' },
    config: { type: 'string' },
    delivery: { type: 'string' },
    'access-token': { type: 'string' },
    'client-id': { type: 'string' },
    'client-secret': { type: 'string' },
    'client-key': { type: 'string' },
    'client-auth': { type: 'string' },
    scope: { type: 'string' },
    subject: { type: 'string', default: '{"format":"email","email":"ada@example.com"}' },
    module: { type: 'string', default: '' },
    'idle-seconds': { type: 'string', default: '30' },
    'end-seconds': { type: 'string', default: '180' },
    help: { type: 'boolean', default: false },
  },
})

function usage(problem?: string): never {
  if (problem !== undefined) console.error(`${problem}\n`)
  console.log(help)
  process.exit(problem === undefined ? 0 : 2)
}

if (values.help) usage()
const { config: configFile, delivery } = values
if (configFile === undefined) usage('--config is missing.')
if (delivery !== 'push' && delivery !== 'poll') usage('--delivery must be push or poll.')

/** A number of seconds as milliseconds. */
function seconds(option: 'idle-seconds' | 'end-seconds'): number {
  const number = Number(values[option])
  return number > 0 ? number * 1_000 : usage(`--${option} must be a number above 0.`)
}
const idleMs = seconds('idle-seconds')
const endMs = seconds('end-seconds')
const moduleTimeoutMs = 8 * 60_000
const verificationsMax = 3

interface Module {
  readonly testModule: string
  readonly variant?: object
}

interface ModuleState {
  readonly status: string
  /** null until the module has ended. */
  readonly result?: string | null
}

interface Stream {
  readonly verified_at: string | null
  readonly last_event_at: string | null
}

interface ProviderEntry {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly settings: { readonly issuer: string }
}

/** Of providers that this driver made. */
const ownType = 'conformance'
const ended = ({ status }: ModuleState): boolean => status === 'FINISHED' || status === 'INTERRUPTED'

/** @returns the JSON of the answer; its caller knows the shape */
async function call<T>(url: string, authorization: string | undefined, init: RequestInit = {}): Promise<T> {
  const headers = {
    'content-type': 'application/json',
    ...(authorization !== undefined && { authorization }),
  }
  const answer = await fetch(url, { ...init, headers })
  const text = await answer.text()
  if (!answer.ok)
    throw new Error(`${init.method ?? 'GET'} ${url} was answered with ${answer.status}: ${text}`)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

function suite<T>(
  method: string,
  path: string,
  query: Record<string, string> = {},
  body?: string,
): Promise<T> {
  const token = process.env['CONFORMANCE_TOKEN']
  const url = new URL(
    `api/${path}?${new URLSearchParams(query).toString()}`,
    `${values.suite.replace(/\/$/, '')}/`,
  )
  return call(url.href, token && `Bearer ${token}`, { method, ...(body !== undefined && { body }) })
}

function hub<T>(method: string, path: string, body?: object): Promise<T> {
  const token = process.env['WATCHBELL_TOKEN'] ?? ''
  return call(values.hub + path, `SSWS ${token}`, { method, ...(body && { body: JSON.stringify(body) }) })
}

async function until<T>(find: () => Promise<T | undefined>, timeoutMs: number): Promise<T | undefined> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(500)) {
    const found = await find()
    if (found !== undefined) return found
  }
  return undefined
}

const configuration = await readFile(configFile, 'utf8')
const { alias, client } = JSON.parse(configuration) as { alias?: string; client?: { scope?: string } }
if (alias === undefined) usage(`${configFile} has no alias: the transmitter's issuer is made from it.`)

const { 'access-token': accessToken, 'client-key': keyFile } = values
const clientAuth =
  values['client-auth'] ?? (keyFile === undefined ? 'client_secret_basic' : 'private_key_jwt')
const clientKey = keyFile === undefined ? undefined : (JSON.parse(await readFile(keyFile, 'utf8')) as object)
if (accessToken === undefined && values['client-id'] === undefined) {
  usage('--access-token or --client-id is missing.')
}

/**
 * How the hub authenticates at the transmitter. The authorization server is named, because the suite ends a module when
 * somebody looks for RFC 9728 metadata there, which it does not have.
 */
function authAt(issuer: string): object {
  if (accessToken !== undefined) return { method: 'bearer', token: accessToken }
  return {
    method: clientAuth,
    client_id: values['client-id'],
    ...(clientAuth === 'private_key_jwt'
      ? { client_key: clientKey }
      : { client_secret: values['client-secret'] }),
    authorization_server: issuer,
    scope: values.scope ?? client?.scope ?? 'ssf.read ssf.manage',
  }
}

/** Everything that a receiver does with the stream of one module. */
async function playReceiver(
  name: string,
  { issuer, providerId, isOver }: { issuer: string; providerId: string; isOver: () => Promise<boolean> },
): Promise<void> {
  const path = `/v1/providers/${providerId}/stream`
  const description = `conformance ${name}`
  // The suite locks a module while a long poll waits, and then answers nothing else.
  const polling = delivery === 'poll' ? { polling: 'short' } : {}
  await hub('PUT', path, { delivery, ...polling, auth: authAt(issuer), description })
  if (name.endsWith('-create-delete')) return
  for (let asked = 1; asked < verificationsMax; asked++) {
    const verified = await until(
      async () => (await hub<Stream>('GET', path)).verified_at ?? undefined,
      15_000,
    )
    if (verified !== undefined) break
    await hub('POST', `${path}/verify`) // the one that came was refused, or none came
  }
  if (name.endsWith('-happypath')) {
    await hub('PATCH', path, { description: `${description}, updated` }) // is a GET and a PATCH there
    await hub('PATCH', path, { description: null }) // is a PUT there: only that can take something away
  }
  if (name.endsWith('-caep-interop')) {
    await hub('GET', `${path}/health`) // reads the stream and its status at the transmitter
  }
  if (name.endsWith('-stream-status-update')) {
    await hub('PUT', `${path}/status`, { status: 'paused', reason: 'conformance' })
    await hub('PUT', `${path}/status`, { status: 'enabled' })
  }
  if (name.endsWith('-removed-subject-event')) {
    await hub('POST', `${path}/subjects/remove`, { subject: JSON.parse(values.subject) as object })
  }
  let known: string | null | undefined
  let since = Date.now()
  await until(async () => {
    const { last_event_at: at } = await hub<Stream>('GET', path)
    if (at !== known) since = Date.now()
    known = at
    return Date.now() - since > idleMs || (await isOver()) ? true : undefined
  }, moduleTimeoutMs)
}

/** Does it, and says what went wrong instead of ending the plan. @returns undefined then */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    console.error(`  ${String(error)}`)
    return undefined
  }
}

async function removeProvider(id: string): Promise<void> {
  const provider = `/api/v1/security-events-providers/${id}`
  // One that has no stream, or is deactivated already, is removed as well.
  await hub('DELETE', `/v1/providers/${id}/stream?force=true`).catch(() => undefined)
  await hub('POST', `${provider}/lifecycle/deactivate`).catch(() => undefined)
  await attempt(() => hub('DELETE', provider))
}

/** A run that was killed leaves its provider, and no two may have the same issuer. */
async function removeLeftOver(issuer: string): Promise<void> {
  const providers = await hub<readonly ProviderEntry[]>('GET', '/api/v1/security-events-providers')
  for (const { id, name, type, settings } of providers) {
    if (settings.issuer !== issuer) continue
    if (type !== ownType)
      throw new Error(`The provider ${name} (${id}) has the issuer ${issuer}: delete it first.`)
    await removeProvider(id)
  }
}

/** @param started - of the suite's module that now waits for us */
async function play(id: string, name: string, state: () => Promise<ModuleState>): Promise<void> {
  const { exposed = {} } = await suite<{ exposed?: { ssf_issuer?: string } }>('GET', `runner/${id}`)
  const issuer = exposed.ssf_issuer ?? `${values.suite.replace(/\/$/, '')}/test/a/${alias}`
  await removeLeftOver(issuer)
  const provider = await hub<{ id: string }>('POST', '/api/v1/security-events-providers', {
    name: `conformance ${id}`,
    type: ownType,
    settings: { well_known_url: issuer },
  })
  try {
    await playReceiver(name, { issuer, providerId: provider.id, isOver: async () => ended(await state()) })
  } finally {
    await removeProvider(provider.id)
  }
}

async function run(
  planId: string,
  { testModule, variant = {} }: Module,
): Promise<{ id: string; state: ModuleState }> {
  const query = { test: testModule, plan: planId, variant: JSON.stringify(variant) }
  const { id } = await suite<{ id: string }>('POST', 'runner', query)
  const state = (): Promise<ModuleState> => suite('GET', `info/${id}`)
  const waiting = await until(async () => {
    const now = await state()
    if (now.status === 'CONFIGURED') await suite('POST', `runner/${id}`)
    return now.status === 'WAITING' || ended(now) ? now : undefined
  }, 60_000)
  if (waiting?.status !== 'WAITING') return { id, state: await state() }
  await attempt(() => play(id, testModule, state)) // in some modules it is right to refuse
  const over = await until(async () => {
    const now = await state()
    return ended(now) ? now : undefined
  }, endMs)
  if (over !== undefined) return { id, state: over }
  await attempt(() => suite('DELETE', `runner/${id}`)) // it would stand in the way of the next one
  return { id, state: await state() }
}

/** What the suite has against the module: each failure and warning of its log. */
async function tellFindings(id: string): Promise<void> {
  interface Entry {
    readonly result?: string
    readonly src?: string
    readonly msg?: string
    readonly requirements?: readonly string[]
  }
  const log = (await attempt(() => suite<readonly Entry[]>('GET', `log/${id}`))) ?? []
  for (const { result = '', src = '', msg = '', requirements = [] } of log) {
    if (!['FAILURE', 'WARNING'].includes(result)) continue
    const cited = requirements.length === 0 ? '' : ` (${requirements.join(', ')})`
    console.log(`  ${result} ${src}: ${msg}${cited}`)
  }
}

const variant = {
  ssf_delivery_mode: delivery,
  ssf_auth_mode: accessToken === undefined ? 'dynamic' : 'static',
  ...(accessToken === undefined && { client_auth_type: clientAuth }),
  // The plan for CAEP interoperability sets the profile itself.
  ...(!values.plan.includes('caep') && { ssf_profile: 'default' }),
}
const plan = await suite<{ id: string; modules: readonly Module[] }>(
  'POST',
  'plan',
  { planName: values.plan, variant: JSON.stringify(variant) },
  configuration,
)
console.log(`Plan ${plan.id}: ${values.suite}/plan-detail.html?plan=${plan.id}`)

let failed = 0
for (const module of plan.modules.filter(({ testModule }) => testModule.includes(values.module))) {
  const { id, state } = (await attempt(() => run(plan.id, module))) ?? { id: undefined, state: undefined }
  const result = state?.result ?? state?.status ?? 'ERROR'
  console.log(`${result.padEnd(12)} ${module.testModule}`)
  if (id !== undefined) await tellFindings(id)
  if (!['PASSED', 'WARNING', 'SKIPPED', 'REVIEW'].includes(result)) failed++
}
process.exitCode = failed === 0 ? 0 : 1
