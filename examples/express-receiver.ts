// A receiver of pushed events in Express (RFC 8935): it checks each token as the hub does, and prints the events in it. See it work with
// test-a-receiver.ts beside it:
//   ISSUER=http://127.0.0.1:8090 JWKS_URL=http://127.0.0.1:8090/jwks.json npx node examples/express-receiver.ts
import { createPushEndpoint, createReceiver } from '@watchbell/receiver'
import express from 'express'
import { Readable } from 'node:stream'

const { ISSUER: issuer = '', JWKS_URL: jwksUrl = '', AUDIENCE = 'https://receiver.example' } = process.env
const port = Number(process.env['PORT'] ?? 3000)

const receiver = createReceiver({ transmitters: [{ issuer, jwksUrl, audiences: [AUDIENCE] }] })

/** Tokens that were taken. Yours is a table: what `accept` returned for must survive a power cut, as nobody sends it again. */
const taken = new Set<string>()

const push = createPushEndpoint(receiver, {
  onFault: console.error,
  async accept({ iss, jti, events }) {
    const id = JSON.stringify([iss, jti])
    if (taken.has(id)) return
    taken.add(id)
    for (const { name, subject } of events) console.log(`${name} about ${JSON.stringify(subject)}`)
  },
})

express()
  .disable('x-powered-by')
  .post('/events', async (request, response) => {
    const { 'content-type': type = '', authorization = '' } = request.headers
    const body = Readable.toWeb(request)
    const headers = { 'content-type': type, authorization }
    const asked = new Request('http://receiver/events', { method: 'POST', headers, body, duplex: 'half' })
    const answer = await push(asked)
    response
      .status(answer.status)
      .setHeaders(answer.headers)
      .end(await answer.text())
  })
  .listen(port, '127.0.0.1', () => console.log(`takes events at http://127.0.0.1:${port}/events`))
