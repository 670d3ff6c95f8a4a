import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/temporary-folder.ts'
import { fixedStatement } from './fixed-statement.ts'
import { openSqliteInThread } from '../sqlite/in-thread.ts'
import { sqliteVariant } from './sql-variant.ts'

test('the text is made once, and each run uses its own values, also lists', async () => {
  await using folder = await temporaryFolder()
  const { storage } = await openSqliteInThread(folder.path, new Date())
  await using _closing = storage
  let texts = 0
  const among = fixedStatement<{ numbers: readonly number[]; least: number; name: string | null }, object>(
    (slot, variant) => {
      texts += 1
      return sql`
        SELECT value AS number, ${slot('name')} AS name, ${'constant'} AS kept
        FROM ${variant.numbers(slot('numbers'))} WHERE value >= ${slot('least')} ORDER BY value`
    },
  )
  const run = (numbers: readonly number[], least: number, name: string | null) =>
    among(storage.db, sqliteVariant, { numbers, least, name })

  expect(await run([1, 2, 3], 2, "it's")).toEqual([
    { number: 2, name: "it's", kept: 'constant' },
    { number: 3, name: "it's", kept: 'constant' },
  ])
  expect(await run([9], 0, null)).toEqual([{ number: 9, name: null, kept: 'constant' }])
  expect(await run([], 0, 'nobody')).toEqual([])
  expect(await Promise.all([run([5], 5, 'a'), run([6], 6, 'b')])).toMatchObject([
    [{ number: 5, name: 'a' }],
    [{ number: 6, name: 'b' }],
  ])
  expect(texts).toBe(1)
})
