import { describe, expect, test } from 'vitest'
import type { HubError } from '../base/hub-error.ts'
import type { JsonValue } from '@watchbell/receiver/base'
import { readRiskProviderDraft } from './risk-provider-draft.ts'

const good = { name: 'Risk-Partner-X', clientId: '0oa1', action: 'log_only' }

function problemsOf(body: JsonValue | undefined): readonly string[] {
  try {
    readRiskProviderDraft(body)
    return []
  } catch (error) {
    const { code, problems } = error as HubError // the only error that it throws
    expect(code).toBe('risk_provider.invalid')
    return problems.map(({ field }) => field)
  }
}

describe('valid bodies', () => {
  test.each<[JsonValue, object]>([
    [good, good],
    [
      { ...good, action: 'none' },
      { ...good, action: 'none' },
    ],
    [
      { ...good, action: 'enforce_and_log' },
      { ...good, action: 'enforce_and_log' },
    ],
    [
      { name: 'a', clientId: 'b' },
      { name: 'a', clientId: 'b', action: 'log_only' },
    ],
    [
      { name: 'a', clientId: 'b', action: null },
      { name: 'a', clientId: 'b', action: 'log_only' },
    ],
    [
      { ...good, name: 'n'.repeat(50) },
      { ...good, name: 'n'.repeat(50) },
    ],
    [
      { ...good, name: ' Default ' },
      { ...good, name: ' Default ' },
    ],
    [
      { ...good, name: 'Ünïcødé 🔔' },
      { ...good, name: 'Ünïcødé 🔔' },
    ],
  ])('case %# is read (OKTA-K20 to OKTA-K22)', (body, draft) => {
    expect(readRiskProviderDraft(body)).toEqual(draft)
  })

  test('other members of a fetched object are ignored, whatever their values (OKTA-K23, OKTA-A5)', () => {
    const fetched = { ...good, id: 7, created: 'never', lastUpdated: null, _links: [], whatever: {} }
    expect(readRiskProviderDraft(fetched)).toEqual(good)
  })
})

describe('invalid bodies', () => {
  test.each<[JsonValue | undefined, readonly string[]]>([
    [undefined, ['']],
    [null, ['']],
    ['name', ['']],
    [[good], ['']],
    [{}, ['name', 'clientId']],
    [{ ...good, name: null }, ['name']],
    [{ ...good, name: '' }, ['name']],
    [{ ...good, name: ' \t' }, ['name']],
    [{ ...good, name: 5 }, ['name']],
    [{ ...good, name: ['a'] }, ['name']],
    [{ ...good, name: 'n'.repeat(51) }, ['name']],
    [{ ...good, name: 'a\u0000b' }, ['name']],
    [{ ...good, name: 'a\nb' }, ['name']],
    [{ ...good, name: '\ud800' }, ['name']],
    [{ ...good, clientId: null }, ['clientId']],
    [{ ...good, clientId: '  ' }, ['clientId']],
    [{ ...good, clientId: {} }, ['clientId']],
    [{ ...good, clientId: 'c'.repeat(101) }, ['clientId']],
    [{ ...good, action: 'ENFORCE_AND_LOG' }, ['action']],
    [{ ...good, action: 'log' }, ['action']],
    [{ ...good, action: '' }, ['action']],
    [{ ...good, action: true }, ['action']],
    [{ ...good, action: ['none'] }, ['action']],
    [{ name: 1, clientId: '', action: 'x' }, ['name', 'clientId', 'action']],
  ])('case %#: every invalid field is named', (body, fields) => {
    expect(problemsOf(body)).toEqual(fields)
  })
})
