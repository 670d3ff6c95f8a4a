import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { SignalBody, SignalPageBody } from '../packages/hub/src/wire/signals.ts'
import { subjectText } from '../packages/hub/src/cli/signals-command.ts'
import { oneLine, painter, wrap, type Style } from '../packages/hub/src/cli/table.ts'
import { apiOf, type Api } from './demo-api.ts'
import { createRiskProvider, reportAddresses, signIns, type SignIn } from './demo-risk.ts'
import type { DemoDelivery, FromTransmitter, ToTransmitter } from './demo-transmitter.ts'

// `npm run demo`: a hub and a transmitter, each in a process of its own, and what becomes of what one sends the other.

const host = '127.0.0.1'
const portWanted = 8080
const handledWithinMs = 20_000
const stopWithinMs = 10_000
const root = fileURLToPath(new URL('..', import.meta.url))

const outcomeStyles: Readonly<Record<string, Style>> = { allow: 'green', challenge: 'yellow', deny: 'red' }

const children: ChildProcess[] = []
const folder = await mkdtemp(join(tmpdir(), 'watchbell-demo-'))
// The last resort, also after an error: nothing of the demo outlives it.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())

const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WATCHBELL_')))
const columns = process.stdout.isTTY ? process.stdout.columns : 100
const stdout = { write: () => true, drained: async () => undefined, isTTY: process.stdout.isTTY, columns }
const paint = painter({ stdout, env })

process.exitCode = await demo(process.argv.includes('--exit')).catch((error: unknown) => {
  if (stop.signal.aborted) return 130
  console.error(`The demo failed: ${error instanceof Error ? error.message : String(error)}`)
  return 1
})
await stopChildren()

async function demo(exitsByItself: boolean): Promise<number> {
  title('A hub starts, on an embedded database in a temporary folder')
  const { origin, token } = await startHub()
  say(`${origin}, process ${children.at(-1)?.pid}`)

  title('A transmitter starts, in another process, with a key of its own')
  const transmitter = await startTransmitter()
  say(`${transmitter.wellKnownUrl}, process ${children.at(-1)?.pid}`)

  title('The hub is told about it, over HTTP')
  const api = apiOf(origin, token, stop.signal)
  const provider = await api<{ id: string; name: string; settings: { issuer: string } }>(
    '/api/v1/security-events-providers',
    {
      name: 'Demo transmitter',
      type: 'demo',
      settings: { well_known_url: transmitter.wellKnownUrl },
    },
  )
  say(`provider ${provider.id}, issuer ${provider.settings.issuer}`)

  title('The transmitter pushes signed events, one of them twice, and a dozen forgeries')
  const deliveries = await transmitter.pushAll(origin)
  const signals = await handledSignals(api)
  const judged = deliveries.map((delivery) => judge(delivery, signals))
  printVerdicts(judged)

  title('A risk provider is registered, a service app with a key of its own')
  const { id, client } = await createRiskProvider(api)
  say(`risk provider ${id}, client ${client.clientId}`)

  title('It gets an access token, and reports two addresses (POST /api/v1/risk/events/ip)')
  for (const report of await reportAddresses(origin, client)) say(report)

  title('One user signs in from three addresses (POST /access/v1/evaluation)')
  const asked = await signIns(api)
  printSignIns(asked)

  title('What it led to: the System Log (GET /api/v1/logs)')
  const entries = await api<readonly LogEntry[]>('/api/v1/logs?limit=100')
  for (const entry of entries) say(logLine(entry))

  const wrong = judged.filter(({ asExpected }) => !asExpected).length
  const received = entries.filter(({ eventType }) => eventType.endsWith('.receive_event')).length
  const sound = deliveries.filter(({ expected }) => expected === 'taken').length
  const wronglyAnswered = asked.filter(({ asExpected }) => !asExpected).length
  const good = wrong + wronglyAnswered === 0 && received === sound
  title(
    good
      ? `All ${deliveries.length} came out as they should: ${sound} handled once each, the rest refused or recognised; ` +
          `and all ${asked.length} sign-ins were answered as they should be`
      : `${wrong} of ${deliveries.length} did not come out as they should; ${received} of ${sound} events in the log; ` +
          `${wronglyAnswered} of ${asked.length} sign-ins were answered otherwise than they should be`,
  )
  if (!exitsByItself && !stop.signal.aborted) await leaveRunning(origin, token)
  return good ? 0 : 1
}

