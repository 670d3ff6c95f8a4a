import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startThread } from './start-thread.ts'

const thread = (source: string): URL =>
  new URL(
    `data:text/javascript,import { parentPort } from 'node:worker_threads'; ${encodeURIComponent(source)}`,
  )

test('a thread that dies is reported, its calls fail, and closing it resolves', async () => {
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

test('a thread that throws while it starts makes the start fail', async () => {
  await expect(startThread(thread(`throw new Error('not today')`), {}, () => undefined)).rejects.toThrow(
    'not today',
  )
})
