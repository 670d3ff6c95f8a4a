import type { EmulatedStatus } from './emulated-streams.ts'

/** What sets a real transmitter apart from the emulated one, as its version was seen to answer. */
export interface Personality {
  /** Path of the issuer behind the origin. */
  readonly issuerPath: string
  /** Paths of the management API, behind the origin. */
  readonly paths: Readonly<
    Record<'configuration' | 'status' | 'verification' | 'addSubject' | 'removeSubject' | 'token', string>
  >
  /** What its RFC 9728 document, which is for the whole host, names; undefined when it has none. */
  readonly scopesSupported: readonly string[] | undefined
  /** Path of its authorization server's issuer behind the origin. */
  readonly authorizationServerPath: string
  /** Whether a token that was asked for without a scope is good for nothing, and then answered with an empty 401. */
  readonly scopeMustBeAsked: boolean
  /** Pushes the verification event inside its answer to the request for it, and waits so long; undefined: afterwards. */
  readonly pushesWhileVerifyingMs: number | undefined
  /** Its status after a verification event that it pushed was refused. */
  readonly afterRefusedVerification: EmulatedStatus
  readonly eventsSupported: readonly string[] | undefined
  readonly minVerificationIntervalS: number | undefined
  readonly criticalSubjectMembers: readonly string[] | undefined
  /** Of its metadata, and of each stream. */
  readonly defaultSubjects: readonly [metadata: 'ALL' | 'NONE', stream: 'ALL' | 'NONE' | undefined]
  /** Shows what was asked for in an order of its own, unknown types too. */
  readonly sortsRequested: boolean
  readonly unknownEvents: 'ignored' | 'refused'
  /** Adds SSF's verification to what was asked for. */
  readonly addsVerification: boolean
  /** Shows `aud` only where the receiver asked for one. */
  readonly audience: 'always' | 'when-asked'
  /** Whether a stream is polled with a credential of its own, from the create answer. */
  readonly ownPollCredential: boolean
  readonly patch: 'supported' | 404
  /** Whether the answer to a PUT leaves out where a stream is polled. */
  readonly putHidesPollUrl: boolean
  /** Tells a status in an object, and announces the receiver's own changes too. */
  readonly statusInObject: boolean
}

export const usualPaths: Personality['paths'] = {
  configuration: '/ssf/streams',
  status: '/ssf/status',
  verification: '/ssf/verify',
  addSubject: '/ssf/subjects:add',
  removeSubject: '/ssf/subjects:remove',
  token: '/oauth/token',
}

const usual: Omit<Personality, 'scopesSupported'> = {
  issuerPath: '',
  authorizationServerPath: '',
  paths: usualPaths,
  scopeMustBeAsked: false,
  pushesWhileVerifyingMs: undefined,
  afterRefusedVerification: 'enabled',
  eventsSupported: undefined,
  minVerificationIntervalS: undefined,
  criticalSubjectMembers: undefined,
  defaultSubjects: ['ALL', undefined],
  sortsRequested: false,
  unknownEvents: 'ignored',
  addsVerification: false,
  audience: 'always',
  ownPollCredential: false,
  patch: 'supported',
  putHidesPollUrl: false,
  statusInObject: false,
}

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const keycloakRealm = '/realms/acme'
const keycloakSsf = `${keycloakRealm}/ssf/transmitter`

export const personalities = {
  /** Version 26.7.3, run beside the hub; a client whose `ssf.defaultSubjects` is ALL. */
  keycloak: {
    ...usual,
    issuerPath: keycloakRealm,
    authorizationServerPath: keycloakRealm,
    paths: {
      configuration: `${keycloakSsf}/streams`,
      status: `${keycloakSsf}/streams/status`,
      verification: `${keycloakSsf}/verify`,
      addSubject: `${keycloakSsf}/subjects/add`,
      removeSubject: `${keycloakSsf}/subjects/remove`,
      token: `${keycloakRealm}/protocol/openid-connect/token`,
    },
    scopesSupported: undefined,
    scopeMustBeAsked: true,
    pushesWhileVerifyingMs: 1_000,
    eventsSupported: [`${caep}credential-change`, `${caep}session-revoked`],
    minVerificationIntervalS: 60,
    criticalSubjectMembers: ['user'],
    defaultSubjects: ['NONE', 'ALL'],
    sortsRequested: true,
    putHidesPollUrl: true,
    statusInObject: true,
  },
  /** Its SSF provider, read and enacted. */
  authentik: {
    ...usual,
    issuerPath: '/.well-known/ssf-configuration/app',
    scopesSupported: undefined,
    eventsSupported: [`${caep}credential-change`, `${caep}session-revoked`],
    unknownEvents: 'refused',
    addsVerification: true,
  },
  /** i2goSignals 0.11.1. */
  i2gosignals: {
    ...usual,
    scopesSupported: ['event', 'stream', 'admin', 'reg', 'key'],
    afterRefusedVerification: 'disabled',
    audience: 'when-asked',
    ownPollCredential: true,
    patch: 404,
  },
  /** ProtocolSoup's `cmd/server`, with a Keycloak as its authorization server. */
  protocolsoup: {
    ...usual,
    scopesSupported: ['openid', 'profile', 'email', 'offline_access'],
    pushesWhileVerifyingMs: 10_000,
  },
} as const satisfies Readonly<Record<string, Personality>>

export type PersonalityName = keyof typeof personalities

export const personalityNames = Object.keys(personalities) as readonly PersonalityName[] // its own keys

/** The only personality among the switches. @throws Error when there are several */
export function personalityAmong(switches: Iterable<string>): Personality | undefined {
  const on = new Set(switches)
  const named = personalityNames.filter((name) => on.has(name))
  if (named.length > 1) throw new Error(`A transmitter is one of ${named.join(', ')}, not several.`)
  const [name] = named
  return name && personalities[name]
}
