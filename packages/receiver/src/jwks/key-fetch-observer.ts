/** Observes each fetch of a key set, for metrics and traces. */
export interface KeyFetchObserver {
  keySetFetched(providerId: string, outcome: 'usable' | 'unusable' | 'refused' | 'failed'): void
  /** Does the work as a part of the work that called. What it throws, or its promise rejects with, is thrown on. */
  span<T>(name: 'jwks.fetch', work: (span: FetchSpan) => T): T
}

export interface FetchSpan {
  note(facts: Readonly<Record<`watchbell.${string}`, string | number>>): void
}

export const silentObserver: KeyFetchObserver = {
  keySetFetched: () => undefined,
  span: (_name, work) => work({ note: () => undefined }),
}
