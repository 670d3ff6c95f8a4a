import { expect, test } from 'vitest'
import { databases } from './databases.ts'

test.each(databases)('a hub mark on %s is the last one that was put, or undefined', async (_, open) => {
  await using storage = await open()
  const { hubMarks } = storage.stores
  expect(await hubMarks.find('origin')).toBeUndefined()
  for (const origin of ['https://one.example', 'https://two.example']) {
    await hubMarks.put('origin', origin)
    expect([await hubMarks.find('origin'), await hubMarks.find('copied')]).toEqual([origin, undefined])
  }
  await hubMarks.put('origin', undefined)
  expect(await hubMarks.find('origin')).toBeUndefined()
})
