import { HubError, isHubError } from '../base/hub-error.ts'
import type { Provider } from '../providers/provider.ts'
import type { TransmitterMetadata } from './discovery.ts'
import { isConnected, type Stream } from './stream.ts'
import type { StreamProbe, Streams } from './streams.ts'

/** One thing that must be right for a stream to work, in the order in which one depends on the next. */
export interface HealthCheck {
  readonly name:
    | 'dns'
    | 'tls'
    | 'metadata'
    | 'keys'
    | 'token'
    | 'stream'
    | 'status'
    | 'verification'
    | 'delivery'
    | 'last_event'
  /** `unknown`: something before it has to be right first, or nothing is known yet. */
  readonly result: 'ok' | 'warning' | 'failed' | 'unknown'
  /** What is, or what is wrong and what to do. */
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
  /** @returns how many keys could check a SET. @throws HubError */
  readonly countKeys: (provider: Provider) => Promise<number>
  /** Looks at the stream at the transmitter. @throws HubError */
  readonly probe: Streams['probe']
}

/** How long a verification event may take before we worry. */
export const verificationWaitMs = 10 * 60_000

/** Walks through everything that a stream needs, and says in words what is wrong and what to do. */
export async function examineStream(
  deps: HealthDeps,
  provider: Provider,
  known: Stream,
): Promise<StreamHealth> {
  const reached = await examineMetadata(deps, provider)
  const keys = await examineKeys(deps, provider)
  const { checks, stream } = await examineManagement(deps, known, reached.ok)
  const all = [
    ...reached.checks,
    keys,
    ...checks,
    statusCheck(stream),
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
  const place = provider.wellKnownUrl ?? provider.issuer
  try {
    const { url, issuer } = await deps.readMetadata(provider)
    const same = issuer === provider.issuer
    return {
      ok: same,
      checks: [
        { name: 'dns', result: 'ok', detail: `The name of ${new URL(url).host} resolves.` },
        {
          name: 'tls',
          ...(url.startsWith('https:')
            ? { result: 'ok' as const, detail: 'Its certificate is good.' }
            : {
                result: 'warning' as const,
                detail: 'It is reached over plain http; only a test may do that.',
              }),
        },
        same
          ? { name: 'metadata', result: 'ok', detail: `The metadata at ${url} is that of ${issuer}.` }
          : {
              name: 'metadata',
              result: 'failed',
              detail: `The metadata at ${url} is of the issuer ${issuer}, the provider's is ${provider.issuer}. Update the provider, or ask the transmitter's operator.`,
            },
      ],
    }
  } catch (error) {
    const problem = requireHubError(error)
    const stage = stageOf(problem)
    const after = (name: HealthCheck['name']): HealthCheck => ({
      name,
      result: 'unknown',
      detail: 'Not looked at: what comes before it has to be right first.',
    })
    const failed = (name: HealthCheck['name'], advice: string): HealthCheck => ({
      name,
      result: 'failed',
      detail: `${problem.detail} ${advice}`,
    })
    const fine = (name: 'dns' | 'tls', detail: string): HealthCheck => ({ name, result: 'ok', detail })
    switch (stage) {
      case 'dns':
        return {
          ok: false,
          checks: [
            failed('dns', `Check the host of ${place} and the name server of this machine.`),
            after('tls'),
            after('metadata'),
          ],
        }
      case 'tls':
        return {
          ok: false,
          checks: [
            fine('dns', 'The name resolves.'),
            failed(
              'tls',
              'If a private authority signed its certificate, name the file with that authority in WATCHBELL_CA_FILE; otherwise the transmitter must renew it.',
            ),
            after('metadata'),
          ],
        }
      case 'metadata':
        return {
          ok: false,
          checks: [
            {
              name: 'dns',
              result: 'unknown',
              detail: 'Nothing is wrong with the name as far as we can tell.',
            },
            { name: 'tls', result: 'unknown', detail: 'Nothing is wrong with TLS as far as we can tell.' },
            failed(
              'metadata',
              `Check that ${place} is the transmitter's own address and can be reached from here.`,
            ),
          ],
        }
    }
  }
}

/** How far a fetch came, going by what stopped it. */
function stageOf(error: HubError): 'dns' | 'tls' | 'metadata' {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
    if (/^(ENOTFOUND|EAI_)/.test(code)) return 'dns'
    if (/CERT|TLS|SSL|UNABLE_TO|SELF_SIGNED/.test(code)) return 'tls'
  }
  return 'metadata'
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
    const detail = 'Not looked at: the transmitter cannot be found.'
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
      detail: 'The transmitter takes our credentials.',
    }
    return { stream: probe.stream, checks: [token, streamCheck(probe)] }
  } catch (error) {
    const { code, detail, facts } = requireHubError(error)
    const credentials = code === 'stream.token_refused' || facts['status'] === '401'
    return {
      stream: known,
      checks: credentials
        ? [
            { name: 'token', result: 'failed', detail },
            {
              name: 'stream',
              result: 'unknown',
              detail: 'Not looked at: the transmitter does not let us in.',
            },
          ]
        : [
            {
              name: 'token',
              result: 'unknown',
              detail: 'Nothing is wrong with our credentials as far as we can tell.',
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
  const why = statusReason === undefined ? '' : ` It says: ${statusReason}`
  if (status === 'enabled') return { name: 'status', result: 'ok', detail: 'The stream is enabled.' }
  if (status === undefined) {
    return endpoints !== undefined && endpoints.status === undefined
      ? {
          name: 'status',
          result: 'ok',
          detail: 'The transmitter tells no status; its streams are always on.',
        }
      : { name: 'status', result: 'unknown', detail: 'The transmitter has not told the status yet.' }
  }
  const meaning = status === 'paused' ? 'Events wait at the transmitter' : 'Events are lost'
  return {
    name: 'status',
    result: 'failed',
    detail: `The stream is ${status}: ${meaning.toLowerCase()}.${why} \`watchbell stream resume\` asks for it to be enabled.`,
  }
}

function verificationCheck({ verificationAskedAt, verifiedAt, endpoints }: Stream, now: Date): HealthCheck {
  const name = 'verification'
  const last =
    verifiedAt === undefined ? 'None ever came.' : `The last one came at ${verifiedAt.toISOString()}.`
  if (endpoints !== undefined && endpoints.verification === undefined) {
    return { name, result: 'warning', detail: `The transmitter offers no verification to ask for. ${last}` }
  }
  if (verificationAskedAt === undefined) {
    return { name, result: 'unknown', detail: 'No verification event was asked for yet.' }
  }
  const asked = verificationAskedAt.toISOString()
  if (verifiedAt !== undefined && verifiedAt >= verificationAskedAt) {
    return { name, result: 'ok', detail: `A verification event came at ${verifiedAt.toISOString()}.` }
  }
  if (now.getTime() - verificationAskedAt.getTime() < verificationWaitMs) {
    return {
      name,
      result: 'warning',
      detail: `A verification event was asked for at ${asked} and is on its way. ${last}`,
    }
  }
  return {
    name,
    result: 'failed',
    detail: `A verification event was asked for at ${asked} and did not come. ${last} See whether it was refused (\`watchbell signals --outcome refused\`), and for push whether the transmitter can reach this hub.`,
  }
}

function deliveryCheck(stream: Stream): HealthCheck {
  const { settings, remote, lastPollAt } = stream
  if (!isConnected(stream)) {
    return { name: 'delivery', result: 'unknown', detail: 'The stream is not connected yet.' }
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
