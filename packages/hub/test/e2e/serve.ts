import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { childEnvironment } from '../child-environment.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')

export interface ServeProcess {
  readonly origin: string
  readonly process: ChildProcess
  /** All that it wrote to stdout and stderr so far. */
  output(): string
  api(method: string, path: string, body?: unknown): Promise<Response>
  push(set: string, signal?: AbortSignal): Promise<Response>
  /** Ends it by a signal. @returns exit code, or undefined when the signal itself ended it */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | undefined>
  /** Resolves when it has ended, in the same way. */
  ended(): Promise<number | undefined>
}

export const adminToken = 'e2e-admin-token-of-tests'

/** Makes a transmitter known to a hub. */
export async function register(
  hub: Pick<ServeProcess, 'api'>,
  { issuer, jwksUrl }: { readonly issuer: string; readonly jwksUrl: string },
): Promise<void> {
  const provider = { name: 'idp', type: 'test', settings: { issuer, jwks_url: jwksUrl } }
  await hub.api('POST', '/api/v1/security-events-providers', provider)
}

/**
 * A real `watchbell serve` in a process of its own; ready when it resolves.
 * @param environment - where it keeps its data (see places.ts), and other settings
 * @param fileBytesMax - no file may become longer: to whoever writes it, the disk is full
 * @param filesMax - how many files the process may open
 * @param flags - of the command
 * @param logTo - a file that the log goes to, instead of our `output`
 */
export async function serve(
  port: number,
  environment: Readonly<Record<string, string>>,
  {
    fileBytesMax,
    logTo,
    filesMax,
    flags = [],
  }: {
    readonly fileBytesMax?: number
    readonly logTo?: string
    readonly filesMax?: number
    readonly flags?: readonly string[]
  } = {},
): Promise<ServeProcess> {
  const limited = fileBytesMax === undefined ? '' : `ulimit -f ${Math.ceil(fileBytesMax / 512)}; `
  const redirected = logTo === undefined ? '' : ` 2>'${logTo}'`
  const few = filesMax === undefined ? '' : `ulimit -n ${filesMax}; `
  const script = `${limited}${few}exec "$@"${redirected}`
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, main, 'serve', ...flags], {
    env: {
      ...childEnvironment,
      WATCHBELL_LISTEN: `127.0.0.1:${port}`,
      WATCHBELL_ADMIN_TOKEN: adminToken,
      WATCHBELL_OUTBOUND_ALLOW: '127.0.0.1',
      WATCHBELL_API_REQUESTS_PER_MINUTE: '0',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: string[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const ended = once(child, 'exit')
  const exitCode = async (): Promise<number | undefined> => {
    const [code] = (await ended) as [number | null]
    return code ?? undefined
  }
  const origin = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}: ${said.join('')}`)
    const ready = await fetch(`${origin}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    )
    if (ready) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    origin,
    process: child,
    output: () => said.join(''),
    api: (method, path, body) =>
      fetch(origin + path, {
        method,
        headers: {
          authorization: `SSWS ${adminToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    push: (set, signal) =>
      fetch(`${origin}/security/api/v1/security-events`, {
        method: 'POST',
        headers: { 'content-type': 'application/secevent+jwt' },
        body: set,
        ...(signal !== undefined && { signal }),
      }),
    stop(signal) {
      child.kill(signal)
      return exitCode()
    },
    ended: exitCode,
  }
}
