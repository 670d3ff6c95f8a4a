// Types what README.md says, in order, in an empty folder that holds a copy of this checkout, and fails on the first line that
// does not do what the README claims of it. With `--installed` the modules of this checkout take the place of `npm ci`, and
// with `--free-ports` free ports that of those in the README: for test/e2e/first-hour.test.ts.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, delimiter, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { linkModules } from './link-modules.ts'
import { pageCommands, type PageBlock } from './page-commands.ts'

const { values: flags } = parseArgs({
  options: {
    installed: { type: 'boolean', default: false },
    'free-ports': { type: 'boolean', default: false },
    readme: { type: 'string' },
  },
})

const root = resolve(import.meta.dirname, '..')
const notCopied = new Set(['node_modules', 'dist', '.git', 'watchbell-data', 'coverage', '.env'])
/** For one command, on a machine that is busy with other things. */
const commandMs = 180_000

class FirstHourError extends Error {}

interface Typed {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that goes on until it is told to stop. */
interface Running {
  readonly output: () => string
  /** The match, as soon as its output has it. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  stop(signal: 'SIGINT' | 'SIGTERM'): Promise<void>
}

/** What the README claims of a line; steps come in the README's order. */
interface Step {
  readonly block: 'sh' | 'ts' | 'yaml'
  /** What the line looks like. */
  readonly line: RegExp
  readonly check: (line: string) => Promise<void>
}

const folder = await mkdtemp(join(tmpdir(), 'watchbell-first-hour-'))
const checkout = join(folder, 'watchbell')
const project = join(folder, 'project')
const running = new Set<Running>()
const environment: Record<string, string> = {
  // As in a shell of somebody's own: without the modules of this checkout, which npm puts in front.
  PATH: (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((part) => !part.includes('node_modules'))
    .join(delimiter),
  HOME: process.env['HOME'] ?? folder,
  TMPDIR: tmpdir(),
  // Nothing of it shows; a test that types the README is done sooner.
  ...(process.env['NODE_COMPILE_CACHE'] !== undefined && {
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
  }),
}
const ports = new Map<string, number>()

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  server.close()
  await once(server, 'close')
  return port
}

/** The line as it is typed here: with other ports, and without an installation that is there already. */
function asTyped(line: string): string {
  const installed = flags.installed ? line.replace(/^npm ci && /, '') : line
  return [...ports].reduce(
    (text, [from, to]) => text.replaceAll(`127.0.0.1:${from}`, `127.0.0.1:${to}`),
    installed,
  )
}

function start(
  line: string,
  cwd = checkout,
): { readonly child: ChildProcess; readonly typed: Promise<Typed> } {
  const child = spawn('sh', ['-c', asTyped(line)], {
    cwd,
    env: environment,
    detached: true, // a group of its own, as a shell gives it, so that Ctrl-C reaches all of it
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const texts = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => void (texts.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => void (texts.stderr += chunk.toString()))
  const typed = once(child, 'close').then(([exitCode]) => ({ exitCode: exitCode as number | null, ...texts }))
  return { child, typed }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // it has ended
  }
}

/** Types a line and waits until it ends. @throws FirstHourError unless it ends well and says all that */
async function type(line: string, said: readonly RegExp[] = [], cwd = checkout): Promise<Typed> {
  const { child, typed } = start(line, cwd)
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), commandMs)
  const result = await typed
  clearTimeout(timer)
  const text = `${result.stdout}\n${result.stderr}`
  if (result.exitCode !== 0) throw new FirstHourError(`it ends with exit code ${result.exitCode}:\n${text}`)
  for (const pattern of said) {
    if (!pattern.test(text)) throw new FirstHourError(`it does not say ${pattern.source}, but:\n${text}`)
  }
  return result
}

/** Types a line that goes on. */
function leave(line: string): Running {
  const { child } = start(line)
  let text = ''
  let ended = false
  const listeners = new Set<() => void>()
  const look = (chunk?: Buffer): void => {
    text += chunk?.toString() ?? ''
    for (const listener of listeners) listener()
  }
  child.stdout?.on('data', look)
  child.stderr?.on('data', look)
  child.on('close', () => {
    ended = true
    look()
  })
  const self: Running = {
    output: () => text,
    says(pattern) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => finish(undefined, 'waited in vain'), commandMs)
        const finish = (match: RegExpExecArray | undefined, why: string): void => {
          clearTimeout(timer)
          listeners.delete(listener)
          if (match !== undefined) resolve(match)
          else reject(new FirstHourError(`it does not say ${pattern.source} (${why}), but:\n${text}`))
        }
        const listener = (): void => {
          const match = pattern.exec(text)
          if (match !== null) finish(match, '')
          else if (ended) finish(undefined, 'it has ended')
        }
        listeners.add(listener)
        listener()
      })
    },
    async stop(signal) {
      running.delete(self)
      if (ended) return
      const closed = once(child, 'close')
      signalGroup(child, signal)
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), commandMs)
      await closed
      clearTimeout(timer)
    },
  }
  running.add(self)
  return self
}

