import type { FastifyInstance } from 'fastify'

/** Observes requests, for metrics and traces. Implemented in metrics/. */
export interface RequestObserver {
  /** Called when the head of a request has arrived. */
  begin(head: RequestHead): ObservedRequest
}

export interface RequestHead {
  readonly method: string
  /** The route's pattern, `/v1/signals/:id`; undefined when no route has the path. */
  readonly route: string | undefined
  /** W3C Trace Context §3.2, as the caller sent it. */
  readonly traceparent: string | undefined
}

export interface ObservedRequest {
  /** Runs the handler of the request as a part of its trace. */
  enter(next: () => void): void
  /** Called after the last byte; with undefined when the client closed the connection before. */
  end(status: number | undefined): void
}

declare module 'fastify' {
  interface FastifyRequest {
    observed: ObservedRequest | undefined
  }
}

/** Adds no hooks without an observer. */
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
  // This hook runs after the body was read: reading it would lose the trace context.
  app.addHook('preHandler', (request, _reply, done) => {
    if (request.observed === undefined) done()
    else request.observed.enter(done)
  })
}
