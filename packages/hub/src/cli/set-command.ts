import type { Command } from 'commander'
import { fetchJson, isJsonObject, type JsonValue } from '@watchbell/receiver/base'
import { createGuardedFetch } from '../base/guarded-fetch.ts'
import { isHubError } from '../base/hub-error.ts'
import { nothingAllowed, parseOutboundAllow, type OutboundAllow } from '../base/outbound-allow.ts'
import { readEvents, type SecurityEvent } from '@watchbell/receiver/events'
import {
  parseToken,
  type ParsedToken,
  createSetVerifier,
  keySetMediaTypes,
  pickVerificationKey,
  readVerificationKeys,
  type KeySource,
} from '@watchbell/receiver/set'
import { CliError, jsonText, printLine, printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { readInput, readJsonInput } from './input.ts'
import { gatherList } from './option-readers.ts'
import { subjectText } from './signals-command.ts'
import { painter } from './table.ts'

interface VerifyOptions {
  readonly jwks: string
  readonly issuer: string
  readonly audience: readonly string[]
  readonly json?: boolean
}

const fetchLimits = { timeoutMs: 5_000, bytesMax: 512 * 1_024 }
const connectTimeoutMs = 5_000

export function registerSet(program: Command, io: CliIo): void {
  const set = program
    .command('set')
    .description('Decode or verify a security event token (SET), as the hub would.')
    .addHelpText('after', examples('watchbell set decode token.jwt', 'watchbell set verify --help'))
    .helpGroup('Commands that need no hub:')

  set
    .command('decode')
    .description(
      'Show header and claims of a token without verifying it, and whether it has the form of a SET.',
    )
    .argument('[file]', 'the token; - or nothing is standard input')
    .option('--json', 'print JSON for machines')
    .addHelpText('after', '\nExample:\n  $ pbpaste | watchbell set decode')
    .action(async (file: string | undefined, options: { json?: boolean }) => {
      const body = await readInput(io, file)
      const { header, claims } = decode(body)
      const verdict = shapeOf(body)
      const decoded = { verified: false, header, claims, well_formed: verdict.ok, ...refusalBody(verdict) }
      printResult(io, options, decoded, () => {
        const paint = painter(io)
        const shape = verdict.ok
          ? 'It has the shape of a SET.'
          : `The hub would refuse it by its shape alone: ${verdict.code}: ${verdict.reason}`
        return [
          paint('yellow', 'Not verified: anybody can write this. `watchbell set verify` checks it.'),
          ...Object.entries({ header, claims }).map(
            ([title, part]) => `\n${paint('bold', title)}\n${jsonText(part, 2)}`,
          ),
          `\n${paint(verdict.ok ? 'green' : 'red', shape)}`,
        ].join('\n')
      })
    })

  set
    .command('verify')
    .description('Verify a token as the hub would: form, key, signature, issuer, audience, time and events.')
    .argument('[file]', 'the token; - or nothing is standard input')
    .requiredOption(
      '--jwks <file-or-url>',
      "the transmitter's keys: a file with a JWK Set, or where to fetch it",
    )
    .requiredOption('--issuer <issuer>', 'the expected `iss`')
    .requiredOption('--audience <audience>', 'the expected `aud`; may be repeated', gatherList)
    .option('--json', 'print JSON for machines')
    .addHelpText('after', verifyHelp)
    .action(async (file: string | undefined, options: VerifyOptions) => {
      if (options.jwks === '-' && (file === undefined || file === '-')) {
        throw wrongUsage('Token and keys cannot both come from standard input; give a file for one of them.')
      }
      const body = await readInput(io, file)
      const keys = readVerificationKeys(await readKeys(io, options.jwks))
      const verdict = await verify(io, body, options, {
        get: (kid, alg) => pickVerificationKey(keys, kid, alg),
      })
      if (!verdict.ok) {
        if (options.json === true)
          printLine(io.stdout, jsonText({ verified: false, ...refusalBody(verdict) }, 2))
        throw new CliError(`Refused: ${verdict.code}: ${verdict.reason}`)
      }
      printResult(io, options, { verified: true, events: verdict.events }, () =>
        [
          painter(io)('green', `Verified: ${options.issuer} signed it, and it is meant for us.`),
          ...verdict.events.map((event) => `  ${event.name} ${subjectText(event.subject)}`.trimEnd()),
        ].join('\n'),
      )
    })
}

const verifyHelp = `
Keys are fetched from public https addresses only; WATCHBELL_OUTBOUND_ALLOW permits others, and http.

Example:
  $ watchbell set verify token.jwt --issuer https://idp.example \\
      --jwks https://idp.example/jwks.json --audience https://hub.example`

type Refused = { readonly ok: false; readonly code: string; readonly reason: string }

function refusalBody(verdict: { readonly ok: true } | Refused): object {
  return verdict.ok ? {} : { code: verdict.code, reason: verdict.reason }
}

/** Decodes header and claims without verification. @throws CliError when the token is not a JWS */
function decode(body: Buffer): { header: unknown; claims: unknown } {
  const [header, claims, ...rest] = body.toString('latin1').trim().replace(/^"|"$/g, '').split('.')
  if (header === undefined || claims === undefined || rest.length !== 1) {
    throw new CliError('This is not a compact JWS: three parts in base64url with dots between them.')
  }
  return { header: decodePart(header, 'header'), claims: decodePart(claims, 'payload') }
}

function decodePart(part: string, name: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    throw new CliError(`The ${name} of the token is not JSON in base64url.`)
  }
}

function shapeOf(body: Buffer): { readonly ok: true } | Refused {
  try {
    parseToken(body)
    return { ok: true }
  } catch (error) {
    return refused(error)
  }
}

async function verify(
  { world }: CliIo,
  body: Buffer,
  { issuer, audience }: VerifyOptions,
  keys: KeySource,
): Promise<{ readonly ok: true; readonly events: readonly SecurityEvent[] } | Refused> {
  try {
    const token: ParsedToken = parseToken(body)
    const verified = await createSetVerifier(world).verify(token, { issuer, audiences: audience, keys })
    return { ok: true, events: readEvents(verified) }
  } catch (error) {
    return refused(error)
  }
}

/** The verdict of a SET error; other errors are thrown again. */
function refused(error: unknown): Refused {
  if (!isHubError(error) || !error.code.startsWith('set.')) throw error
  return { ok: false, code: error.code, reason: error.detail }
}

async function readKeys(io: CliIo, source: string): Promise<JsonValue> {
  if (!/^https?:\/\//i.test(source)) {
    const keys = await readJsonInput(io, source)
    return isJsonObject(keys) && 'kty' in keys ? { keys: [keys] } : keys
  }
  await using guarded = createGuardedFetch({ allow: outboundAllow(io), connectTimeoutMs })
  return (await fetchJson(guarded.fetch, source, { ...fetchLimits, accept: keySetMediaTypes })).value
}

function outboundAllow({ env }: CliIo): OutboundAllow {
  const text = env['WATCHBELL_OUTBOUND_ALLOW']
  if (text === undefined) return nothingAllowed
  const parsed = parseOutboundAllow(text)
  if (parsed.ok) return parsed.value
  throw wrongUsage(`WATCHBELL_OUTBOUND_ALLOW: ${parsed.problems.join('; ')}`)
}
