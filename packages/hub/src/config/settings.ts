import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import ipaddr from 'ipaddr.js'
import { parseIJson, type JsonValue } from '@watchbell/receiver/base'
import { parseOutboundAllow, nothingAllowed, type OutboundAllow } from '../base/outbound-allow.ts'
import { readNeverDenied, type NeverDenied } from '../policy/never-denied.ts'
import { defaultOutcomeRules, readOutcomeRules, type OutcomeRules } from '../policy/outcome.ts'
import { readOutcomeTable, type OutcomeTable } from '../policy/outcome-table.ts'
import { riskActions, type RiskAction } from '../risk/risk-action.ts'
import { untimedTreatments, type UntimedTreatment } from '../policy/untimed-sessions.ts'
import { readRiskOverrides, type RiskOverride } from '../risk/risk-rules.ts'
import { readSecret } from './secret-file.ts'
import { fileEntry, readOneOf, setting, SettingProblem, type SettingEntry } from './setting.ts'
import {
  readTracing,
  tracingEntries,
  type ReadTracing,
  type TracingSettings,
  type TracingTexts,
} from './tracing.ts'

export { SettingProblem, type SettingEntry } from './setting.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Where the first admin token goes; `none` makes none. */
export type FirstTokenPlace = 'print' | 'none' | { readonly file: string }

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The hub's own settings; those of OpenTelemetry are in tracing.ts. */
const hubEntries = {
  listen: setting<ListenAddress>(
    'WATCHBELL_LISTEN',
    { host: '127.0.0.1', port: 8080 },
    {
      default: '127.0.0.1:8080',
      meaning: 'Address and port to listen on, `host:port`; write an IPv6 address in brackets.',
      read: readListen,
    },
  ),
  origin: setting<string | undefined>('WATCHBELL_ORIGIN', undefined, {
    default: 'http://<listen>',
    meaning: 'Public origin of the hub, used in `_links`, as issuer, and as the `aud` that SETs must have.',
    read: readOrigin,
  }),
  data: setting('WATCHBELL_DATA', './watchbell-data', {
    default: './watchbell-data',
    meaning: 'Folder of the embedded database and of the generated secret key.',
    read: nonBlank,
  }),
  databaseUrl: setting<string | undefined>('WATCHBELL_DATABASE_URL', undefined, {
    default: 'the embedded database in the data folder',
    meaning:
      'PostgreSQL 12 or newer instead of the embedded database, `postgres://user:password@host:5432/database`, for one or several hubs; WATCHBELL_SECRET_KEY must be set then, and the data folder is not used.',
    secret: true,
    read: readDatabaseUrl,
  }),
  adminToken: setting<string | undefined>('WATCHBELL_ADMIN_TOKEN', undefined, {
    meaning:
      'An API token (SSWS) with the role admin that is valid from the start; without it, the first start makes one (WATCHBELL_FIRST_TOKEN). 16 characters at least, unless only this machine reaches the hub: WATCHBELL_LISTEN and WATCHBELL_ORIGIN are both loopback.',
    secret: true,
    read: readAdminToken,
  }),
  firstToken: setting<FirstTokenPlace>('WATCHBELL_FIRST_TOKEN', 'print', {
    default: 'print',
    meaning:
      'Where the first start puts the admin token that it makes: standard output, once (print), a new file that only its owner may read (file:PATH), or nowhere, because none is made (none); then `watchbell token create` makes one.',
    read: readFirstTokenPlace,
  }),
  secretKey: setting<Uint8Array | undefined>('WATCHBELL_SECRET_KEY', undefined, {
    default: 'the file secret.key in the data folder, made at the first start',
    meaning: 'Key that encrypts secrets at rest: 32 bytes, base64.',
    secret: true,
    read: readSecretKey,
  }),
  standby: setting<'auto' | 'true' | 'false'>('WATCHBELL_STANDBY', 'auto', {
    default: 'auto',
    meaning:
      'Whether the hub is a standby, which serves its data but accepts no signals, contacts no transmitters and deletes nothing: true, false, or auto. auto is true on a copy, that is, a restored backup or a database whose hub had another WATCHBELL_ORIGIN; false turns a copy into the active hub permanently.',
    whenBare: 'true',
    read: (text) => readOneOf(text, ['auto', 'true', 'false']),
  }),
  outboundAllow: setting<OutboundAllow>('WATCHBELL_OUTBOUND_ALLOW', nothingAllowed, {
    default: 'nothing beyond public https addresses',
    meaning:
      'Hosts, host:port pairs, addresses and CIDR blocks that the hub may fetch from even if they are private or use http; separated by commas.',
    read: readOutboundAllow,
  }),
  caFile: setting<readonly string[]>('WATCHBELL_CA_FILE', [], {
    default: "the system's certificate authorities alone",
    meaning:
      'Path of a PEM file with certificate authorities that the hub trusts in addition to those of the system, for every fetch and for a PostgreSQL database with SSL.',
    read: readCaFile,
  }),
  trustedProxies: setting<readonly string[]>('WATCHBELL_TRUSTED_PROXIES', [], {
    default: 'none',
    meaning:
      'Addresses and CIDR blocks of proxies whose X-Forwarded-For header the hub trusts (it ignores ports in the header); separated by commas.',
    read: readBlocks,
  }),
  logLevel: setting<LogLevel>('WATCHBELL_LOG_LEVEL', 'info', {
    default: 'info',
    meaning: 'Lowest level that the process log contains: debug, info, warn or error.',
    read: (text) => readOneOf(text, ['debug', 'info', 'warn', 'error']),
  }),
  logFormat: setting<'json' | 'text'>('WATCHBELL_LOG_FORMAT', 'json', {
    default: 'json',
    meaning:
      'Format of the process log: one JSON object per line (json), or one line of text per message (text).',
    read: (text) => readOneOf(text, ['json', 'text']),
  }),
  signalRetentionDays: setting('WATCHBELL_SIGNAL_RETENTION_DAYS', 365, {
    default: '365',
    meaning:
      'How many days the hub keeps a signal after handling it, 1 to 3650; 0 keeps it for ever. A SET repeated after that counts as new.',
    read: (text) => integer(text, 0, 3_650),
  }),
  tokenRetentionDays: setting('WATCHBELL_TOKEN_RETENTION_DAYS', 90, {
    default: '90',
    meaning:
      'How many days the hub keeps the token of a signal as evidence, 1 to 3650, but never longer than the signal; 0 keeps it as long as the signal.',
    read: (text) => integer(text, 0, 3_650),
  }),
  logRetentionDays: setting('WATCHBELL_LOG_RETENTION_DAYS', 90, {
    default: '90',
    meaning: 'How many days the hub keeps System Log entries, 1 to 3650; 0 keeps them for ever.',
    read: (text) => integer(text, 0, 3_650),
  }),
  riskHistoryRetentionDays: setting('WATCHBELL_RISK_HISTORY_RETENTION_DAYS', 90, {
    default: '90',
    meaning:
      'How many days the hub keeps a reason after another has replaced it, 1 to 3650; 0 keeps it for ever.',
    read: (text) => integer(text, 0, 3_650),
  }),
  apiRequestsPerMinute: setting('WATCHBELL_API_REQUESTS_PER_MINUTE', 600, {
    default: '600',
    meaning:
      'API requests per minute for each token or client, or for each address before the caller is known, counted over all hubs on one database; hubs exchange their counts every second. 0 means no limit.',
    read: (text) => integer(text, 0, 1_000_000),
  }),
  refusalsPerMinute: setting('WATCHBELL_REFUSALS_PER_MINUTE', 600, {
    default: '600',
    meaning:
      'Refused SETs per minute for each issuer and each source address before the answer is 429; 0 is without limit. SETs that verify are never limited.',
    read: (text) => integer(text, 0, 1_000_000),
  }),
  setsPerMinute: setting('WATCHBELL_SETS_PER_MINUTE', 60_000, {
    default: '60000',
    meaning:
      'Verified SETs per minute for each provider, counted over all hubs on one database; a SET counts once for each identifier of its subject. Beyond the limit, pushes are answered 429 with Retry-After and polls wait. 0 means no limit.',
    read: (text) => integer(text, 0, 100_000_000),
  }),
  setBytesPerMinute: setting('WATCHBELL_SET_BYTES_PER_MINUTE', 134_217_728, {
    default: '134217728',
    meaning:
      'Bytes of verified SETs per minute for each provider, counted over all hubs on one database; 0 means no limit.',
    read: (text) => integer(text, 0, 1_000_000_000_000),
  }),
  transmitterTimeoutS: setting('WATCHBELL_TRANSMITTER_TIMEOUT_SECONDS', 10, {
    default: '10',
    meaning:
      'How many seconds one request to a transmitter may take, 1 to 120: for its metadata, an access token, or something about a stream. Polls have limits of their own.',
    read: (text) => integer(text, 1, 120),
  }),
  checkKeysOnCreate: setting('WATCHBELL_CHECK_KEYS_ON_CREATE', false, {
    default: 'false',
    meaning:
      'Whether the hub accepts a provider only if its JWKS URL answers with a usable key: true or false.',
    read: boolean,
  }),
  riskRules: setting<readonly RiskOverride[]>('WATCHBELL_RISK_RULES', [], {
    default: 'the table of docs/risk.md as it is',
    meaning: 'Path of a JSON file that overrides the built-in table of what security events mean for risk.',
    read: readRiskRules,
  }),
  unknownUsers: setting<'welcome' | 'ignored'>('WATCHBELL_UNKNOWN_USERS', 'welcome', {
    default: 'welcome',
    meaning:
      'How the hub treats events about users that were not loaded: like events about any other user (welcome), or without any effect, as at Okta (ignored).',
    read: (text) => readOneOf(text, ['welcome', 'ignored']),
  }),
  riskProvidersMax: setting('WATCHBELL_RISK_PROVIDERS_MAX', 3, {
    default: '3',
    meaning: 'Maximum number of risk providers, 1 to 100; Okta allows three.',
    read: (text) => integer(text, 1, 100),
  }),
  riskEventRequestsPerMinute: setting('WATCHBELL_RISK_EVENT_REQUESTS_PER_MINUTE', 30, {
    default: '30',
    meaning: 'Requests with risk events per minute for each risk provider; 0 is without limit.',
    read: (text) => integer(text, 0, 1_000_000),
  }),
  deprecationHeaders: setting('WATCHBELL_DEPRECATION_HEADERS', false, {
    default: 'false',
    meaning:
      'Whether answers of APIs that Okta calls deprecated (risk providers and risk events) say so in a Deprecation header (RFC 9745): true or false.',
    read: boolean,
  }),
  neverDenied: setting<NeverDenied>('WATCHBELL_NEVER_DENIED', new Set(), {
    default: 'nobody',
    meaning:
      'People that the hub never denies or challenges at sign-in, such as emergency accounts: at most 20 sign-in names or email addresses as the evaluation requests give them, separated by commas. The notes and the System Log show the outcome that would have applied.',
    read: readPeople,
  }),
  riskOutcomes: setting<OutcomeRules>('WATCHBELL_RISK_OUTCOMES', defaultOutcomeRules, {
    default: 'HIGH=deny,MEDIUM=challenge',
    meaning:
      'Outcome at sign-in for each risk level of a user, device, session or address: allow, challenge or deny; a level that is not listed means allow.',
    read: readOutcomes,
  }),
  outcomeTable: setting<OutcomeTable>('WATCHBELL_OUTCOME_TABLE', [], {
    default: 'WATCHBELL_RISK_OUTCOMES for every question',
    meaning:
      'Path of a JSON file with the outcomes of risk levels for particular actions and resources; see docs/access-evaluation.md.',
    read: readTable,
  }),
  newProviderAction: setting<RiskAction>('WATCHBELL_NEW_PROVIDER_ACTION', 'enforce_and_log', {
    default: 'enforce_and_log',
    meaning:
      'Action of a newly registered security events provider until an administrator changes it: enforce_and_log, log_only or none. Risk providers start with log_only.',
    read: (text) => readOneOf(text, riskActions),
  }),
  logEvaluations: setting<'all' | 'non_allow'>('WATCHBELL_LOG_EVALUATIONS', 'all', {
    default: 'all',
    meaning:
      'Which evaluations the System Log records: all, or only those that do not allow (non_allow), for busy installations.',
    read: (text) => readOneOf(text, ['all', 'non_allow']),
  }),
  forwardAuthUserHeader: setting('WATCHBELL_FORWARD_AUTH_USER_HEADER', 'X-Forwarded-User', {
    default: 'X-Forwarded-User',
    meaning: 'Header in which a trusted proxy names the user when it asks /access/v1/forward-auth.',
    read: headerName,
  }),
  forwardAuthAddressHeader: setting('WATCHBELL_FORWARD_AUTH_ADDRESS_HEADER', 'X-Forwarded-For', {
    default: 'X-Forwarded-For',
    meaning:
      'Header in which a trusted proxy names the address of the user when it asks /access/v1/forward-auth; in a list, the last address that is not a trusted proxy counts.',
    read: headerName,
  }),
  forwardAuthSessionHeader: setting<string | undefined>('WATCHBELL_FORWARD_AUTH_SESSION_HEADER', undefined, {
    default: 'none: a client could send it where the proxy does not set it',
    meaning:
      "Header in which a trusted proxy gives the session's id when it asks /access/v1/forward-auth, such as X-Watchbell-Session; the proxy must replace what the client sent.",
    read: headerName,
  }),
  forwardAuthSignedInHeader: setting<string | undefined>(
    'WATCHBELL_FORWARD_AUTH_SIGNED_IN_HEADER',
    undefined,
    {
      default: 'none: a client could send it where the proxy does not set it',
      meaning:
        'Header in which a trusted proxy gives the time of the last sign-in when it asks /access/v1/forward-auth, such as X-Watchbell-Signed-In: seconds since 1970 or ISO 8601; the proxy must replace what the client sent.',
      read: headerName,
    },
  ),
  forwardAuthUntimed: setting<UntimedTreatment>('WATCHBELL_FORWARD_AUTH_UNTIMED', 'ask_once', {
    default: 'ask_once',
    meaning:
      'Effect of a revocation of all sessions of a user at /access/v1/forward-auth when the proxy gives no time of sign-in: the user must sign in again once for each revocation (ask_once), or none (ignore).',
    read: (text) => readOneOf(text, untimedTreatments),
  }),
  forwardAuthSessionDays: setting('WATCHBELL_FORWARD_AUTH_SESSION_DAYS', 400, {
    default: '400',
    meaning:
      'Maximum age in days, 1 to 400, of a session behind the proxies that ask /access/v1/forward-auth: if the proxy gives no time of sign-in, older revocations do not ask the user to sign in again.',
    read: (text) => integer(text, 1, 400),
  }),
  forwardAuthToken: setting<string | undefined>('WATCHBELL_FORWARD_AUTH_TOKEN', undefined, {
    meaning:
      'Token that a proxy must send in X-Watchbell-Token when it asks /access/v1/forward-auth; if it is not set, the address of the proxy is enough. The same minimum length applies as for WATCHBELL_ADMIN_TOKEN.',
    secret: true,
    read: readAdminToken,
  }),
  metricsListen: setting<ListenAddress | undefined>('WATCHBELL_METRICS_LISTEN', undefined, {
    default: 'no metrics',
    meaning:
      'Address and port that answer `GET /metrics` (Prometheus), `host:port` such as 127.0.0.1:9464; they are readable without credentials.',
    read: readListen,
  }),
} as const

