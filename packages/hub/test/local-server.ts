import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'

/** Somebody else's server, as a real socket on this machine. */
export interface LocalServer extends AsyncDisposable {
  readonly origin: string
  readonly port: number
  /** Target of each request so far. */
  readonly requests: readonly string[]
  /** How many sockets were ever opened to it. */
  readonly connections: () => number
}

export function startLocalServer(
  handle: RequestListener,
  at: { readonly host?: string; readonly port?: number } = {},
): Promise<LocalServer> {
  return listenLocally(createServer(handle), { scheme: 'http', ...at })
}

export async function listenLocally(
  server: Server | (Server & TlsServer),
  at: { readonly scheme: 'http' | 'https'; readonly host?: string; readonly port?: number },
): Promise<LocalServer> {
  const { host = '127.0.0.1', port = 0, scheme } = at
  const sockets = new Set<Socket>()
  const requests: string[] = []
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.prependListener('request', (request) => requests.push(request.url ?? ''))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it does not listen on TCP')
  return {
    origin: `${scheme}://${host}:${address.port}`,
    port: address.port,
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
