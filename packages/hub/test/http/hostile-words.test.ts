import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Transmitter } from '../../src/testing/transmitter.ts'
import { hostileTexts, unsafeIn } from '../../../receiver/test/hostile-text.ts'
import { runInProcess, type CliRun } from '../run-cli.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { setRisk } from './user-risk.ts'
import { startHubWithProvider, type HubWithProvider } from './with-provider.ts'

const texts = Object.entries(hostileTexts)
const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
/** What styles of ours are made of; everything else that steers a terminal is somebody else's. */
// oxlint-disable-next-line no-control-regex -- it is what is looked for
const ownColours = /\u001b\[(?:1|2|22|31|32|33|39)m/g

let site: HubWithProvider
let folder: Awaited<ReturnType<typeof temporaryFolder>>
/** Names of sources that were taken although they are hostile. */
const takenNames: string[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  site = await startHubWithProvider({ hub: { folder: folder.path } })
  const { hub, transmitter } = site
  for (const [at, [, text]] of texts.entries()) {
    await hub.api('POST', '/v1/subjects', { login: `user${at}@example.com`, displayName: text })
    // An administrator's word ends what was said before it.
    if (at % 4 === 0) await setRisk(hub, `user${at}@example.com`, 'LOW')
    const user = { format: 'email', email: `user${at}@example.com` }
    const reason = { reason_admin: { en: text }, initiating_entity: text }
    await push(transmitter, { type: 'session-revoked', subject: user, claims: reason, jti: `jti ${text}` })
    await push(transmitter, { type: `${caep}risk-level-change`, subject: user, claims: riskChange(text) })
    await push(transmitter, { events: { [`https://x.example/${text.replace(/\s/g, '_')}`]: { note: text } } })
    await push(transmitter, { type: 'session-revoked', subject: { format: 'opaque', id: text } })
    await push(transmitter, { type: 'session-revoked', subject: narrowed(text) })
    await push(transmitter, { type: 'session-revoked', subject: user, token: { iss: `https://${text}` } })
    await push(transmitter, { type: 'session-revoked', subject: user, token: { [text]: text, aud: text } })
    await push(transmitter, { type: 'session-revoked', subject: user, header: { kid: text, typ: text } })
    const name = `${at} ${text}`.slice(0, 100)
    const settings = { issuer: `https://p${at}.example`, jwks_url: `https://p${at}.example/jwks.json` }
    const made = await hub.api('POST', '/api/v1/security-events-providers', { name, type: 'x', settings })
    if (made.status === 200) takenNames.push(name)
  }
  await hub.handleAll()
}, 120_000)
afterAll(async () => {
  await site[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

function riskChange(text: string): object {
  return {
    principal: 'USER',
    current_level: 'HIGH',
    risk_reason: text,
    event_timestamp: Math.floor(Date.now() / 1_000),
  }
}

function narrowed(text: string): object {
  const user = { format: 'email', email: 'ada@example.com' }
  return { format: 'complex', user, [`room ${text}`.slice(0, 60)]: { format: 'opaque', id: text } }
}

async function push(transmitter: Transmitter, draft: object): Promise<void> {
  const token = transmitter.sign({ aud: site.hub.origin, ...draft } as Parameters<Transmitter['sign']>[0])
  const { status } = await site.hub.push(token)
  expect([202, 400]).toContain(status)
}

function run(args: readonly string[], terminalColumns?: number, stdin?: string): Promise<CliRun> {
  return runInProcess(args, {
    env: {
      WATCHBELL_URL: site.hub.origin,
      WATCHBELL_TOKEN: site.hub.adminToken,
      WATCHBELL_DATA: folder.path,
    },
    ...(terminalColumns !== undefined && { terminalColumns }),
    ...(stdin !== undefined && { stdin }),
  })
}

/** Both into a pipe and onto a terminal. */
async function expectSafe(args: readonly string[], stdin?: string): Promise<string> {
  const piped = await run(args, undefined, stdin)
  expect([args, unsafeIn(piped.stdout + piped.stderr)]).toEqual([args, []])
  const shown = await run(args, 100, stdin)
  const text = (shown.stdout + shown.stderr).replace(ownColours, '')
  expect([args, unsafeIn(text)]).toEqual([args, []])
  return piped.stdout
}

async function idsOf(path: string, member: string): Promise<readonly string[]> {
  const body = (await (await site.hub.api('GET', path)).json()) as Record<string, { id: string }[]>
  return (body[member] ?? []).map(({ id }) => id)
}

describe('no command prints control characters of external texts', () => {
  test('in lists, as text and as JSON', async () => {
    const lists = [
      ['signals', '--limit', '1000'],
      ['log', '--limit', '1000'],
      ['provider', 'list'],
      ['risk-provider', 'list'],
      ['subject', 'list'],
      ['stream', 'list'],
      ['stream', 'doctor'],
      ['token', 'list'],
      ['client', 'list'],
    ]
    for (const list of lists) for (const more of [[], ['--json']]) await expectSafe([...list, ...more])
    expect((await run(['signals', '--limit', '1000', '--json'])).stdout).toContain('\\u001b')
  })

  test('in each signal and its verdict', async () => {
    const ids = await idsOf('/v1/signals?limit=200', 'signals')
    expect(ids.length).toBeGreaterThan(texts.length * 5)
    for (const id of ids) await expectSafe(['signals', 'show', id, '--include-token'])
  })

  test('in each user, by name and in prompts', async () => {
    expect.hasAssertions()
    for (const [at] of texts.entries()) {
      const user = `user${at}@example.com`
      await expectSafe(['subject', 'show', user])
      await expectSafe(['risk', 'show', user])
      await expectSafe(['evaluate', '--user', user])
      await expectSafe(['evaluate', '--user', user, '--json'])
    }
  })

  test('in errors about refused names, tokens and arguments', async () => {
    expect.hasAssertions()
    for (const name of takenNames) {
      await expectSafe(['provider', 'show', name])
      await expectSafe(['provider', 'trust', name])
    }
    for (const [, text] of texts) {
      await expectSafe(['provider', 'show', text])
      await expectSafe(['subject', 'show', text])
      await expectSafe(['erasure', 'show', text])
      await expectSafe(['signals', '--subject', text])
      await expectSafe(['signals', '--since', text])
      await expectSafe(['stream', 'show', text])
      await expectSafe(['signals', 'show', text])
      await expectSafe([text])
      await expectSafe(['set', 'decode'], text)
      const claims = {
        iss: text,
        jti: text,
        iat: 1,
        aud: text,
        events: { [`urn:${text.replace(/\s/g, '')}`]: {} },
      }
      await expectSafe(
        ['set', 'decode'],
        site.transmitter.sign({ aud: text, type: 'session-revoked', token: claims }),
      )
      await expectSafe(['set', 'verify', '--jwks', text], text)
    }
  }, 60_000)

  test('this test runs every command', async () => {
    const files = await readdir(new URL('../../src/cli/', import.meta.url))
    expect(files.filter((file) => file.endsWith('-command.ts')).toSorted()).toEqual([
      'backup-command.ts', // no words of others
      'client-command.ts',
      'erasure-command.ts',
      'evaluate-command.ts',
      'export-command.ts', // data for a program, byte by byte; on a terminal it needs `-`
      'health-command.ts', // no words of others
      'import-command.ts', // no words of others
      'key-command.ts', // no words of others
      'log-command.ts',
      'provider-command.ts',
      'provider-trust-command.ts',
      'risk-command.ts',
      'risk-provider-command.ts',
      'send-command.ts', // the caller's own words
      'serve-command.ts', // the log: src/run/stderr-logger.test.ts
      'set-command.ts',
      'signals-command.ts',
      'stream-command.ts',
      'stream-connect-command.ts',
      'stream-doctor-command.ts',
      'subject-command.ts',
      'token-command.ts',
    ])
  })
})

/** One sentence of an evaluation, whatever was said by whom: words of others stand between quotation marks only. */
const sentence =
  /^(?:An administrator|“[^“”]*”|[\w:/.]+) (?:says (?:NONE|LOW|MEDIUM|HIGH) of the (?:user|device|session|address): [\w ,.:-]+|revoked (?:this session|all sessions of the user(?: on this device)?))(?: \(“[^“”\n]*”\))?,? (?:since|as of) [\dTZ:.-]+(?:, until (?:it is replaced|[\dTZ:.-]+))?\.$/u

test('external texts cannot imitate a text of the hub', async () => {
  for (const [at] of texts.entries()) {
    const question = {
      subject: { type: 'user', id: `user${at}@example.com` },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
    }
    const answer = await site.hub.api('POST', '/access/v1/evaluation', question)
    const { context } = (await answer.json()) as { context: { reasons: { text: string }[] } }
    expect(context.reasons.length).toBeGreaterThan(0)
    for (const { text } of context.reasons) {
      expect(text).toMatch(sentence)
      expect(unsafeIn(text)).toEqual([])
    }
  }
  const logged = await site.logs(
    `?limit=1000&filter=${encodeURIComponent('eventType eq "policy.evaluate_sign_on"')}`,
  )
  expect(logged.length).toBeGreaterThanOrEqual(texts.length)
  for (const entry of logged) {
    const { outcome, debugContext } = entry as typeof entry & { outcome: { reason: string } }
    expect(outcome.reason).toMatch(sentence)
    const { risk = '' } = debugContext.debugData
    expect(risk).toMatch(/^\{level=[A-Z]+, reasons=[^{}=]*\}$/)
    expect(unsafeIn(String(risk))).toEqual([])
  }
})

test('verdicts and errors of the API hold no control characters', async () => {
  const { signals } = (await (await site.hub.api('GET', '/v1/signals?limit=200')).json()) as {
    signals: { reason?: string; events: { unmatched_reason?: string }[] }[]
  }
  const verdicts = signals.flatMap(({ reason, events }) => [
    ...(reason === undefined ? [] : [reason]),
    ...events.flatMap(({ unmatched_reason: why }) => (why === undefined ? [] : [why])),
  ])
  expect(verdicts.length).toBeGreaterThan(texts.length)
  for (const verdict of verdicts)
    expect([verdict, unsafeIn(verdict), /\n/.test(verdict)]).toEqual([verdict, [], false])
  for (const [, text] of texts) {
    const inUrl = encodeURIComponent(text.toWellFormed())
    for (const path of [
      `/api/v1/users/${inUrl}/risk`,
      `/v1/signals?since=${inUrl}`,
      `/v1/signals?${inUrl}=1`,
      `/api/v1/logs?filter=${inUrl}`,
      `/api/v1/security-events-providers/${inUrl}`,
    ]) {
      const body = await (await site.hub.api('GET', path)).text()
      expect([path, unsafeIn(JSON.stringify(JSON.parse(body), textsAsTheyAre))]).toEqual([path, []])
    }
  }
})

/** JSON.stringify escapes line breaks and the like; here they are what is looked for. */
function textsAsTheyAre(_name: string, value: unknown): unknown {
  if (typeof value === 'string') expect(unsafeIn(value)).toEqual([])
  return value
}

test.each([
  'An administrator',
  'AN ADMINISTRATOR',
  ' an  administrator ',
  'An\u00a0administrator',
  'An\u200b admin\u2060istrator',
  'Аn аdministrаtor',
  'Ａｎ　ａｄｍｉｎｉｓｔｒａｔｏｒ',
  'administrator.',
  'Watchbell',
])('a source cannot have the name %j', async (name) => {
  const settings = { issuer: 'https://imp.example', jwks_url: 'https://imp.example/jwks.json' }
  const refused = await site.hub.api('POST', '/api/v1/security-events-providers', {
    name,
    type: 'x',
    settings,
  })
  expect([refused.status, await refused.text()]).toEqual([
    400,
    expect.stringContaining('administrator or the hub'),
  ])
  const risk = await site.hub.api('POST', '/api/v1/risk/providers', { name, clientId: '0oaNone' })
  expect([risk.status, await risk.text()]).toEqual([400, expect.stringContaining('administrator or the hub')])
})