/** Every setting. docs/configuration.md is generated from this list. */
export const settingEntries = { ...hubEntries, ...tracingEntries } as const

/** What may be given: every setting, and for each secret a file that holds it. */
export const givenEntries: readonly SettingEntry<unknown>[] = Object.values<SettingEntry<unknown>>(
  settingEntries,
).flatMap((entry) => (entry.secret ? [entry, fileEntry(entry)] : [entry]))

export type SettingName = keyof typeof settingEntries
type HubValues = { [Name in keyof typeof hubEntries]: (typeof hubEntries)[Name]['fallback'] }
type SecretName = 'databaseUrl' | 'adminToken' | 'secretKey' | 'forwardAuthToken'

/** What may be logged, apart from what never is. */
export interface Settings extends Omit<HubValues, SecretName> {
  /** Where none was set, `http://` and the listen address. */
  readonly origin: string
  /** Whether WATCHBELL_ORIGIN was set. */
  readonly isOriginGiven: boolean
  /** Undefined when traces are off. */
  readonly tracing: TracingSettings | undefined
  /** What was ignored, and why: for the log, when the hub starts. */
  readonly warnings: readonly string[]
  readonly secrets: Pick<HubValues, SecretName> & {
    /** For the receiver of traces. */
    readonly otlpHeaders: ReadTracing['headers']
  }
}

