import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { getCACertificates } from 'node:tls'
import {
  Agent,
  buildConnector,
  fetch as undiciFetch,
  type Dispatcher,
  type RequestInit as UndiciRequestInit,
} from 'undici'
import { outboundError } from '@watchbell/receiver/base'
import { HubError } from './hub-error.ts'
import { addressProblem, urlProblem, type OutboundAllow, type OutboundTarget } from './outbound-allow.ts'
import { namedFetch } from './user-agent.ts'

export interface GuardedFetchOptions {
  readonly allow: OutboundAllow
  /** Time to resolve the name, connect and agree on TLS. */
  readonly connectTimeoutMs: number
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly extraCa?: readonly string[]
  /** Resolves names; the operating system's resolver unless given. */
  readonly lookup?: LookupFunction
}

export interface GuardedFetch extends AsyncDisposable {
  readonly fetch: typeof globalThis.fetch
}

/**
 * A `fetch` that reaches only public https addresses and what `allow` lists, and follows no redirects.
 *
 * It checks the addresses that a name resolves to when connecting, and passes the socket exactly
 * the permitted ones, so a second answer of the name server has no effect. A name with both public and refused
 * addresses is reached at its public ones: the refused ones are never contacted, and refusing the whole name
 * would let one stray private record cut off a provider.
 *
 * Rejects with HubError `outbound.refused` or `outbound.failed`, or with the reason of the caller's signal.
 */
export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const { allow } = options
  const agent = new Agent({ connect: guardedConnector(options) })
  const dispatcher = agent.compose(withoutBrowserHeaders)
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const problem = urlProblem(allow, url)
    if (problem !== undefined)
      throw new HubError('outbound.refused', { detail: `The URL is refused: ${problem}.` })
    const host = new URL(url).host
    const given = input instanceof Request ? { ...requestInit(input), ...init } : { ...init }
    try {
      const response = await undiciFetch(url, {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- undici types FormData by its own class
        ...(given as unknown as UndiciRequestInit),
        redirect: 'manual',
        dispatcher,
      })
      if (response.status >= 300 && response.status < 400) {
        await response.body?.cancel()
        throw new HubError('outbound.failed', {
          detail: redirectDetail(host, url, response.headers.get('location')),
        })
      }
      return response
    } catch (error) {
      if (given.signal?.aborted) throw error
      throw outboundError(error, host)
    }
  }
  return {
    fetch: namedFetch(fetch),
    async [Symbol.asyncDispose]() {
      await agent.destroy()
    },
  }
}

/** Headers of a browser's fetch, which undici adds: they mean nothing here, and some firewalls refuse them. */
const browserHeaders: ReadonlySet<string> = new Set(['sec-fetch-mode', 'accept-language'])

const withoutBrowserHeaders: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (request, handler) => {
  const headers = request.headers
  if (headers === null || typeof headers !== 'object' || Symbol.iterator in headers) {
    return dispatch(request, handler)
  }
  const kept = Object.entries(headers).filter(([name]) => !browserHeaders.has(name.toLowerCase()))
  return dispatch({ ...request, headers: Object.fromEntries(kept) }, handler)
}

function guardedConnector({
  allow,
  connectTimeoutMs,
  extraCa = [],
  lookup = systemLookup,
}: GuardedFetchOptions) {
  const trust = extraCa.length === 0 ? {} : { ca: [...getCACertificates('default'), ...extraCa] }
  return (options: buildConnector.Options, callback: buildConnector.Callback): void => {
    const target: OutboundTarget = {
      protocol: options.protocol === 'http:' ? 'http:' : 'https:',
      host: options.hostname,
      port: options.port === '' ? (options.protocol === 'http:' ? 80 : 443) : Number(options.port),
    }
    // An address in the URL is never resolved; urlProblem has already checked it.
    const checkedLookup: LookupFunction = (name, lookupOptions, answer) => {
      lookup(name, { ...lookupOptions, all: true }, (error, found) => {
        if (error) return answer(error, '')
        const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found
        const permitted = addresses.filter(
          ({ address }) => addressProblem(allow, target, address) === undefined,
        )
        const [first] = permitted
        if (first === undefined) return answer(refused(allow, target, addresses), '')
        if (lookupOptions.all) return answer(null, permitted)
        answer(null, first.address, first.family)
      })
    }
    buildConnector({ timeout: connectTimeoutMs, allowH2: false, lookup: checkedLookup, ...trust })(
      options,
      callback,
    )
  }
}

function refused(
  allow: OutboundAllow,
  target: OutboundTarget,
  addresses: readonly LookupAddress[],
): HubError {
  const [first] = addresses
  const problem = first === undefined ? undefined : addressProblem(allow, target, first.address)
  return problem === undefined
    ? new HubError('outbound.failed', {
        detail: `${target.host} could not be fetched: its name has no address.`,
      })
    : new HubError('outbound.refused', { detail: `The URL is refused: ${problem}.` })
}

function requestInit(request: Request) {
  const { method, body, signal } = request
  return {
    method,
    headers: [...request.headers],
    signal,
    ...(body === null ? {} : { body, duplex: 'half' as const }),
  }
}

function redirectDetail(host: string, from: string, location: string | null): string {
  const to = location === null ? null : URL.parse(location, from)
  // Without query and credentials: they may hold a secret.
  const where = to === null ? 'somewhere else' : `${to.protocol}//${to.host}${to.pathname}`.slice(0, 200)
  return `${host} redirects to ${where} and redirects are not followed; give the final URL.`
}
