import { expect, test } from 'vitest'
import { databases } from './databases.ts'

test.each(databases)('the clock mark on %s is the last one that was put', async (_, open) => {
  await using storage = await open()
  const { clockMark, signals } = storage.stores
  expect(await clockMark.find()).toBeUndefined()
  for (const at of ['2026-01-02T00:00:00.001Z', '2026-01-01T00:00:00Z'].map((text) => new Date(text))) {
    await clockMark.put(at)
    expect(await clockMark.find()).toEqual(at)
  }
  expect(await signals.counts()).toMatchObject({ accepted: 0, failed: 0, refused: [] })
})
