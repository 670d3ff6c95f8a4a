import { setTimeout as sleep } from 'node:timers/promises'
import { signalId } from '../signals/signal-id.ts'
import type { SignalBody } from '../wire/signals.ts'
import { HubAnswerError, type HubClient } from './hub-client.ts'
import { outcomeText, shownReasons } from './signal-pages.ts'

/** The hub's verdict on an accepted token. */
export interface SetVerdict {
  readonly outcome: SignalBody['outcome'] | 'unknown'
  readonly about_nobody?: boolean
  /** Why the outcome is not plain `handled`. */
  readonly reason?: string
}

export type ReadVerdict = (issuer: string, jti: string) => Promise<SetVerdict>

/** A hub handles accepted tokens within milliseconds, except under high load. */
const verdictWaitMs = 5_000
const askAgainMs = 20

/** Looks up the verdicts on accepted tokens; undefined without a hub. */
export function verdictReader(hub: HubClient | undefined): ReadVerdict | undefined {
  if (hub === undefined) return undefined
  return async (issuer, jti) => {
    const params = { id: signalId(issuer, jti) }
    const askedAt = performance.now()
    for (;;) {
      try {
        const signal = await hub.call('GET /v1/signals/:id', { params })
        if (signal.outcome !== 'pending') return verdictOf(signal)
      } catch (error) {
        if (!(error instanceof HubAnswerError)) throw error
        return { outcome: 'unknown', reason: error.message }
      }
      if (performance.now() - askedAt >= verdictWaitMs) return { outcome: 'pending' }
      await sleep(askAgainMs)
    }
  }
}

function verdictOf(signal: SignalBody): SetVerdict {
  const reasons = shownReasons(signal)
  return {
    outcome: signal.outcome,
    ...(signal.about_nobody !== undefined && { about_nobody: signal.about_nobody }),
    ...(reasons.length > 0 && { reason: reasons.join('; ') }),
  }
}

export function verdictText(verdict: SetVerdict): string {
  const { outcome, reason } = verdict
  if (outcome === 'unknown') return `what became of it cannot be told: ${reason ?? 'the hub does not say'}`
  if (outcome === 'pending')
    return 'not handled yet: the hub has much to do; `watchbell signals` shows it later'
  return reason === undefined ? outcomeText(verdict) : `${outcomeText(verdict)}: ${reason}`
}
