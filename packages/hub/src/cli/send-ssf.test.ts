import { expect, test } from 'vitest'
import { runInProcess } from '../../test/run-cli.ts'

interface Introduction {
  readonly well_known_url: string
  readonly token_url: string
  readonly client_id: string
  readonly client_secret: string
  readonly bearer_token: string
}

test('send --ssf is a transmitter that a receiver can use, and says in the end what was taken', async () => {
  const stop = new AbortController()
  const introduced = Promise.withResolvers<Introduction>()
  const running = runInProcess(
    ['send', 'session-revoked', '--ssf', '--json', '--alg', 'EdDSA', '--rate', '1000'],
    {
      stop: stop.signal,
      onStdout: (text) => introduced.resolve(JSON.parse(text.split('\n')[0] ?? '') as Introduction),
    },
  )
  const { well_known_url: url, token_url: tokenUrl, ...client } = await introduced.promise
  const metadata = (await (await fetch(url)).json()) as { configuration_endpoint: string }
  const granted = await fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client.client_id,
      client_secret: client.client_secret,
    }),
  })
  const { access_token: token } = (await granted.json()) as { access_token: string }
  const post = async (url: string, body: object): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()
  }
  const stream = (await post(metadata.configuration_endpoint, {})) as { delivery: { endpoint_url: string } }
  const { sets } = (await post(stream.delivery.endpoint_url, {})) as { sets: object }
  await post(stream.delivery.endpoint_url, { maxEvents: 0, ack: Object.keys(sets) })
  stop.abort()
  const { exitCode, stdout } = await running
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    receiver: 'receiver',
    status: 'enabled',
    taken: 1,
    refused: 0,
    waiting: 0,
  })
})

test.each([
  [['--misbehave', 'politely'], "there is no 'politely'"],
  [['--break', 'typ'], '--break has no meaning with --ssf'],
  [['--register'], '--register has no meaning with --ssf'],
  [['--listen', '192.0.2.1:1', '--alg', 'EdDSA'], '192.0.2.1:1 cannot be listened on'],
])('send --ssf %j is wrong usage', async (args, message) => {
  const { exitCode, stderr } = await runInProcess(['send', '--ssf', ...args])
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)])
})