let hub: Running | undefined
let transmitter: Running | undefined
let token = ''
let testFile = ''

/** Installs the package that npm made in a project of somebody's own. */
async function installPackage(): Promise<void> {
  const parcels = (await readdir(checkout)).filter((name) => name.endsWith('.tgz')).toSorted()
  if (parcels.join(' ') !== 'watchbell-0.1.0.tgz watchbell-receiver-0.1.0.tgz')
    throw new FirstHourError(`it makes '${parcels.join(' ')}'.`)
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{"type":"module","private":true}')
  if (!flags.installed) {
    await type(`npm install --save-dev ${parcels.map((name) => join(checkout, name)).join(' ')}`, [], project)
    return
  }
  for (const folder of ['receiver', 'hub']) {
    const manifest = JSON.parse(
      await readFile(join(checkout, 'packages', folder, 'package.json'), 'utf8'),
    ) as { readonly name: string; readonly dependencies: Readonly<Record<string, string>> } // ours
    const parcel = `${manifest.name.replace('@', '').replace('/', '-')}-0.1.0.tgz`
    const into = join(project, 'node_modules', manifest.name)
    await mkdir(into, { recursive: true })
    await type(`tar -xzf ${join(checkout, parcel)} -C ${into} --strip-components=1`, [], project)
    for (const name of Object.keys(manifest.dependencies)) {
      const link = join(project, 'node_modules', name)
      if (name === '@watchbell/receiver' || existsSync(link)) continue
      await mkdir(join(link, '..'), { recursive: true })
      await symlink(join(root, 'node_modules', name), link)
    }
  }
}

/** The Node.js that the README asks of a program of one's own: 24. */
const node24 = `${process.execPath} --disable-warning=ExperimentalWarning`

