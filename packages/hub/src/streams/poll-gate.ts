/** A poll that is open now. */
export interface OpenPoll {
  /** Settles when it ends. */
  readonly done: Promise<unknown>
  /** Ends it; undefined for a short poll. */
  readonly stop: (() => void) | undefined
}

/**
 * Keeps polls of a provider's stream apart from our other requests to its transmitter, within this process: some
 * transmitters answer one request of a receiver at a time.
 */
export interface PollGate {
  /** Whether a poll may start. */
  isOpen(providerId: string): boolean
  /** Registers a poll that has started. One at a time per provider. */
  opened(providerId: string, poll: OpenPoll): void
  /** Does other work while no poll is open: ends a long poll, waits for a short one. */
  closedFor<T>(providerId: string, work: () => Promise<T>): Promise<T>
}

export function createPollGate(): PollGate {
  const working = new Map<string, number>()
  const polls = new Map<string, OpenPoll>()

  function count(providerId: string, change: 1 | -1): void {
    const left = (working.get(providerId) ?? 0) + change
    if (left > 0) working.set(providerId, left)
    else working.delete(providerId)
  }

  return {
    isOpen: (providerId) => !working.has(providerId),
    opened(providerId, poll) {
      polls.set(providerId, poll)
      const ended = (): void => void (polls.get(providerId) === poll && polls.delete(providerId))
      poll.done.then(ended, ended)
    },
    async closedFor(providerId, work) {
      count(providerId, 1)
      try {
        const poll = polls.get(providerId)
        poll?.stop?.()
        await poll?.done.catch(() => undefined)
        return await work()
      } finally {
        count(providerId, -1)
      }
    },
  }
}
