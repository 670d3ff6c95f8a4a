import { HubError, isHubError } from '../base/hub-error.ts'
import { inSentence } from '@watchbell/receiver/base'
import type { Provider } from '../providers/provider.ts'
import { dialectAdvice, type Dialect } from '@watchbell/receiver/set'
import { withoutQuery, type TransmitterMetadata } from './discovery.ts'
import { isFrameworkEvent } from './stream-wishes.ts'
import { isConnected, type Stream } from './stream.ts'
import type { StreamProbe, Streams } from './streams.ts'

/** One requirement of a working stream; each depends on those before it. */
export interface HealthCheck {
  readonly name:
    | 'dns'
    | 'tls'
    | 'metadata'
    | 'keys'
    | 'token'
    | 'stream'
    | 'status'
    | 'events'
    | 'subjects'
    | 'verification'
    | 'delivery'
    | 'last_event'
  /** `unknown`: an earlier check has to succeed first, or there is no data yet. */
  readonly result: 'ok' | 'warning' | 'failed' | 'unknown'
  /** The state, or the problem and what to do. */
  readonly detail: string
}

export interface StreamHealth {
  readonly healthy: boolean
  readonly checks: readonly HealthCheck[]
}

export interface HealthDeps {
  readonly now: () => Date
  /** @throws HubError */
  readonly readMetadata: (provider: Provider) => Promise<TransmitterMetadata>
  /** The dialects switched on for a provider. */
  readonly dialectsOf: (providerId: string) => ReadonlySet<Dialect>
  /** @returns how many keys can verify SETs. @throws HubError */
  readonly countKeys: (provider: Provider) => Promise<number>
  /** Inspects the stream at the transmitter. @throws HubError */
  readonly probe: Streams['probe']
}

/** How long a verification event may take before its absence is a failure. */
export const verificationWaitMs = 10 * 60_000

/** Checks everything that a stream needs, and says what is wrong and what to do. */
export async function examineStream(
  deps: HealthDeps,
  provider: Provider,
  known: Stream,
): Promise<StreamHealth> {
  const examined = await examineMetadata(deps, provider)
  // A stream that its operator made does not need the metadata.
  const reached =
    known.settings.existing === undefined ? examined : { ok: true, checks: examined.checks.map(lessGrave) }
  const keys = await examineKeys(deps, provider)
  const { checks, stream } = await examineManagement(deps, known, reached.ok)
  const all = [
    ...reached.checks,
    keys,
    ...checks,
    statusCheck(stream),
    eventsCheck(stream),
    subjectsCheck(stream),
    verificationCheck(stream, deps.now()),
    deliveryCheck(stream),
    lastEventCheck(stream),
  ]
  return { healthy: all.every(({ result }) => result !== 'failed'), checks: all }
}

async function examineMetadata(
  deps: HealthDeps,
  provider: Provider,
): Promise<{ readonly ok: boolean; readonly checks: readonly HealthCheck[] }> {
  const place = withoutQuery(provider.wellKnownUrl ?? provider.issuer)
  try {
    const read = await deps.readMetadata(provider)
    const { url, issuer } = read
    const same = issuer === provider.issuer
    const dialect = recognisedDialect(read)
    const missing = dialect !== undefined && !deps.dialectsOf(provider.id).has(dialect)
    const found = `The metadata at ${url} is that of ${issuer}.`
    const metadata: HealthCheck = same
      ? {
          name: 'metadata',
          result: missing ? 'warning' : 'ok',
          detail: missing
            ? `${found} It has the endpoints of a ${dialect}, some of whose tokens are refused as they are. ${dialectAdvice(dialect)}`
            : found,
        }
      : {
          name: 'metadata',
          result: 'failed',
          detail: `The metadata at ${url} is of the issuer ${issuer}, the provider's is ${provider.issuer}. Update the provider, or ask the transmitter's operator.`,
        }
    return { ok: same, checks: [nameResolves(url), certificateIsGood(url), metadata] }
  } catch (error) {
    const problem = requireHubError(error)
    const failed = (name: HealthCheck['name'], advice: string): HealthCheck => ({
      name,
      result: 'failed',
      detail: `${problem.detail} ${advice}`,
    })
    const metadata = failed(
      'metadata',
      `Check that ${place} is the transmitter's own address and can be reached from here.`,
    )
    const { stage, code } = breakOf(problem)
    const checks: Readonly<Record<Break['stage'], readonly HealthCheck[]>> = {
      name: [
        failed('dns', `Check the host of ${place} and the name server of this machine.`),
        waits('tls'),
        waits('metadata'),
      ],
      certificate: [nameResolves(place), tlsFailed(place, problem.detail, code), waits('metadata')],
      connection: [nameResolves(place), waits('tls'), metadata],
      answer: [nameResolves(place), certificateIsGood(place), metadata],
      ours: [waits('dns'), waits('tls'), metadata],
    }
    return { ok: false, checks: checks[stage] }
  }
}

