/** What the emulated transmitter can do wrong, or merely oddly, while the switch is on. */
export const misbehaviours = {
  'create-wrong-iss': 'the answer to a create names another `iss` (SSF 1.0 §8.1.1.1.1)',
  'verify-at-creation':
    'an unsolicited verification is pushed before the create is answered, or queued (SSF 1.0 §8.1.4)',
  'verify-wrong-state': 'verification events carry another `state` than was asked for (SSF 1.0 §8.1.4.1)',
  'verify-wrong-subject': 'verification and stream-updated events are about another stream (SSF 1.0 §8.1.4)',
  'verify-unasked-state': 'unsolicited verification events carry a `state` (SSF-C5)',
  'verify-before-answer': 'a verification is pushed before the request for it is answered',
  'verify-never': 'a verification is promised and never sent',
  'sets-wrong-iss': 'SETs name another `iss` than the stream (SSF 1.0 §4.1.6)',
  'sets-wrong-aud': 'SETs are meant for another receiver (RFC 8935 §2)',
  'sets-tampered': 'the signature of every SET is spoiled',
  'sets-again':
    'every SET is sent twice by push, and again after it was acknowledged by poll (RFC 8935 §2, RFC 8936 §2.4)',
  'poll-wrong-key': 'a poll answer names each SET by another key than its `jti` (SSF-C7)',
  'poll-ignores-max': 'a poll answer holds everything, whatever `maxEvents` says (RFC 8936 §2.2)',
  'poll-made-up': 'every poll answer is full of made-up names of what is no SET, and says that there is more',
  'poll-crowded': 'every poll answer has a million values beside `sets`, and says that there is more',
  'answers-202': 'updates of configuration and status are answered with 202 and no body (SSF 1.0 §8.1.1.3)',
  'removed-subjects-go-on': 'events about removed subjects are still sent (SSF 1.0 §9.3)',
  'tokens-never-good': 'access tokens are issued and then refused everywhere with 401',
  keycloak: 'it answers as Keycloak 26.7.3 does; on when it starts, or not at all',
  authentik: 'the same, as authentik does',
  i2gosignals: 'the same, as i2goSignals 0.11.1 does',
  protocolsoup: 'the same, as ProtocolSoup does',
} as const

export type MisbehaviourName = keyof typeof misbehaviours

export const misbehaviourNames = Object.keys(misbehaviours) as readonly MisbehaviourName[] // its own keys

export function isMisbehaviourName(name: string): name is MisbehaviourName {
  return Object.hasOwn(misbehaviours, name)
}

/** The switches, all off at first. */
export type Switches = Set<MisbehaviourName>
