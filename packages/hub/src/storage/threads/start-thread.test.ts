import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startThread } from './start-thread.ts'

const thread = (source: string): URL =>
  new URL(
    `data:text/javascript,import { parentPort } from 'node:worker_threads'; ${encodeURIComponent(source)}`,
  )

test('a thread that dies is told of; what is asked of it fails, and closing it is done', async () => {
  const deaths: string[] = []
  const module = thread(
    `parentPort.postMessage('ready'); parentPort.on('message', () => { throw new Error('no room') })`,
  )
  const link = await startThread(module, {}, ({ message }) => deaths.push(message))
  await expect(link.call('anything', undefined)).rejects.toThrow('no room')
  await link.close()
  await delay(50) // its exit comes behind its error
  expect(deaths).toEqual(['no room'])
  await expect(link.call('anything', undefined)).rejects.toThrow('no room')
})

test('one that throws while it starts is never there', async () => {
  await expect(startThread(thread(`throw new Error('not today')`), {}, () => undefined)).rejects.toThrow(
    'not today',
  )
})