const steps: readonly Step[] = [
  {
    block: 'sh',
    line: /^npm ci && npm run demo$/,
    async check(line) {
      const demo = leave(line)
      await demo.says(/What it led to: the System Log/)
      await demo.says(/All \d+ came out as they should.*all 3 sign-ins were answered as they should be/)
      await demo.says(/A risk provider is registered/)
      await demo.says(/The hub goes on running until Ctrl-C/)
      await demo.stop('SIGINT')
    },
  },
  {
    block: 'sh',
    line: /^npm ci && npm test$/,
    async check() {
      // Not typed: this script is one of these tests. That it is what CI runs can be seen.
      const ci = await readFile(join(checkout, '.ci/run'), 'utf8')
      if (!/^npm ci\nnpm test\b/m.test(ci)) throw new FirstHourError('.ci/run runs something else.')
    },
  },
  { block: 'sh', line: /^npm ci && npm run build$/, check: async (line) => void (await type(line)) },
  {
    block: 'sh',
    line: /^npm start$/,
    async check(line) {
      const first = leave(line)
      const [, shown = ''] = await first.says(/Admin token, shown this once: (\S+)/)
      token = shown
      await first.says(new RegExp(`listens on http://${asTyped('127.0.0.1:8080')}`))
      await first.stop('SIGINT')
    },
  },
  {
    block: 'sh',
    line: /^WATCHBELL_OUTBOUND_ALLOW=127\.0\.0\.1 npm start$/,
    async check(line) {
      hub = leave(line)
      await hub.says(/listens on http:/)
      if (hub.output().includes('Admin token')) throw new FirstHourError('it prints an admin token again.')
    },
  },
  {
    block: 'sh',
    line: /^export WATCHBELL_TOKEN=…$/,
    check: async () => void (environment['WATCHBELL_TOKEN'] = token),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- send session-revoked .*--register$/,
    check: async (line) =>
      void (await type(line, [/202 taken +session-revoked ada@example\.com/, /^ +handled$/m])),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- signals$/,
    check: async (line) => void (await type(line, [/handled +session-revoked ada@example\.com/])),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- log$/,
    check: async (line) => void (await type(line, [/SUCCESS +security\.events\.provider\.receive_event/])),
  },
  {
    block: 'sh',
    line: /^curl .*security-events-providers$/,
    check: async (line) => void (await type(line, [/"id":"sse\w+","name":"Vendor".*"status":"ACTIVE"/])),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- evaluate .*--ip 203\.0\.113\.7$/,
    check: async (line) => void (await type(line, [/^ALLOW/m, /[Ss]essions of this user were revoked/])),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- evaluate .*--issued-at /,
    check: async (line) => void (await type(line, [/^DENY/m])),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- send session-revoked --ssf --listen 127\.0\.0\.1:9000$/,
    async check(line) {
      transmitter = leave(line)
      await transmitter.says(/Serving; Ctrl-C ends it/)
    },
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- stream connect http:\/\/127\.0\.0\.1:9000 --poll /,
    check: async (line) => void (await type(line, [/^status +enabled$/m, /^verified +\d{4}-/m])),
  },
  {
    block: 'sh',
    line: /^npm run watchbell -- stream doctor$/,
    async check(line) {
      await type(line, [/^ok +/m])
      await transmitter?.stop('SIGINT')
      await hub?.stop('SIGTERM')
    },
  },
  {
    block: 'sh',
    line: /^npm pack --workspaces$/,
    async check(line) {
      await type(line)
      await installPackage()
    },
  },
  {
    block: 'ts',
    line: /startTestHub/,
    async check(source) {
      const [, name = ''] = /^\/\/ (\S+\.test\.ts)$/m.exec(source) ?? []
      testFile = name
      await writeFile(join(project, name), source)
      await type(`${node24} --test ${name}`, [/pass 1/, /fail 0/], project)
    },
  },
  {
    block: 'yaml',
    line: /^on: push$/m,
    async check(source) {
      const { jobs } = parse(source) as {
        jobs: Record<string, { steps: { uses?: string; run?: string; with?: object }[] }>
      } // the next line looks at it
      const runs = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
      if (runs.join('; ') !== `npm ci; node --test ${testFile}`) {
        throw new FirstHourError(`it runs ${runs.join('; ')}, which is not the test above.`)
      }
    },
  },
  {
    block: 'ts',
    line: /startHub\(loadSettings/,
    async check(source) {
      await writeFile(join(project, 'embed.ts'), `${source}\nconsole.log('it listens on', hub.origin)\n`)
      const settings = `WATCHBELL_LISTEN=127.0.0.1:0 WATCHBELL_LOG_LEVEL=error`
      await type(`${settings} ${node24} embed.ts`, [/it listens on http:\/\/127\.0\.0\.1:\d+/], project)
    },
  },
]

/** What is to be typed, a command or a whole program at a time. */
/** What needs a container engine (`console`) is held to the repository by test/deploy/readme.test.ts. */
function linesOf(blocks: readonly PageBlock[]): readonly { readonly block: string; readonly line: string }[] {
  return blocks.flatMap(({ language, text, commands }) => {
    if (language === 'console') return []
    if (language === 'sh') return commands.map((line) => ({ block: language, line }))
    return [{ block: language, line: text }]
  })
}

function shortened(line: string): string {
  const [first = '', ...more] = line.split('\n')
  return more.length === 0 ? first : `${first} … (${more.length + 1} lines)`
}

/** @throws FirstHourError where a line of the README is nobody's, or the other way round */
function assigned(
  lines: ReturnType<typeof linesOf>,
): readonly { readonly step: Step; readonly line: string }[] {
  const pairs = lines.map(({ block, line }, at) => {
    const step = steps[at]
    if (step === undefined || step.block !== block || !step.line.test(line)) {
      throw new FirstHourError(
        `The README says \`${shortened(line)}\` where this script expects ${step === undefined ? 'nothing more' : `/${step.line.source}/`}.`,
      )
    }
    return { step, line }
  })
  const left = steps[lines.length]
  if (left !== undefined) throw new FirstHourError(`The README no longer says /${left.line.source}/.`)
  return pairs
}

async function main(): Promise<void> {
  const page = await readFile(flags.readme ?? join(root, 'README.md'), 'utf8')
  const lines = assigned(linesOf(pageCommands(page)))
  await cp(root, checkout, {
    recursive: true,
    filter: (from) => !notCopied.has(basename(from)) || from === root,
  })
  if (flags.installed) {
    if (!existsSync(join(root, 'node_modules'))) throw new FirstHourError('Nothing is installed here: npm ci')
    await linkModules(root, checkout)
  }
  if (flags['free-ports']) {
    for (const port of ['8080', '9000']) ports.set(port, await freePort())
    environment['WATCHBELL_LISTEN'] = asTyped('127.0.0.1:8080')
    environment['WATCHBELL_URL'] = asTyped('http://127.0.0.1:8080')
  }
  for (const { step, line } of lines) {
    process.stdout.write(`$ ${shortened(line)}\n`)
    try {
      await step.check(line)
    } catch (error) {
      if (!(error instanceof FirstHourError)) throw error
      throw new FirstHourError(`\`${shortened(line)}\` does not do what the README claims: ${error.message}`)
    }
  }
  process.stdout.write(`All ${lines.length} do what the README claims.\n`)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof FirstHourError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
} finally {
  for (const each of running) await each.stop('SIGTERM')
  await rm(folder, { recursive: true, force: true })
}
