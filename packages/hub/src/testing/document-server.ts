import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A real HTTP server that answers GET with JSON documents, made anew for each request. */
export interface DocumentServer extends AsyncDisposable {
  /** Where it listens. */
  readonly origin: string
  /** While true, every request ends with a closed connection. */
  down: boolean
}

export interface DocumentServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The document at a path, or undefined for 404. */
  readonly find: (path: string) => object | undefined
}

/** @throws the error of `listen`, such as EADDRINUSE */
export async function startDocumentServer(options: DocumentServerOptions): Promise<DocumentServer> {
  const { host, port, find } = options
  const state = { down: false }
  const server = createServer((request, response) => {
    if (state.down) return void request.socket.destroy()
    const document = find((request.url ?? '/').split('?')[0] ?? '/')
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (document === undefined) return answer(404, { error: 'There is nothing at this path.' })
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer(405, { error: 'Only GET is supported.' })
    }
    return answer(200, document)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address() as AddressInfo // a TCP server that listens has one
  const shownHost = host.includes(':') ? `[${host}]` : host
  return {
    origin: `http://${shownHost}:${address.port}`,
    get down() {
      return state.down
    },
    set down(down) {
      state.down = down
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
