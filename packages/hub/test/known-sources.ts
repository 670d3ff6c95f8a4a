import { wordJudge, type KnownSource, type WordJudge } from '../src/risk/risk-sources.ts'
import { defaultTrust } from '../src/risk/source-trust.ts'

/** A security events provider whose word is acted on, as the judge knows it. */
export function knownSource(id: string, over: Partial<KnownSource> = {}): KnownSource {
  return {
    kind: 'security_events_provider',
    id,
    name: id,
    action: 'enforce_and_log',
    issuer: undefined,
    registeredAt: new Date(0),
    trust: defaultTrust,
    ...over,
  }
}

export function judgeOf(...ids: readonly string[]): WordJudge {
  return wordJudge(ids.map((id) => knownSource(id)))
}
