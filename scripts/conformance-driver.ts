import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

// Plays the receiver's part of each module of an OpenID Foundation receiver plan, through Watchbell's own API.
// docs/conformance.md says how to run it.

const help = `node scripts/conformance-driver.ts --config FILE --delivery push|poll [options]

  --suite URL          the conformance suite (default https://localhost.emobix.co.uk:8443)
  --hub URL            Watchbell (default http://127.0.0.1:8080)
  --plan NAME          openid-ssf-receiver-test-plan (default) or openid-ssf-receiver-caep-test-plan
  --config FILE        the plan's configuration for the suite; its alias makes the transmitter's issuer
  --delivery D         push or poll
  --access-token T     static authentication: the token that stands in the configuration
  --client-id ID --client-secret S   dynamic authentication, client_secret_basic unless --client-auth says otherwise
  --client-auth M      client_secret_basic or client_secret_post
  --subject JSON       the subject that is removed in the module about that
  --module WORD        only modules whose names contain this
  --idle-seconds N     a module is done when no event came for so long (default 30)

Environment: WATCHBELL_TOKEN, CONFORMANCE_TOKEN (of the suite, if it asks for one), NODE_EXTRA_CA_CERTS.`

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'https://localhost.emobix.co.uk:8443' },
    hub: { type: 'string', default: 'http://127.0.0.1:8080' },
    plan: { type: 'string', default: 'openid-ssf-receiver-test-plan' },
    config: { type: 'string' },
    delivery: { type: 'string' },
    'access-token': { type: 'string' },
    'client-id': { type: 'string' },
    'client-secret': { type: 'string' },
    'client-auth': { type: 'string', default: 'client_secret_basic' },
    subject: { type: 'string', default: '{"format":"email","email":"ada@example.com"}' },
    module: { type: 'string', default: '' },
    'idle-seconds': { type: 'string', default: '30' },
    help: { type: 'boolean', default: false },
  },
})
const { config: configFile, delivery } = values
if (values.help || configFile === undefined || (delivery !== 'push' && delivery !== 'poll')) {
  console.log(help)
  process.exit(values.help ? 0 : 2)
}

interface Module {
  readonly testModule: string
  readonly variant?: object
}

interface ModuleState {
  readonly status: string
  readonly result?: string
}

interface Stream {
  readonly verified_at: string | null
  readonly last_event_at: string | null
}

const accessToken = values['access-token']
const auth =
  accessToken === undefined
    ? {
        method: values['client-auth'],
        client_id: values['client-id'],
        client_secret: values['client-secret'],
      }
    : { method: 'bearer', token: accessToken }
const moduleTimeoutMs = 8 * 60_000
const verificationsMax = 3

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

/** Everything that a receiver does with the stream of one module. */
async function playReceiver(name: string, providerId: string): Promise<void> {
  const path = `/v1/providers/${providerId}/stream`
  await hub('PUT', path, { delivery, auth, description: `conformance ${name}` })
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
    await hub('PATCH', path, { description: `conformance ${name}, updated` })
    await hub('PUT', path, { delivery, auth, description: `conformance ${name}, replaced` })
  }
  if (name.endsWith('-stream-status-update')) {
    await hub('PUT', `${path}/status`, { status: 'paused', reason: 'conformance' })
    await hub('PUT', `${path}/status`, { status: 'enabled' })
  }
  if (name.endsWith('-removed-subject-event')) {
    await hub('POST', `${path}/subjects/remove`, { subject: JSON.parse(values.subject) as object })
  }
  const idleMs = Number(values['idle-seconds']) * 1_000
  let known: string | null | undefined
  let since = Date.now()
  await until(async () => {
    const { last_event_at: at } = await hub<Stream>('GET', path)
    if (at !== known) since = Date.now()
    known = at
    return Date.now() - since > idleMs ? true : undefined
  }, moduleTimeoutMs)
}

async function run(
  planId: string,
  { testModule, variant = {} }: Module,
  issuer: string,
): Promise<ModuleState> {
  const query = { test: testModule, plan: planId, variant: JSON.stringify(variant) }
  const { id } = await suite<{ id: string }>('POST', 'runner', query)
  const state = (): Promise<ModuleState> => suite('GET', `info/${id}`)
  const waiting = await until(async () => {
    const { status } = await state()
    if (status === 'CONFIGURED') await suite('POST', `runner/${id}`)
    return ['WAITING', 'FINISHED', 'INTERRUPTED'].includes(status) ? status : undefined
  }, 60_000)
  if (waiting !== 'WAITING') return state()

  const provider = await hub<{ id: string }>('POST', '/api/v1/security-events-providers', {
    name: `conformance ${id}`,
    type: 'conformance',
    settings: { well_known_url: issuer },
  })
  try {
    await playReceiver(testModule, provider.id)
  } catch (error) {
    console.error(`  ${String(error)}`) // in some modules it is right to refuse
  } finally {
    await hub('DELETE', `/v1/providers/${provider.id}/stream?force=true`).catch(() => undefined)
    await hub('POST', `/api/v1/security-events-providers/${provider.id}/lifecycle/deactivate`)
    await hub('DELETE', `/api/v1/security-events-providers/${provider.id}`)
  }
  const ended = await until(async () => {
    const now = await state()
    return ['FINISHED', 'INTERRUPTED'].includes(now.status) ? now : undefined
  }, 60_000)
  return ended ?? state()
}

const configuration = await readFile(configFile, 'utf8')
const { alias } = JSON.parse(configuration) as { alias?: string }
if (alias === undefined)
  throw new Error(`${configFile} has no alias: the transmitter's issuer is made from it.`)
const issuer = `${values.suite.replace(/\/$/, '')}/test/a/${alias}`
const variant = {
  ssf_delivery_mode: delivery,
  ssf_auth_mode: accessToken === undefined ? 'dynamic' : 'static',
  ...(accessToken === undefined && { client_auth_type: values['client-auth'] }),
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
  const { status, result = status } = await run(plan.id, module, issuer)
  console.log(`${result.padEnd(12)} ${module.testModule}`)
  if (!['PASSED', 'WARNING', 'SKIPPED', 'REVIEW'].includes(result)) failed++
}
process.exitCode = failed === 0 ? 0 : 1
