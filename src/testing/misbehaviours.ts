/** What the emulated transmitter can do wrong, or merely oddly, while the switch is on. */
export const misbehaviours = {
  'create-wrong-iss': 'the answer to a create names another `iss` (SSF-R19)',
  'verify-at-creation':
    'an unsolicited verification is pushed before the create is answered, or queued (SSF-R27)',
  'verify-wrong-state': 'verification events carry another `state` than was asked for (SSF-R26)',
  'verify-wrong-subject': 'verification and stream-updated events are about another stream (SSF-T14)',
  'verify-unasked-state': 'unsolicited verification events carry a `state` (2.5)',
  'verify-before-answer': 'a verification is pushed before the request for it is answered',
  'verify-never': 'a verification is promised and never sent',
  'sets-wrong-iss': 'SETs name another `iss` than the stream (SSF-R7)',
  'sets-wrong-aud': 'SETs are meant for another receiver (SSF-R33)',
  'sets-tampered': 'the signature of every SET is spoiled',
  'sets-again':
    'every SET is sent twice by push, and again after it was acknowledged by poll (SSF-R36, SSF-R48)',
  'poll-wrong-key': 'a poll answer names each SET by another key than its `jti` (SSF-R50)',
  'poll-ignores-max': 'a poll answer holds everything, whatever `maxEvents` says (SSF-R46)',
  'poll-made-up': 'every poll answer is full of made-up names of what is no SET, and says that there is more',
  'poll-crowded': 'every poll answer has a million values beside `sets`, and says that there is more',
  'answers-202': 'updates of configuration and status are answered with 202 and no body (SSF-R23)',
  'removed-subjects-go-on': 'events about removed subjects are still sent (SSF-R31, SSF-T20)',
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
