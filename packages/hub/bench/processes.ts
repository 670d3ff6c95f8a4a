import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'

/** A server under test, of one node or several. Disposing kills it. */
export interface Served extends AsyncDisposable {
  readonly ports: readonly number[]
  /** Its processes, and the database's when that is a server of its own. */
  pids(): readonly number[]
  /** What every request to it needs beside the usual headers, each ending in CRLF. */
  readonly headers?: string
}

/** Starts a server in a process of its own and waits for its first line on stdout. */
export async function start(
  port: number,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(([code]) => Promise.reject(new Error(`${args.join(' ')} ended with ${String(code)}`))),
  ])
  return {
    ports: [port],
    pids: () => (child.pid === undefined ? [] : [child.pid]),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Several servers as one, behind a load balancer that costs nothing. */
export function together(nodes: readonly Served[]): Served {
  return {
    ports: nodes.flatMap(({ ports }) => ports),
    pids: () => nodes.flatMap((node) => node.pids()),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
    },
  }
}

/** The public origin of the hub under test, wherever it listens. */
export const hubOrigin = 'https://hub.example'
export const adminToken = 'bench-admin-token'

/** A hub as `watchbell serve` runs it. */
export function startHub(port: number, settings: Readonly<Record<string, string>>): Promise<Served> {
  return start(port, [resolve(import.meta.dirname, '../src/cli/main.ts'), 'serve'], {
    WATCHBELL_LISTEN: `127.0.0.1:${port}`,
    WATCHBELL_ORIGIN: hubOrigin,
    WATCHBELL_ADMIN_TOKEN: adminToken,
    // One provider sends what would be the SETs of many.
    WATCHBELL_SETS_PER_MINUTE: '0',
    WATCHBELL_SET_BYTES_PER_MINUTE: '0',
    ...settings,
  })
}

/** Speaks the API of the hub at a port; each caller knows the shape that the path answers with. */
export function apiOf(port: number): <T>(path: string, body: object) => Promise<T> {
  return async <T>(path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { authorization: `SSWS ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.ok) return (await response.json()) as T
    throw new Error(`The hub answered ${response.status} to ${path}: ${await response.text()}`)
  }
}
