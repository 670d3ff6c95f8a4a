import { expect, test } from 'vitest'
import { isScope, onlyReads, permits, scopeNames, scopes, type Scope } from './scopes.ts'

test.each<[Scope[], Scope, boolean]>([
  [['okta.logs.read'], 'okta.logs.read', true],
  [['okta.clients.manage'], 'okta.clients.read', true],
  [['okta.clients.manage'], 'okta.clients.manage', true],
  [['okta.logs.read', 'okta.clients.manage'], 'okta.clients.read', true],
  [['okta.clients.read'], 'okta.clients.manage', false],
  [['okta.clients.manage'], 'okta.logs.read', false],
  [['okta.riskProviders.manage'], 'okta.userRisk.read', false],
  [['watchbell.providers.manage'], 'okta.securityEventsProviders.read', false],
  [['watchbell.subjects.manage'], 'watchbell.access.evaluate', false],
  [[], 'okta.logs.read', false],
])('%j permits %s: %s', (held, needed, expected) => {
  expect(permits(held, needed)).toBe(expected)
})

test.each([
  '',
  'okta',
  'okta.logs.READ',
  'okta.logs.read ',
  'toString',
  '__proto__',
  'openid',
  'okta.logs.manage',
])('%j is not a scope of the hub', (text) => expect(isScope(text)).toBe(false))

test('a list of scopes is read in order, each scope once', () => {
  expect(scopeNames('')).toEqual([])
  expect(scopeNames('  b a  b ')).toEqual(['b', 'a'])
})

test('only scopes for reading and for decisions are read-only', () => {
  expect(scopes.filter((scope) => !onlyReads(scope)).every((scope) => scope.endsWith('.manage'))).toBe(true)
  expect(scopes.filter(onlyReads).some((scope) => scope.endsWith('.manage'))).toBe(false)
})
