import { parentPort, workerData } from 'node:worker_threads'
import { openConnection } from './connection.ts'
import { databaseFile } from './in-thread.ts'
import { readSessions } from './read-sessions.ts'
import { answerCalls } from './thread-link.ts'

// The thread that reads for people and SIEMs, so that a long search holds up neither intake nor the event loop.
if (parentPort === null) throw new Error('This file runs as a worker thread.')
const { folder } = workerData as { folder: string } // given by openSqlite
const sessions = readSessions(openConnection({ file: databaseFile(folder), readOnly: true }))
const closed = answerCalls(parentPort, sessions, {})
parentPort.postMessage('ready')
await closed
await sessions.close()
parentPort.close()
