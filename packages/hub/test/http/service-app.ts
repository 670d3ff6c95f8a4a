import type { TestHub } from '../../src/testing/start-test-hub.ts'
import { accessTokenOf, registerApp } from './oauth-app.ts'
import type { LogEntryBody } from '../../src/wire/system-log.ts'

/** A service app that is registered with a hub and calls it. */
export interface TestServiceApp {
  readonly clientId: string
  /** A Bearer token with these scopes. */
  token(scope: string): Promise<string>
  /** A request with a token that has these scopes; `body` is sent as JSON. */
  call(scope: string, method: string, path: string, body?: unknown): Promise<Response>
}

export async function registerServiceApp(hub: TestHub, scope: string): Promise<TestServiceApp> {
  const app = await registerApp(hub, scope)
  const token = (scope: string): Promise<string> => accessTokenOf(hub, app, scope)
  return {
    clientId: app.clientId,
    token,
    async call(scope, method, path, body) {
      return fetch(hub.origin + path, {
        method,
        headers: {
          authorization: `Bearer ${await token(scope)}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    },
  }
}

export interface Refusal {
  readonly status: number
  readonly code: string
  readonly summary: string
  readonly causes: readonly string[]
}

/** What Okta's error object says (9.1). */
export async function refusal(answer: Response): Promise<Refusal> {
  const { errorCode, errorSummary, errorCauses } = (await answer.json()) as {
    errorCode: string
    errorSummary: string
    errorCauses: { errorSummary: string }[]
  } // of a 4xx
  return {
    status: answer.status,
    code: errorCode,
    summary: errorSummary,
    causes: errorCauses.map(({ errorSummary }) => errorSummary),
  }
}

/** The entries of the System Log with this type, oldest first; a thousand at most. */
export async function logEntries(hub: TestHub, eventType: string): Promise<readonly LogEntryBody[]> {
  const query = new URLSearchParams({ filter: `eventType eq "${eventType}"`, limit: '1000' })
  const answer = await hub.api('GET', `/api/v1/logs?${query.toString()}`)
  return (await answer.json()) as readonly LogEntryBody[] // of a 200
}