/** Several settings were wrong: every one of them is named. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`These settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/** Texts by variable, with a word on where each came from. */
export interface SettingSource {
  readonly where: (entry: SettingEntry<unknown>) => string
  readonly text: (entry: SettingEntry<unknown>) => string | undefined
}

/**
 * Reads every setting, earlier sources first. Empty texts count as not set.
 * @param unknownNames - of variables that are no settings: refused as typos
 * @param listens - whether the hub is to be reached: what only works on its data needs no origin
 * @throws SettingsError naming every bad value at once
 */
export function readSettings(
  sources: readonly SettingSource[],
  unknownNames: readonly string[] = [],
  listens = true,
): Settings {
  const problems = unknownNames.map((name) => `${name}: there is no such setting${didYouMean(name)}`)
  const valuesOf = (entries: Readonly<Record<string, SettingEntry<unknown>>>): unknown =>
    Object.fromEntries(
      Object.entries(entries).map(([name, entry]) => [name, valueOf(entry, sources, problems)]),
    )
  const values = valuesOf(hubEntries) as HubValues // each entry wrote its own type
  const tracing = readTracing(valuesOf(tracingEntries) as TracingTexts) // these are texts
  if (problems.length > 0) throw new SettingsError(problems)
  return combine(values, tracing, listens)
}