function lessGrave(check: HealthCheck): HealthCheck {
  return check.result === 'failed' ? { ...check, result: 'warning' } : check
}

function waits(name: HealthCheck['name']): HealthCheck {
  return { name, result: 'unknown', detail: 'Not checked: an earlier check has to succeed first.' }
}

function nameResolves(url: string): HealthCheck {
  return { name: 'dns', result: 'ok', detail: `The name of ${URL.parse(url)?.host ?? url} resolves.` }
}

function certificateIsGood(url: string): HealthCheck {
  return url.startsWith('http:')
    ? { name: 'tls', result: 'warning', detail: 'It is reached over plain http; only a test may do that.' }
    : { name: 'tls', result: 'ok', detail: 'Its certificate is good.' }
}

/** The reason of a failed fetch. */
interface Break {
  /** `ours`: the hub refused the URL, so it was not fetched. */
  readonly stage: 'name' | 'certificate' | 'connection' | 'answer' | 'ours'
  readonly code: string
}

function breakOf(error: HubError): Break {
  let fetched = false
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    fetched ||= isHubError(cause, 'outbound.failed')
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
    if (/^(ENOTFOUND|EAI_)/.test(code)) return { stage: 'name', code }
    if (/CERT|TLS|SSL|UNABLE_TO|^EPROTO$/.test(code)) return { stage: 'certificate', code }
    if (/^(ECONN|EHOST|ENET|ETIMEDOUT|UND_ERR_)/.test(code)) return { stage: 'connection', code }
  }
  return { stage: fetched ? 'answer' : 'ours', code: '' }
}

function tlsFailed(place: string, why: string, code: string): HealthCheck {
  const advice = certificateAdvice(code)
  const detail =
    advice === undefined
      ? `There is no agreement on TLS with ${URL.parse(place)?.host ?? place} (${code}). It must speak TLS 1.2 or later at this port; over plain http it is reached only where WATCHBELL_OUTBOUND_ALLOW says so.`
      : `${why} ${advice}`
  return { name: 'tls', result: 'failed', detail }
}

/** What to do about a certificate that Node.js refuses, by the code of the refusal (CAEP interop §2.1). */
function certificateAdvice(code: string): string | undefined {
  if (/EXPIRED|NOT_YET_VALID/.test(code)) {
    return "The transmitter must renew its certificate; if it looks right there, set this machine's clock."
  }
  if (/ALTNAME/.test(code)) {
    return 'Its certificate is for other names: register the transmitter under one of them, or have it get one for this name.'
  }
  if (/SELF_SIGNED|UNABLE_TO/.test(code)) {
    return 'If a private authority signed its certificate, name the file with the certificate of that authority in WATCHBELL_CA_FILE and start again; otherwise the transmitter must send its whole chain. There is no switch that turns the check off.'
  }
  return undefined
}

async function examineKeys(deps: HealthDeps, provider: Provider): Promise<HealthCheck> {
  try {
    const count = await deps.countKeys(provider)
    return {
      name: 'keys',
      result: 'ok',
      detail: `${provider.jwksUrl} has ${count} ${count === 1 ? 'key' : 'keys'} to check its tokens with.`,
    }
  } catch (error) {
    return {
      name: 'keys',
      result: 'failed',
      detail: `${requireHubError(error).detail} Without its keys every token has to wait: ask the transmitter's operator about ${provider.jwksUrl}.`,
    }
  }
}

