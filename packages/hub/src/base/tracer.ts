/** The pieces of work that a trace shows. */
export type SpanName =
  'set.accept' | 'set.parse' | 'set.verify' | 'set.append' | 'access.evaluate' | 'jwks.fetch' | 'stream.poll'

/** What a span says of its work: ids of providers and words of closed lists, never tokens, secrets or subjects. */
export type SpanFacts = Readonly<Record<`watchbell.${string}`, string | number>>

export interface TracedWork {
  note(facts: SpanFacts): void
}

/** Shows where time goes, work within work. Implemented in metrics/. */
export interface Tracer {
  /** Does the work as a part of the work that called. What it throws, or its promise rejects with, is thrown on. */
  span<T>(name: SpanName, work: (span: TracedWork) => T): T
}

const unseen: TracedWork = { note: () => undefined }

/** Shows nothing, and costs nothing. */
export const silentTracer: Tracer = { span: (_name, work) => work(unseen) }
