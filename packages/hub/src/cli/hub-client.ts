import type { Command } from 'commander'
import { isJsonObject, outboundError } from '@watchbell/receiver/base'
import { readSecret } from '../config/secret-file.ts'
import {
  requestOf,
  type CallableOperation,
  type CallArguments,
  type ResultOf,
  type WireRequest,
} from '../wire/client.ts'
import { CliError, wrongUsage, type CliIo } from './cli-io.ts'

/** What the options of `hubOptions` give. */
export interface HubOptions {
  readonly url?: string
  readonly token?: string
  readonly json?: boolean
}

/** A client of the hub's API. */
export interface HubClient {
  readonly origin: string
  /**
   * The JSON of the answer; undefined when it has no body.
   * @throws HubAnswerError when the hub refuses, CliError when no hub answers
   */
  call<Name extends CallableOperation>(name: Name, ...call: CallArguments<Name>): Promise<ResultOf<Name>>
  /** One page of a list, and the query of the next one as the Link header has it. @throws like `call` */
  page<Name extends CallableOperation>(
    name: Name,
    ...call: CallArguments<Name>
  ): Promise<HubPage<ResultOf<Name>>>
}

export interface HubPage<Body> {
  /** The JSON of the answer. */
  readonly body: Body
  /** Only the query: this machine may not reach the hub at its public origin. */
  readonly next: URLSearchParams | undefined
}

/** The hub answered with an error. */
export class HubAnswerError extends CliError {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** No answer came. */
export class NoHubError extends CliError {}

/** Whether the error passes: the hub restarts or is overloaded. */
export function isPassingHubError(error: unknown): error is NoHubError | HubAnswerError {
  return (
    error instanceof NoHubError ||
    (error instanceof HubAnswerError && (error.status === 429 || error.status >= 500))
  )
}

const requestTimeoutMs = 30_000

/** The options of every command that talks to a hub. */
export function hubOptions(command: Command): Command {
  return command
    .option(
      '--url <origin>',
      'where the hub is (WATCHBELL_URL, else WATCHBELL_ORIGIN, else http://127.0.0.1:8080)',
    )
    .option(
      '--token <token>',
      'an API token of the hub (WATCHBELL_TOKEN or the file in WATCHBELL_TOKEN_FILE, else WATCHBELL_ADMIN_TOKEN)',
    )
    .option('--json', 'print JSON for machines')
}

function tokenOf({ env }: Pick<CliIo, 'env'>, given: string | undefined): string | undefined {
  return firstGiven(given) ?? givenToken(env, 'WATCHBELL_TOKEN') ?? givenToken(env, 'WATCHBELL_ADMIN_TOKEN')
}

/** Whether a token is configured. */
export function hasToken(io: Pick<CliIo, 'env'>, given: string | undefined): boolean {
  return tokenOf(io, given) !== undefined
}

/** @throws CliError when no token is configured, or the URL is invalid */
export function openHub(io: CliIo, options: HubOptions): HubClient {
  const token = tokenOf(io, options.token)
  if (token === undefined) {
    throw wrongUsage(
      'This needs an API token of the hub: give --token, or set WATCHBELL_TOKEN or WATCHBELL_TOKEN_FILE. The first start of the hub printed ' +
        'one; `watchbell token create --name cli` makes another on the machine of the hub.',
    )
  }
  const origin = hubOrigin(io, options.url)
  const send = sender(io, origin, token)
  return {
    origin,
    async call<Name extends CallableOperation>(name: Name, ...call: CallArguments<Name>) {
      const { body } = await send(requestOf(name, ...call))
      return body as ResultOf<Name> // what is at the origin is believed to be a hub
    },
    async page<Name extends CallableOperation>(name: Name, ...call: CallArguments<Name>) {
      const { body, headers } = await send(requestOf(name, ...call))
      const [, next] = /<([^<>]*)>; rel="next"/.exec(headers.get('link') ?? '') ?? []
      const url = next === undefined ? null : URL.parse(next, origin)
      return { body: body as ResultOf<Name>, next: url?.searchParams } // as in call
    },
  }
}

/** @throws CliError when the file has no token */
function givenToken(env: CliIo['env'], variable: string): string | undefined {
  const token = firstGiven(env[variable])
  const file = firstGiven(env[`${variable}_FILE`])
  if (token !== undefined || file === undefined) return token
  const read = readSecret(file, tokenFileBytesMax)
  if ('problem' in read) throw wrongUsage(`${variable}_FILE: ${read.problem}.`)
  if (!/^[\x21-\x7e]+$/.test(read.secret)) {
    throw wrongUsage(
      `${variable}_FILE: the file '${file}' does not hold a token: printable ASCII without spaces.`,
    )
  }
  return read.secret
}

const tokenFileBytesMax = 4_096

/** The origin of the hub. @throws CliError when it is not a URL */
export function hubOrigin({ env }: Pick<CliIo, 'env'>, given: string | undefined): string {
  const text = firstGiven(given, env['WATCHBELL_URL'], env['WATCHBELL_ORIGIN']) ?? 'http://127.0.0.1:8080'
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw wrongUsage(
      `${text.includes('@') ? 'What was given, with a user or password,' : `'${text}'`} is not the URL of a hub, such as https://hub.example or http://127.0.0.1:8080.`,
    )
  }
  return url.origin
}