async function examineManagement(
  deps: HealthDeps,
  known: Stream,
  reached: boolean,
): Promise<{ readonly stream: Stream; readonly checks: readonly HealthCheck[] }> {
  if (!reached) {
    const detail = 'Not checked: the transmitter cannot be found.'
    return {
      stream: known,
      checks: [
        { name: 'token', result: 'unknown', detail },
        { name: 'stream', result: 'unknown', detail },
      ],
    }
  }
  try {
    const probe = await deps.probe(known.providerId)
    const token: HealthCheck = {
      name: 'token',
      result: 'ok',
      detail: 'The transmitter accepts our credentials.',
    }
    return { stream: probe.stream, checks: [token, streamCheck(probe)] }
  } catch (error) {
    const { code, detail, facts } = requireHubError(error)
    const credentials =
      code === 'stream.token_refused' || code === 'stream.secrets_unreadable' || facts['status'] === '401'
    return {
      stream: known,
      checks: credentials
        ? [
            { name: 'token', result: 'failed', detail },
            {
              name: 'stream',
              result: 'unknown',
              detail: 'Not checked: the transmitter does not accept our credentials.',
            },
          ]
        : [
            {
              name: 'token',
              result: 'unknown',
              detail: 'Our credentials show no problem so far.',
            },
            { name: 'stream', result: 'failed', detail },
          ],
    }
  }
}

function streamCheck({ stream, state, drifted }: StreamProbe): HealthCheck {
  const name = 'stream'
  const earlier = stream.lastError === undefined ? '' : ` What went wrong last: ${stream.lastError}`
  const connect = '`watchbell stream connect` (or PUT) tries again.'
  if (state === 'unconnected') {
    return { name, result: 'failed', detail: `It was never created at the transmitter. ${connect}${earlier}` }
  }
  const streamId = stream.remote?.streamId ?? ''
  if (state === 'gone') {
    return {
      name,
      result: 'failed',
      detail: `The transmitter no longer has the stream ${streamId}; the hub creates another one at its next look, and ${connect}`,
    }
  }
  if (drifted.length > 0) {
    return {
      name,
      result: 'warning',
      detail: `The transmitter has another ${drifted.join(', ')} for the stream ${streamId} than we want; the hub repairs that at its next look.${earlier}`,
    }
  }
  return {
    name,
    result: earlier === '' ? 'ok' : 'warning',
    detail: `The stream ${streamId} is there and as we want it; the audience of its tokens is ${stream.remote?.aud.join(', ') ?? ''}.${earlier}`,
  }
}

function statusCheck({ status, statusReason, endpoints }: Stream): HealthCheck {
  const why = statusReason === undefined ? '' : ` It says: ${inSentence(statusReason, 1_000)}.`
  if (status === 'enabled') return { name: 'status', result: 'ok', detail: 'The stream is enabled.' }
  if (status === undefined) {
    return endpoints !== undefined && endpoints.status === undefined
      ? {
          name: 'status',
          result: 'ok',
          detail: 'The transmitter reports no status; its streams are always enabled.',
        }
      : { name: 'status', result: 'unknown', detail: 'The transmitter has not reported the status yet.' }
  }
  const meaning = status === 'paused' ? 'Events wait at the transmitter' : 'Events are lost'
  return {
    name: 'status',
    result: 'failed',
    detail: `The stream is ${status}: ${meaning.toLowerCase()}.${why} \`watchbell stream resume\` asks for it to be enabled.`,
  }
}

/** Whether the transmitter's default subjects match the stream's subjects (SSF 1.0 §7.1). */
function subjectsCheck({ settings, endpoints, remote }: Stream): HealthCheck {
  const name = 'subjects'
  const warning = (detail: string): HealthCheck => ({ name, result: 'warning', detail })
  if (endpoints === undefined) {
    return { name, result: 'unknown', detail: 'The transmitter has not reported its default yet.' }
  }
  const { addSubject } = endpoints
  const defaultSubjects = remote?.defaultSubjects ?? endpoints.defaultSubjects // the stream's own value overrides the metadata
  if (settings.subjects === 'all') {
    return defaultSubjects === 'NONE'
      ? warning(
          'The subjects of the stream are `all`, but the transmitter sends events only about added ones (default_subjects is NONE): add them (`watchbell stream add-subject`), or ask its operator.',
        )
      : { name, result: 'ok', detail: 'The transmitter chooses the subjects.' }
  }
  if (addSubject === undefined) {
    return warning(
      'The subjects of the stream are `listed`, but the transmitter has no add_subject_endpoint.',
    )
  }
  return defaultSubjects === 'ALL'
    ? warning(
        'The subjects of the stream are `listed`, but the transmitter sends events about every subject that was not removed (default_subjects is ALL).',
      )
    : { name, result: 'ok', detail: 'The transmitter sends events about added subjects.' }
}