async function startHub(): Promise<{ origin: string; token: string }> {
  const port = (await isFree(portWanted)) ? portWanted : 0
  const child = spawn(process.execPath, [join(root, 'packages/hub/src/cli/main.ts'), 'serve', '--json'], {
    env: {
      ...env,
      WATCHBELL_LISTEN: `${host}:${port}`,
      WATCHBELL_DATA: folder,
      WATCHBELL_OUTBOUND_ALLOW: host,
      WATCHBELL_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  const [line] = (await orEnd(child, once(lines, 'line'))) as [string]
  const { origin, admin_token: token } = JSON.parse(line) as { origin: string; admin_token: string } // serve --json
  return { origin, token }
}

interface TransmitterProcess {
  readonly wellKnownUrl: string
  pushAll(hub: string): Promise<readonly DemoDelivery[]>
}

async function startTransmitter(): Promise<TransmitterProcess> {
  const child = fork(join(root, 'scripts/demo-transmitter.ts'), { env })
  children.push(child)
  async function next<Kind extends FromTransmitter['kind']>(
    kind: Kind,
  ): Promise<Extract<FromTransmitter, { kind: Kind }>> {
    const [message] = (await orEnd(child, once(child, 'message'))) as [FromTransmitter]
    if (message.kind !== kind) throw new Error(`the transmitter said ${message.kind} where ${kind} was due`)
    return message as Extract<FromTransmitter, { kind: Kind }> // its kind was just compared
  }
  const { wellKnownUrl } = await next('ready')
  return {
    wellKnownUrl,
    async pushAll(hub) {
      child.send({ kind: 'push', hub } satisfies ToTransmitter)
      return (await next('pushed')).deliveries
    },
  }
}

/** Every signal, once none of them waits to be handled any more. */
async function handledSignals(api: Api): Promise<readonly SignalBody[]> {
  const deadline = performance.now() + handledWithinMs
  for (;;) {
    const { signals } = await api<SignalPageBody>('/v1/signals?limit=200')
    if (signals.every(({ outcome }) => outcome !== 'pending')) return signals
    if (performance.now() > deadline) throw new Error('the hub did not handle every signal in time')
    await sleep(100, undefined, { signal: stop.signal })
  }
}

interface Judged extends DemoDelivery {
  readonly signal: SignalBody | undefined
  readonly asExpected: boolean
}

/** Finds the signal that a delivery became. What could not be read as a token has no `jti` to find it by. */
function judge(delivery: DemoDelivery, signals: readonly SignalBody[]): Judged {
  const { expected, jti, description } = delivery
  const signal =
    signals.find((signal) => signal.jti === jti) ??
    signals.find(({ jti, code, reason }) => jti === null && code === expected && reason === description)
  return { ...delivery, signal, asExpected: isAsExpected(delivery, signal) }
}

function isAsExpected({ expected, status }: DemoDelivery, signal: SignalBody | undefined): boolean {
  if (signal === undefined) return false
  if (expected === 'taken') return status === 202 && signal.outcome === 'handled'
  if (expected === 'taken again') return status === 202 && signal.repeats === 1
  return status === 400 && signal.outcome === 'refused' && signal.code === expected
}

function printVerdicts(judged: readonly Judged[]): void {
  say(paint('bold', '  HTTP VERDICT  WHAT WAS SENT, AND WHAT THE HUB MADE OF IT'))
  for (const { what, expected, status, signal, asExpected } of judged) {
    const repeated = expected === 'taken again' && asExpected
    const verdict = repeated ? 'repeat' : (signal?.outcome ?? 'lost')
    const mark = asExpected ? ' ' : '!'
    const head = `${mark} ${status}  ${verdict.padEnd(8)} `
    say(paint(status === 202 ? 'green' : 'red', head) + oneLine(what, columns - head.length - 2))
    const event = signal?.events[0]
    const why = repeated
      ? 'known already: the same answer, and nothing happens twice'
      : (signal?.reason ?? `${event?.name ?? ''} about ${subjectText(event?.subject)}`)
    console.log(paint('dim', wrap(why, columns, ' '.repeat(head.length + 2))))
  }
}

function printSignIns(asked: readonly SignIn[]): void {
  say(paint('bold', '  OUTCOME    LEVEL   WHO SIGNS IN, FROM WHERE, AND WHY THAT IS THE ANSWER'))
  for (const { what, user, ip, outcome, level, reasons, asExpected } of asked) {
    const head = `${asExpected ? ' ' : '!'} ${outcome.toUpperCase().padEnd(9)}  ${level.padEnd(6)}  `
    const line = oneLine(`${user} from ${ip}, ${what}`, columns - head.length - 2)
    say(paint(outcomeStyles[outcome] ?? 'red', head) + line)
    for (const why of reasons.length > 0 ? reasons : ['nothing is known that speaks against it']) {
      console.log(paint('dim', wrap(why, columns, ' '.repeat(head.length + 2))))
    }
  }
}

interface LogEntry {
  readonly published: string
  readonly eventType: string
  readonly displayMessage: string
  readonly actor: { readonly displayName: string }
  readonly target: readonly LogTarget[] | null
}

interface LogTarget {
  readonly type: string
  readonly alternateId: string
  readonly displayName: string
}

function logLine({ published, eventType, actor, target }: LogEntry): string {
  const about = (target ?? []).map(targetName).join(', ')
  const time = published.slice(11, 23)
  return oneLine(`${time}  ${eventType}  ${about} (by ${actor.displayName})`, columns - 2)
}

function targetName({ type, alternateId, displayName }: LogTarget): string {
  return `${type} ${alternateId === 'unknown' ? displayName : alternateId}`
}

async function leaveRunning(origin: string, token: string): Promise<void> {
  title('The hub goes on running until Ctrl-C')
  say(`URL    ${origin}`)
  say(`Token  ${token}`)
  console.log(`
  In another terminal:
    export WATCHBELL_URL=${origin} WATCHBELL_TOKEN=${token}
    npm run watchbell -- signals --follow
    npm run watchbell -- send credential-change --register
    npm run watchbell -- send --break all --register
    npm run watchbell -- evaluate --user lin@example.com --ip 203.0.113.66
    curl -H "Authorization: SSWS $WATCHBELL_TOKEN" $WATCHBELL_URL/api/v1/logs`)
  const ended = Promise.race(children.map((child) => ending(child)))
  await Promise.race([
    ended,
    new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true })),
  ])
  if (!stop.signal.aborted) throw new Error('one of the two processes ended')
}

/** What is awaited, or an error as soon as the child ends or the demo is stopped. */
async function orEnd<T>(child: ChildProcess, awaited: Promise<T>): Promise<T> {
  const stopped = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
  })
  return Promise.race([awaited, stopped, ending(child)])
}

async function ending(child: ChildProcess): Promise<never> {
  await once(child, 'exit')
  throw new Error(`process ${child.pid} ended with code ${child.exitCode}`)
}

async function stopChildren(): Promise<void> {
  const gone = children
    .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    .map(async (child) => {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      await Promise.race([exit, sleep(stopWithinMs, undefined, { ref: false })])
    })
  await Promise.all(gone)
  for (const child of children) if (child.connected) child.disconnect()
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  const free = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, host, () => resolve((probe.address() as AddressInfo).port === port)) // it listens on TCP
  })
  await new Promise((resolve) => probe.close(resolve))
  return free
}

function title(text: string): void {
  console.log(`\n${paint('bold', text)}`)
}

function say(text: string): void {
  console.log(`  ${text}`)
}
