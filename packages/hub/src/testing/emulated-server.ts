import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** One request that the emulated transmitter got. */
export interface EmulatedRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** Aborted when whoever asked has gone. */
  readonly gone: AbortSignal
}

export interface EmulatedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a string as it stands. */
  readonly body?: object | string
}

/** One way for an endpoint to fail before it even looks at the request. */
export type Fault =
  /** Answers so. */
  | EmulatedAnswer
  /** Takes the request and never answers, until it is mended or the other side gives up. */
  | 'hang'
  /** Closes the connection. */
  | 'reset'
  /** 200 with more JSON than anybody should read. */
  | 'oversized'
  /** Does its work and closes the connection where the answer should be. */
  | 'lost_answer'
  /** Does its work after so many milliseconds. */
  | { readonly delayMs: number }
  /** Does its work at once, and answers after so many milliseconds. */
  | { readonly answerAfterMs: number }

export interface EmulatedServer<Endpoint extends string> extends AsyncDisposable {
  readonly origin: string
  /** While true, every connection is closed at once. */
  down: boolean
  readonly requests: readonly (EmulatedRequest & { readonly endpoint: Endpoint | undefined })[]
  /** The next `times` requests to the endpoint fail so; infinitely many until it is mended. */
  fail(endpoint: Endpoint, fault: Fault, times: number): void
  /** Takes back what `fail` ordered, for this endpoint or for all; what hangs is let go. */
  mend(endpoint?: Endpoint): void
}

export interface EmulatedServerOptions<Endpoint extends string> {
  readonly host: string
  readonly port: number
  readonly endpointOf: (path: string) => Endpoint | undefined
  readonly answer: (endpoint: Endpoint, request: EmulatedRequest) => EmulatedAnswer | Promise<EmulatedAnswer>
}

const bodyBytesMax = 1024 * 1024
const oversizedBytes = 16 * 1024 * 1024

/** A real HTTP server whose endpoints can be made to fail. @throws the error of `listen`, such as EADDRINUSE */
export async function startEmulatedServer<Endpoint extends string>(
  options: EmulatedServerOptions<Endpoint>,
): Promise<EmulatedServer<Endpoint>> {
  const requests: (EmulatedRequest & { readonly endpoint: Endpoint | undefined })[] = []
  const faults = new Map<Endpoint, { fault: Fault; left: number }[]>()
  let down = false
  let mended = new AbortController()

  function takeFault(endpoint: Endpoint): Fault | undefined {
    const [first, ...later] = faults.get(endpoint) ?? []
    if (first === undefined) return undefined
    first.left--
    if (first.left <= 0) faults.set(endpoint, later)
    return first.fault
  }

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (down) return void incoming.socket.destroy()
    const request = await readRequest(incoming, response)
    const endpoint = options.endpointOf(request.path)
    requests.push({ ...request, endpoint })
    if (endpoint === undefined) {
      return send(response, { status: 404, body: { error: 'There is nothing at this path.' } })
    }
    const fault = takeFault(endpoint)
    if (fault === 'reset') return void incoming.socket.destroy()
    if (fault === 'hang') {
      await until(AbortSignal.any([request.gone, mended.signal]))
      return void incoming.socket.destroy()
    }
    if (fault === 'oversized') {
      return send(response, { status: 200, body: `{"padding":"${'x'.repeat(oversizedBytes)}"}` })
    }
    if (typeof fault === 'object' && 'status' in fault) return send(response, fault)
    if (typeof fault === 'object' && 'delayMs' in fault) await sleep(fault.delayMs)
    const answer = await options.answer(endpoint, request)
    if (typeof fault === 'object' && 'answerAfterMs' in fault) await sleep(fault.answerAfterMs)
    if (fault === 'lost_answer' || down) return void incoming.socket.destroy()
    send(response, answer)
  }

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, { status: 500, body: { error: String(error) } })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  const shownHost = options.host.includes(':') ? `[${options.host}]` : options.host

  return {
    origin: `http://${shownHost}:${port}`,
    requests,
    get down() {
      return down
    },
    set down(value) {
      down = value
      if (down) server.closeAllConnections()
    },
    fail(endpoint, fault, times) {
      faults.set(endpoint, [...(faults.get(endpoint) ?? []), { fault, left: times }])
    },
    mend(endpoint) {
      if (endpoint === undefined) faults.clear()
      else faults.delete(endpoint)
      mended.abort()
      mended = new AbortController()
    },
    async [Symbol.asyncDispose]() {
      mended.abort()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function readRequest(incoming: IncomingMessage, response: ServerResponse): Promise<EmulatedRequest> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= bodyBytesMax) chunks.push(chunk)
  }
  const [path = '/', query = ''] = (incoming.url ?? '/').split('?')
  return {
    method: incoming.method ?? 'GET',
    path,
    query: new URLSearchParams(query),
    headers: Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, value?.toString()]),
    ),
    body: Buffer.concat(chunks).toString(),
    gone: gone.signal,
  }
}

function send(response: ServerResponse, { status, headers = {}, body }: EmulatedAnswer): void {
  if (body === undefined) return void response.writeHead(status, headers).end()
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