/** @param problems - receives a message for each bad value */
function valueOf(
  entry: SettingEntry<unknown>,
  sources: readonly SettingSource[],
  problems: string[],
): unknown {
  const isGiven = (source: SettingSource, of: SettingEntry<unknown>): boolean =>
    (source.text(of) ?? '') !== ''
  const file = entry.secret ? fileEntry(entry) : undefined
  const source = sources.find(
    (source) => isGiven(source, entry) || (file !== undefined && isGiven(source, file)),
  )
  if (source === undefined) return entry.fallback
  const given = file !== undefined && isGiven(source, file) ? file : entry
  try {
    if (given === file && isGiven(source, entry)) {
      throw new SettingProblem(`${source.where(entry)} is set too; give one of the two`)
    }
    return entry.read(given === file ? readSecretFile(source.text(file) ?? '') : (source.text(entry) ?? ''))
  } catch (error) {
    if (!(error instanceof SettingProblem)) throw error
    problems.push(`${source.where(given)}: ${error.message}`)
    return entry.fallback
  }
}

const untimedIgnored =
  'WATCHBELL_FORWARD_AUTH_UNTIMED=ignore: if a proxy gives no time of sign-in, a revocation of all sessions of a user has no effect there'

/** Of a secret or a settings file: longer ones are neither. */
const secretFileBytesMax = 65_536

