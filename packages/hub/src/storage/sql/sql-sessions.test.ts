import { describe, expect, test } from 'vitest'
import { HubError } from '../../base/hub-error.ts'
import { isStorageFault } from '../../base/storage-error.ts'
import { SqlError } from './sql-sessions.ts'

describe('whether an error blames the data of the statement', () => {
  test.each([
    ['SQLITE_CONSTRAINT_CHECK', true],
    ['SQLITE_MISMATCH', true],
    ['SQLITE_TOOBIG', true],
    ['22001', true],
    ['23514', true],
    ['54000', true],
    ['SQLITE_CORRUPT', false],
    ['SQLITE_NOTADB', false],
    ['SQLITE_ERROR', false],
    ['SQLITE_AUTH', false],
    ['42501', false],
    ['42P01', false],
    ['XX001', false],
    ['', false],
  ])('with %j: the data of the statement is %j', (code, blamed) => {
    const error = new SqlError(code, 'no')
    expect(error.blamesData).toBe(blamed)
    expect(isStorageFault(error)).toBe(!blamed)
    expect(
      isStorageFault(new HubError('hub.unavailable', { cause: new Error('no', { cause: error }) })),
    ).toBe(!blamed)
  })

  test.each([new TypeError('no'), new HubError('hub.unavailable'), 'no', undefined])(
    'nothing when it is not from a database: %s',
    (error) => {
      expect(isStorageFault(error)).toBe(false)
    },
  )
})