/** The error for a hub that does not answer. */
export function noAnswer(error: unknown, origin: string): NoHubError {
  const { detail } = outboundError(error, new URL(origin).host)
  return new NoHubError(
    `No hub answers at ${origin}: ${detail} Is \`watchbell serve\` running there? Another address goes into --url or ` +
      'WATCHBELL_URL.',
  )
}

interface HubAnswer {
  readonly body: unknown
  readonly headers: Headers
}

function sender(
  { world }: CliIo,
  origin: string,
  token: string,
): (request: WireRequest) => Promise<HubAnswer> {
  return async ({ method, path, body }) => {
    let response: Response
    let text: string
    try {
      response = await world.fetch(origin + path, {
        method,
        headers: {
          authorization: `SSWS ${token}`,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(requestTimeoutMs),
      })
      text = await response.text()
    } catch (error) {
      throw noAnswer(error, origin)
    }
    const { headers } = response
    if (response.ok) return { body: text === '' ? undefined : readJson(text, origin), headers }
    throw new HubAnswerError(response.status, refusal(response.status, text, origin))
  }
}

function readJson(text: string, origin: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CliError(
      `What answers at ${origin} does not speak the hub's API: its answer is not JSON. Check --url.`,
    )
  }
}

const fixes: Readonly<Record<number, string>> = {
  401: 'Check --token or WATCHBELL_TOKEN; on the machine of the hub `watchbell token create --name cli` makes a new one.',
  403: 'Use a token with the role admin.',
  429: 'Wait a minute, or raise WATCHBELL_API_REQUESTS_PER_MINUTE of the hub.',
}

function refusal(status: number, text: string, origin: string): string {
  const fix = fixes[status] === undefined ? '' : ` ${fixes[status]}`
  return `The hub at ${origin} says ${status}: ${withStop(answerMessage(text) ?? 'nothing more')}${fix}`
}

/** The message of Okta's error object: its causes, which say more than its summary. */
function answerMessage(text: string): string | undefined {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof body === 'string') return body // errors of the evaluation API are strings
  if (!isJsonObject(body)) return undefined
  const { errorSummary, errorCauses } = body
  const causes = (Array.isArray(errorCauses) ? errorCauses : []).flatMap((cause: unknown) =>
    isJsonObject(cause) && typeof cause['errorSummary'] === 'string' ? [cause['errorSummary']] : [],
  )
  if (causes.length > 0) return causes.join('; ')
  return typeof errorSummary === 'string' ? errorSummary : undefined
}

function withStop(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function firstGiven(...texts: readonly (string | undefined)[]): string | undefined {
  return texts.find((text) => text !== undefined && text !== '')
}
