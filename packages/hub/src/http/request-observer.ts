import type { FastifyInstance } from 'fastify'

/** Watches requests go by, for metrics and traces. Implemented in metrics/. */
export interface RequestObserver {
  /** At the head of a request. */
  begin(head: RequestHead): ObservedRequest
}

export interface RequestHead {
  readonly method: string
  /** The route's pattern, `/v1/signals/:id`; undefined when there is nothing at the path. */
  readonly route: string | undefined
  /** W3C Trace Context §3.2, as the caller sent it. */
  readonly traceparent: string | undefined
}

export interface ObservedRequest {
  /** Calls what handles the request, as a part of its trace. */
  enter(next: () => void): void
  /** After the last byte, or undefined when the client went away before. */
  end(status: number | undefined): void
}

declare module 'fastify' {
  interface FastifyRequest {
    observed: ObservedRequest | undefined
  }
}

/** Without an observer nothing is hooked in, and nothing costs anything. */
export function observeRequests(app: FastifyInstance, observer: RequestObserver | undefined): void {
  if (observer === undefined) return
  app.decorateRequest('observed', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent } = request.headers
    const observed = observer.begin({
      method: request.method,
      route: request.routeOptions.url,
      traceparent: typeof traceparent === 'string' ? traceparent : undefined,
    })
    request.observed = observed
    const { raw } = reply
    raw.once('close', () => observed.end(raw.writableFinished ? raw.statusCode : undefined))
    done()
  })
  // The body was read by then: reading it would lose the trace again.
  app.addHook('preHandler', (request, _reply, done) => {
    if (request.observed === undefined) done()
    else request.observed.enter(done)
  })
}
