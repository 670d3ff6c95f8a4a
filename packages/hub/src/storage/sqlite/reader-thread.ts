import { parentPort, workerData } from 'node:worker_threads'
import { findLiveTokens, findServiceApps } from './access-procedures.ts'
import { keepCheckpointing } from './checkpoints.ts'
import { databaseFile, openConnection } from './connection.ts'
import { packPictures, readSqliteRisks, unpackQuestions } from './risk-procedures.ts'
import { readSessions } from './read-sessions.ts'
import { answerCalls } from '../threads/thread-link.ts'

// The module of the two reading threads: one for people and SIEMs, which also runs checkpoints, so that a long search blocks
// neither intake nor the event loop, and one for the query at sign-in, which no search blocks.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const { folder, checkpoints } = workerData as { folder: string; checkpoints: boolean } // given by openSqlite
const connection = openConnection({ file: databaseFile(folder), readOnly: true })
const checkpointing = checkpoints ? keepCheckpointing(databaseFile(folder)) : undefined
const sessions = readSessions(connection)
const closed = answerCalls(parentPort, sessions, {
  findLiveTokens: async (hashes: readonly string[]) => findLiveTokens(connection, hashes),
  findServiceApps: async (clientIds: readonly string[]) => findServiceApps(connection, clientIds),
  async readRisks(questions: string) {
    connection.run('BEGIN', []) // one snapshot for all of them
    try {
      return packPictures(readSqliteRisks(connection, unpackQuestions(questions)))
    } finally {
      connection.run('COMMIT', [])
    }
  },
})
parentPort.postMessage('ready')
await closed
checkpointing?.[Symbol.dispose]()
await sessions.close()
parentPort.close()
