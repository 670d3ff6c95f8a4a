import Database from 'better-sqlite3'
import express from 'express'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { Pool } from 'pg'

// What one would write in an afternoon: Express, jose, and one durable insert for each request.
const [portText = '', place = '', jwksText = '', issuer = '', audience = ''] = process.argv.slice(2)
const columns = 'iss TEXT, jti TEXT, events TEXT, token TEXT, UNIQUE (iss, jti)'
type Insert = (iss: unknown, jti: unknown, events: string, token: string) => unknown
const insert = place.startsWith('postgres://') ? await onPostgres(place) : onSqlite(place)

async function onPostgres(connectionString: string): Promise<Insert> {
  const pool = new Pool({ connectionString, max: 20 })
  await pool.query(`CREATE TABLE signals (id BIGSERIAL PRIMARY KEY, ${columns})`)
  const text = 'INSERT INTO signals (iss, jti, events, token) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING'
  return (...values) => pool.query({ name: 'insert', text, values })
}

function onSqlite(file: string): Insert {
  const database = new Database(file)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec(`CREATE TABLE signals (id INTEGER PRIMARY KEY, ${columns})`)
  const statement = database.prepare(
    'INSERT INTO signals (iss, jti, events, token) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  return (...values) => statement.run(...values)
}

const keys = createLocalJWKSet(JSON.parse(jwksText) as JSONWebKeySet)

const app = express()
app.use(express.text({ type: 'application/secevent+jwt' }))
app.post('/security/api/v1/security-events', async (request, response) => {
  try {
    const token = String(request.body)
    const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'secevent+jwt' })
    await insert(payload.iss, payload.jti, JSON.stringify(payload['events']), token)
    response.status(202).end()
  } catch (error) {
    response.status(400).json({ err: 'invalid_request', description: String(error) })
  }
})
app.listen(Number(portText), '127.0.0.1', () => console.log('ready'))
