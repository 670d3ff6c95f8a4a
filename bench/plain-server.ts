import Database from 'better-sqlite3'
import express from 'express'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'

// What one would write in an afternoon: Express, jose, and one durable insert for each request.
const [portText = '', file = '', jwksText = '', issuer = '', audience = ''] = process.argv.slice(2)
const database = new Database(file)
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.exec(
  'CREATE TABLE signals (id INTEGER PRIMARY KEY, iss TEXT, jti TEXT, events TEXT, token TEXT, UNIQUE (iss, jti))',
)
const insert = database.prepare(
  'INSERT INTO signals (iss, jti, events, token) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
)
const keys = createLocalJWKSet(JSON.parse(jwksText) as JSONWebKeySet)

const app = express()
app.use(express.text({ type: 'application/secevent+jwt' }))
app.post('/security/api/v1/security-events', async (request, response) => {
  try {
    const token = String(request.body)
    const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'secevent+jwt' })
    insert.run(payload.iss, payload.jti, JSON.stringify(payload['events']), token)
    response.status(202).end()
  } catch (error) {
    response.status(400).json({ err: 'invalid_request', description: String(error) })
  }
})
app.listen(Number(portText), '127.0.0.1', () => console.log('ready'))