/** @throws SettingProblem that says nothing of what the file holds */
function readSecretFile(file: string): string {
  const read = readSecret(file, secretFileBytesMax)
  if ('problem' in read) throw new SettingProblem(read.problem)
  return read.secret
}

const tokenCharsMin = 16

function combine(given: HubValues, { tracing, headers, warnings }: ReadTracing, listens: boolean): Settings {
  const { databaseUrl, adminToken, secretKey, forwardAuthToken, ...values } = given
  const { host, port } = values.listen
  const shownHost = host.includes(':') ? `[${host}]` : host
  const origin = values.origin ?? `http://${shownHost}:${port}`
  const reachedAs = [host, URL.parse(origin)?.hostname ?? ''].find((each) => !isLoopback(each))
  if (reachedAs !== undefined) {
    const short = Object.entries({ adminToken, forwardAuthToken } as const).filter(
      ([, token]) => token !== undefined && token.length < tokenCharsMin,
    )
    if (short.length > 0) {
      throw new SettingsError(
        short.map(
          ([name]) =>
            `${hubEntries[name as 'adminToken'].variable}: a token of fewer than ${tokenCharsMin} characters can be guessed, and other machines can reach the hub (${reachedAs === host ? `WATCHBELL_LISTEN=${shownHost}:${port}` : `WATCHBELL_ORIGIN=${origin}`}); use a longer random one, such as \`openssl rand -hex 20\` makes`,
        ),
      )
    }
  }
  if (listens && values.origin === undefined && (host === '0.0.0.0' || host === '::')) {
    throw new SettingsError([
      `WATCHBELL_ORIGIN must be set when WATCHBELL_LISTEN is ${shownHost}:${port}: senders and clients cannot use that address`,
    ])
  }
  if (databaseUrl !== undefined && secretKey === undefined) {
    throw new SettingsError([
      'WATCHBELL_SECRET_KEY must be set when WATCHBELL_DATABASE_URL is: every hub on one database needs the same key; `openssl rand -base64 32` makes one',
    ])
  }
  const { metricsListen } = values
  if (metricsListen?.port === port && port !== 0) {
    throw new SettingsError([
      `WATCHBELL_METRICS_LISTEN has the port of WATCHBELL_LISTEN (${port}): metrics are not for everyone who reaches the hub; give them a port of their own`,
    ])
  }
  return {
    ...values,
    origin,
    isOriginGiven: values.origin !== undefined,
    tracing,
    warnings: [...warnings, ...(values.forwardAuthUntimed === 'ignore' ? [untimedIgnored] : [])],
    secrets: { databaseUrl, adminToken, secretKey, forwardAuthToken, otlpHeaders: headers },
  }
}

