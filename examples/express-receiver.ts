// A receiver of pushed events in Express (RFC 8935): it checks each token as the hub does, and prints the events in it. See it work with
// test-a-receiver.ts beside it:
//   ISSUER=http://127.0.0.1:8090 JWKS_URL=http://127.0.0.1:8090/jwks.json npx node examples/express-receiver.ts
import {
  createKeyCache,
  createSetVerifier,
  defaultKeyLimits,
  isReceiverError,
  parseToken,
  readEvents,
  setBytesMax,
  type ReceiverErrorCode,
} from '@watchbell/receiver'
import express, { type ErrorRequestHandler } from 'express'

const {
  ISSUER: issuer = '',
  JWKS_URL: jwksUrl = '',
  AUDIENCE = 'https://receiver.example',
  PORT = '3000',
} = process.env
const world = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  fetch: (url: string | URL | Request, init?: RequestInit) => fetch(url, { ...init, redirect: 'error' }),
}
const logger = { debug() {}, info: console.error, warn: console.error, error: console.error }
const keys = createKeyCache({ world, logger, limits: defaultKeyLimits }).keysOf({ id: 'idp', jwksUrl })
const verifier = createSetVerifier(world)
const noDialect = () => new Set<never>()

/** Tokens that were taken. Yours is a table: what you answer with 202 must survive a power cut, as nobody sends it again. */
const taken = new Set<string>()

/** The wire's word for why a token was refused (RFC 8935 §2.4). */
const errOf: Partial<Record<ReceiverErrorCode, string>> = {
  'set.unknown_issuer': 'invalid_issuer',
  'set.wrong_audience': 'invalid_audience',
  'set.unknown_key': 'invalid_key',
  'set.key_refused': 'invalid_key',
  'set.bad_signature': 'invalid_key',
}

const sayWhy: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (!isReceiverError(error)) return next(error)
  if (!error.code.startsWith('set.')) {
    // Not the sender's fault, such as keys that cannot be fetched now: it sends the token again.
    response
      .status(503)
      .set('retry-after', String(error.retryAfterS ?? 30))
      .end()
    return
  }
  response
    .status(400)
    .set('content-language', 'en')
    .json({ err: errOf[error.code] ?? 'invalid_request', description: error.detail })
}

express()
  .disable('x-powered-by')
  .post(
    '/events',
    express.raw({ type: 'application/secevent+jwt', limit: setBytesMax }),
    async (request, response) => {
      const body: unknown = request.body
      const token = parseToken(Buffer.isBuffer(body) ? body : '', noDialect)
      const set = await verifier.verify(token, { issuer, audiences: [AUDIENCE], keys })
      const events = readEvents(set)
      if (!taken.has(set.jti)) {
        taken.add(set.jti)
        for (const { name, subject } of events) console.log(`${name} about ${JSON.stringify(subject)}`)
      }
      response.status(202).end()
    },
  )
  .use(sayWhy)
  .listen(Number(PORT), '127.0.0.1', () => console.log(`takes events at http://127.0.0.1:${PORT}/events`))
