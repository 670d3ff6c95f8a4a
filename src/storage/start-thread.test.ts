import { expect, test } from 'vitest'
import { startThread } from './start-thread.ts'

const thread = (source: string): URL =>
  new URL(
    `data:text/javascript,import { parentPort } from 'node:worker_threads'; ${encodeURIComponent(source)}`,
  )

test('a thread that dies is told of; what is asked of it fails, and closing it is done', async () => {
  const died = Promise.withResolvers<Error>()
  const module = thread(
    `parentPort.postMessage('ready'); parentPort.on('message', () => { throw new Error('no room') })`,
  )
  const link = await startThread(module, {}, died.resolve)
  await expect(link.call('anything', undefined)).rejects.toThrow('no room')
  expect((await died.promise).message).toBe('no room')
  await link.close()
  await expect(link.call('anything', undefined)).rejects.toThrow('no room')
})

test('one that throws while it starts is never there', async () => {
  await expect(startThread(thread(`throw new Error('not today')`), {}, () => undefined)).rejects.toThrow(
    'not today',
  )
})
