import { mkdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { databaseFile } from '../src/storage/sqlite/connection.ts'
import { openSqliteInThread } from '../src/storage/sqlite/in-thread.ts'
import { contest, type Contestant, type ContestRow } from './contest.ts'
import { adminToken, start, startHub } from './processes.ts'

export interface EvaluationsPlan {
  readonly folder: string
  /** How many entities the stores hold, one store for each number. */
  readonly entities: readonly number[]
  readonly evaluations: number
  readonly rounds: number
  readonly connections: number
  readonly say: (line: string) => void
}

const warmUp = 10_000
const answer = JSON.stringify({
  decision: true,
  context: { outcome: 'allow', level: 'NONE', reasons: [] },
})

/**
 * Evaluations per second beside a server that only parses the question and answers. Of every 200 entities one is HIGH,
 * three are MEDIUM and forty LOW, so about one question in 25 is not allowed, and logged in either mode.
 */
export async function measureEvaluations(plan: EvaluationsPlan): Promise<ContestRow[]> {
  const { folder, evaluations, rounds, connections, say } = plan
  const contestants: Contestant[] = []
  for (const entities of plan.entities) {
    say(`filling a store with ${entities.toLocaleString('en')} entities`)
    const data = join(folder, `entities-${entities}`)
    await fill(data, entities)
    const bodies = join(folder, `questions-${entities}.txt`)
    await writeFile(bodies, questions(entities, evaluations + warmUp).join('\n'))
    if (contestants.length === 0) {
      contestants.push({
        name: floor,
        bodies,
        start: (port) =>
          start(port, [join(import.meta.dirname, 'json-server.ts'), String(port), '200', answer]),
      })
    }
    for (const logged of ['non_allow', 'all']) {
      contestants.push({
        name: `Watchbell, ${entities.toLocaleString('en')} entities, log=${logged}`,
        bodies,
        start: (port) => startHub(port, { WATCHBELL_DATA: data, WATCHBELL_LOG_EVALUATIONS: logged }),
      })
    }
  }
  return contest({
    contestants,
    floor,
    path: '/access/v1/evaluation',
    headers: `Authorization: SSWS ${adminToken}\r\nContent-Type: application/json\r\nAccept: application/json\r\n`,
    status: 200,
    itemsPerRequest: 1,
    items: 'evaluations',
    warmUp,
    requests: evaluations,
    connections,
    rounds,
    say,
  })
}

const floor = 'floor: HTTP + JSON'

/** Every fifth entity is an address, the others are users. */
async function fill(data: string, entities: number): Promise<void> {
  mkdirSync(data, { recursive: true })
  const { storage } = await openSqliteInThread(data, new Date())
  await storage[Symbol.asyncDispose]()
  using database = closing(new Database(databaseFile(data)))
  database.pragma('synchronous = OFF') // a store that is lost with the machine can be filled again
  database.exec('BEGIN')
  database
    .prepare(
      `WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ?)
       INSERT INTO identifiers (node, identifier, id, entity, seen_at, level)
       SELECT
         i + 1,
         iif(i % 5 = 4, 'address:', 'user:email:') || ${nameInSql},
         iif(i % 5 = 4, ${nameInSql}, printf('00u%017d', i * 2654435761 % 4294967296)),
         i + 1,
         ?,
         CASE WHEN i / 5 % 200 < 1 THEN 3 WHEN i / 5 % 200 < 4 THEN 2 WHEN i / 5 % 200 < 44 THEN 1 ELSE 0 END
       FROM numbers`,
    )
    .run(entities, Date.now())
  database.exec(
    `INSERT INTO risk_reasons (node, source, slot, id, source_kind, detection, level, occurred_at, received_at)
     SELECT node, 'admin', 'user', 'bench', 'admin', 'Admin Reported User Risk', level, seen_at, seen_at
     FROM identifiers WHERE level > 0`,
  )
  database.exec('COMMIT')
}

const nameInSql = `iif(i % 5 = 4,
  printf('10.%d.%d.%d', i >> 16 & 255, i >> 8 & 255, i & 255), printf('user%d@example.com', i))`

function closing(database: Database.Database): Database.Database & Disposable {
  return Object.assign(database, { [Symbol.dispose]: () => void database.close() })
}

/** About users and addresses here and there in the store. */
function questions(entities: number, count: number): readonly string[] {
  const fives = entities / 5
  return Array.from({ length: count }, (_, serial) => {
    const user = 5 * (spread(serial) % fives) + (serial % 4)
    const address = 5 * (spread(serial + count) % fives) + 4
    return JSON.stringify({
      subject: { type: 'user', id: `user${user}@example.com` },
      action: { name: 'authenticate' },
      resource: { type: 'app', id: 'mail' },
      context: {
        ip: `10.${(address >> 16) & 255}.${(address >> 8) & 255}.${address & 255}`,
        device: `laptop-${user}`,
        session: `session-${serial}`,
        issued_at: '2026-01-31T12:00:00Z',
        user_agent: 'Mozilla/5.0 (OKTA-X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0',
      },
    })
  })
}

/** The same numbers in every run, and no pattern that a cache would like. */
function spread(serial: number): number {
  return Math.imul(serial + 1, 2_654_435_761) >>> 0
}