/** @param host - a name or an address, with or without brackets */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || (ipaddr.isValid(bare) && ipaddr.process(bare).range() === 'loopback')
}

function didYouMean(name: string): string {
  const words = (text: string): Set<string> => new Set(text.toLowerCase().split('_'))
  const asked = words(name)
  const close = Object.values(settingEntries)
    .map(({ variable }) => ({
      variable,
      shared: [...words(variable)].filter((word) => asked.has(word)).length,
    }))
    .filter(({ shared }) => shared > 1)
    .toSorted((a, b) => b.shared - a.shared)[0]
  return close === undefined ? '' : `; did you mean ${close.variable}?`
}

function readListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) {
    throw new SettingProblem(`'${text}' is not host:port, such as 127.0.0.1:8080 or [::1]:8080`)
  }
  return { host, port }
}

function readOrigin(text: string): string {
  const url = URL.parse(text)
  const plain = url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.username === ''
  if (!plain || (text !== url.origin && text !== `${url.origin}/`)) {
    throw new SettingProblem(
      `${text.includes('@') ? 'what stands there, with a user or password,' : `'${text}'`} is not an origin, such as https://hub.example: scheme, host and port, no path`,
    )
  }
  return url.origin
}

function readAdminToken(text: string): string {
  if (!/^[\x21-\x7e]{1,512}$/.test(text)) {
    throw new SettingProblem('a token is 1 to 512 printable ASCII characters without spaces')
  }
  return text
}

