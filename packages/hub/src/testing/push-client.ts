import { isJsonObject } from '@watchbell/receiver/base'

/** What a receiver said to a pushed SET (RFC 8935 §2.2, §2.3). */
export interface PushAnswer {
  /** 202 means taken. */
  readonly status: number
  /** `invalid_key` and the like; undefined when the body had none. */
  readonly err: string | undefined
  /** The receiver's words, as far as it had any. */
  readonly description: string | undefined
  readonly retryAfterS: number | undefined
}

/** Okta's path for pushed SETs, and Watchbell's (OKTA §2). */
export const oktaPushPath = '/security/api/v1/security-events'
const descriptionCharsMax = 2_000

/**
 * Pushes one SET as a transmitter does (RFC 8935 §2.1).
 * @param to - the hub's origin, or the whole URL of another receiver's push endpoint
 * @param headers - beside the usual ones, such as `authorization` (SSF 1.0 §6.1.1)
 * @throws the error of `fetch` when there is no answer
 */
export async function pushSet(
  fetch: typeof globalThis.fetch,
  to: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<PushAnswer> {
  const url = new URL(to)
  const response = await fetch(url.pathname === '/' ? new URL(oktaPushPath, url) : url, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json', ...headers },
    body: token,
    redirect: 'error',
  })
  const text = await response.text()
  const retryAfterS = Number(response.headers.get('retry-after') ?? Number.NaN)
  return {
    status: response.status,
    ...readRefusal(text),
    retryAfterS: Number.isFinite(retryAfterS) ? retryAfterS : undefined,
  }
}

function readRefusal(text: string): Pick<PushAnswer, 'err' | 'description'> {
  const body = parseLeniently(text)
  if (!isJsonObject(body)) {
    return { err: undefined, description: text.trim().slice(0, descriptionCharsMax) || undefined }
  }
  const { err, description, errorSummary } = body
  const said = description ?? errorSummary // the latter in answers of Okta's other kind
  return {
    err: typeof err === 'string' ? err : undefined,
    description: typeof said === 'string' ? said.slice(0, descriptionCharsMax) : undefined,
  }
}

function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
