/** The pieces of work that a trace shows. */
export type SpanName =
  'set.accept' | 'set.parse' | 'set.verify' | 'set.append' | 'access.evaluate' | 'jwks.fetch' | 'stream.poll'

/** Attributes of a span: ids of providers and values of closed lists, never tokens, secrets or subjects. */
export type SpanFacts = Readonly<Record<`watchbell.${string}`, string | number>>

export interface TracedWork {
  note(facts: SpanFacts): void
}

/** Shows where time is spent, in nested spans. Implemented in metrics/. */
export interface Tracer {
  /** Does the work as a part of its caller's span. Errors and rejections are passed on. */
  span<T>(name: SpanName, work: (span: TracedWork) => T): T
}

const unseen: TracedWork = { note: () => undefined }

/** Traces nothing. */
export const silentTracer: Tracer = { span: (_name, work) => work(unseen) }