/** The error message never quotes the value: it may contain a password. */
function readDatabaseUrl(text: string): string {
  // Where the host stands in the query, as with libpq, URLs do not allow a user before the one that is missing.
  const complete = text.replace(/^(postgres(?:ql)?:\/\/[^/?#@]*@)(?=\/[^@]*[?&]host=)/, '$1localhost')
  const url = databaseUrlPattern.test(complete) && isPercentEncoded(complete) ? URL.parse(complete) : null
  if (url === null || (url.hostname === '' && (url.searchParams.get('host') ?? '') === '')) {
    throw new SettingProblem(
      'it is not the URL of a PostgreSQL database, such as postgres://user:password@host:5432/database or postgres:///database?host=/run/postgresql; what is special in a user or password (@ / : ? # %) is percent-encoded',
    )
  }
  return complete
}

/** No part may hold what begins another: a password would be taken for a host, and be looked up and shown. */
const databaseUrlPattern =
  /^postgres(?:ql)?:\/\/(?:[^\s/?#@:]*(?::[^\s/?#@]*)?@)?(?:[\w.%-]*|\[[\da-f:.]+\])(?::\d{1,5})?\/[^\s/?#@:]+(?:\?(?:[a-z_]+=[^\s?#@&]*(?:&|$))+)?$/i

function isPercentEncoded(text: string): boolean {
  try {
    return decodeURIComponent(text) !== ''
  } catch {
    return false
  }
}

function readSecretKey(text: string): Uint8Array {
  const key = Buffer.from(text, 'base64')
  if (key.length !== 32 || key.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) {
    throw new SettingProblem('it is not 32 bytes in base64; `openssl rand -base64 32` makes one')
  }
  return key
}

function readOutboundAllow(text: string): OutboundAllow {
  const parsed = parseOutboundAllow(text)
  if (!parsed.ok) throw new SettingProblem(parsed.problems.join('; '))
  return parsed.value
}

function readCaFile(path: string): readonly string[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new SettingProblem(
      `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (certificates.length === 0) throw new SettingProblem(`the file ${path} holds no PEM certificate`)
  const unreadable = certificates.findIndex((certificate) => !isCertificate(certificate))
  if (unreadable === -1) return certificates
  throw new SettingProblem(`certificate ${unreadable + 1} of the file ${path} cannot be read`)
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

function readBlocks(text: string): readonly string[] {
  const parsed = parseOutboundAllow(text)
  if (!parsed.ok || parsed.value.names.length > 0) {
    throw new SettingProblem(
      `'${text}' is not a list of addresses and CIDR blocks, such as 10.0.0.0/8, 192.0.2.1`,
    )
  }
  return parsed.value.blocks.map(({ block: [parsedAddress, bits], port }) => {
    const address = parsedAddress.toString()
    if (port !== undefined) throw new SettingProblem(`${address}:${port} has a port; give the address alone`)
    if (bits === 0) {
      throw new SettingProblem(
        `${address}/0 is every address, so that anybody could say who they are; name the proxies' own`,
      )
    }
    const isWhole = bits === (parsedAddress.kind() === 'ipv4' ? 32 : 128)
    return isWhole ? address : `${address}/${bits}`
  })
}

function readFirstTokenPlace(text: string): FirstTokenPlace {
  if (text === 'print' || text === 'none') return text
  const [, file] = /^file:(.*\S.*)$/.exec(text) ?? []
  if (file === undefined || file.includes('\0')) {
    throw new SettingProblem(
      `'${text}' is not print, none or file:PATH, such as file:/run/watchbell/admin-token`,
    )
  }
  return { file }
}

function readJsonFile(file: string): JsonValue {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new SettingProblem(
      `the file '${file}' cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  const parsed = parseIJson(bytes)
  if (!parsed.ok) throw new SettingProblem(`the file '${file}' is not JSON: ${parsed.reason}`)
  return parsed.value
}

function readTable(file: string): OutcomeTable {
  const table = readOutcomeTable(readJsonFile(file))
  if ('problems' in table) throw new SettingProblem(`in the file '${file}' ${table.problems.join('; ')}`)
  return table
}

function readRiskRules(file: string): readonly RiskOverride[] {
  const overrides = readRiskOverrides(readJsonFile(file))
  if (!overrides.ok) throw new SettingProblem(`in the file '${file}' ${overrides.problems.join('; ')}`)
  return overrides.value
}

function readPeople(text: string): NeverDenied {
  const people = readNeverDenied(text)
  if (typeof people === 'string') throw new SettingProblem(people)
  return people
}

function readOutcomes(text: string): OutcomeRules {
  const rules = readOutcomeRules(text)
  if (typeof rules === 'string') throw new SettingProblem(rules)
  return rules
}

function headerName(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) {
    throw new SettingProblem(
      `'${text}' is not the name of a header: letters, digits, hyphens and underscores`,
    )
  }
  return text
}

function nonBlank(text: string): string {
  if (text.trim() === '') throw new SettingProblem('it is blank')
  return text
}

function integer(text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new SettingProblem(`'${text}' is not a whole number from ${min} to ${max}`)
}

function boolean(text: string): boolean {
  return readOneOf(text, ['true', 'false']) === 'true'
}
