import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '@watchbell/receiver/base'

export interface MetricsServer extends AsyncDisposable {
  /** `http://127.0.0.1:9464` */
  readonly origin: string
}

export interface MetricsServerOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly logger: Logger
  readonly contentType: string
  /** All metrics as text. */
  readonly scrape: () => Promise<string>
}

const requestTimeoutMs = 10_000

/** Serves only `GET /metrics`, on a separate address and without authentication. */
export async function serveMetrics({
  listen,
  logger,
  contentType,
  scrape,
}: MetricsServerOptions): Promise<MetricsServer> {
  let scraping: Promise<string> | undefined
  /** Concurrent scrapes share one answer. */
  const scrapeOnce = (): Promise<string> => {
    scraping ??= scrape().finally(() => (scraping = undefined))
    return scraping
  }
  const answer: RequestListener = (request, response) => {
    const say = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers })
      response.end(request.method === 'HEAD' ? undefined : text)
    }
    if ((request.url ?? '').split('?')[0] !== '/metrics') return say(404, 'There are only /metrics here.\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return say(405, 'Only GET and HEAD are answered.\n', { allow: 'GET, HEAD' })
    }
    scrapeOnce().then(
      (text) => say(200, text, { 'content-type': contentType, 'cache-control': 'no-store' }),
      (error: unknown) => {
        logger.error({ err: error }, 'the metrics could not be read')
        say(500, 'The metrics could not be read; the log says why.\n')
      },
    )
  }
  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs }, answer)
  server.listen(listen)
  await once(server, 'listening') // rejects with the error of `listen`
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host
  return {
    origin: `http://${host}:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