/** Whether the transmitter will deliver any of the requested event types (SSF 1.0 §8.1.1). */
function eventsCheck({ remote }: Stream): HealthCheck {
  const name = 'events'
  const delivered = remote?.eventsDelivered?.filter((type) => !isFrameworkEvent(type))
  if (delivered === undefined) {
    return {
      name,
      result: 'unknown',
      detail: 'The transmitter has not reported which event types it delivers.',
    }
  }
  return delivered.length === 0
    ? {
        name,
        result: 'warning',
        detail:
          'The transmitter delivers none of the event types that were asked for (events_delivered is empty): compare events_requested with what it supports.',
      }
    : { name, result: 'ok', detail: `The transmitter delivers ${delivered.length} of the event types.` }
}

function verificationCheck(
  { verificationAskedAt, verifiedAt, verificationError, endpoints }: Stream,
  now: Date,
): HealthCheck {
  const name = 'verification'
  const last =
    verifiedAt === undefined ? 'None ever came.' : `The last one came at ${verifiedAt.toISOString()}.`
  if (endpoints !== undefined && endpoints.verification === undefined) {
    return { name, result: 'warning', detail: `The transmitter offers no verification. ${last}` }
  }
  if (verificationError !== undefined) {
    return {
      name,
      result: 'warning',
      detail: `A verification event could not be requested: ${verificationError} The hub requests it again. ${last}`,
    }
  }
  if (verificationAskedAt === undefined) {
    return { name, result: 'unknown', detail: 'No verification event was requested yet.' }
  }
  const asked = verificationAskedAt.toISOString()
  if (verifiedAt !== undefined && verifiedAt >= verificationAskedAt) {
    return { name, result: 'ok', detail: `A verification event came at ${verifiedAt.toISOString()}.` }
  }
  if (now.getTime() - verificationAskedAt.getTime() < verificationWaitMs) {
    return {
      name,
      result: 'warning',
      detail: `A verification event was requested at ${asked} and is on its way. ${last}`,
    }
  }
  return {
    name,
    result: 'failed',
    detail: `A verification event was requested at ${asked} and did not come. ${last} See whether it was refused (\`watchbell signals --outcome refused\`), and for push whether the transmitter can reach this hub.`,
  }
}

function deliveryCheck(stream: Stream): HealthCheck {
  const { settings, remote, lastPollAt, pollError, pushError } = stream
  if (!isConnected(stream)) {
    return { name: 'delivery', result: 'unknown', detail: 'The stream is not connected yet.' }
  }
  if (settings.delivery === 'push' && pushError !== undefined) {
    return { name: 'delivery', result: 'failed', detail: pushError }
  }
  if (settings.delivery === 'poll' && pollError !== undefined) {
    const last = lastPollAt === undefined ? 'Never' : lastPollAt.toISOString()
    return { name: 'delivery', result: 'warning', detail: `${pollError} Last polled: ${last}.` }
  }
  if (settings.delivery === 'poll' && remote?.endpointUrl === undefined) {
    const detail = 'The transmitter has not given its poll URL yet; the hub asks again.'
    return { name: 'delivery', result: 'warning', detail }
  }
  if (settings.delivery === 'push') {
    return {
      name: 'delivery',
      result: 'ok',
      detail: `The transmitter pushes to ${remote?.endpointUrl ?? 'the URL that we gave it'}.`,
    }
  }
  return lastPollAt === undefined
    ? { name: 'delivery', result: 'warning', detail: 'It was not polled yet.' }
    : { name: 'delivery', result: 'ok', detail: `It was polled last at ${lastPollAt.toISOString()}.` }
}

function lastEventCheck({ lastEventAt }: Stream): HealthCheck {
  return lastEventAt === undefined
    ? { name: 'last_event', result: 'warning', detail: 'No event came yet.' }
    : { name: 'last_event', result: 'ok', detail: `The last event came at ${lastEventAt.toISOString()}.` }
}

function requireHubError(error: unknown): HubError {
  if (isHubError(error)) return error
  throw error
}

/** The dialect of a transmitter whose metadata identifies its software; undefined for all others. */
function recognisedDialect({
  issuer,
  document,
}: Pick<TransmitterMetadata, 'issuer' | 'document'>): Dialect | undefined {
  return document['configuration_endpoint'] === `${issuer}/ssf/transmitter/streams` ? 'keycloak' : undefined
}
