import { describe, expect, test } from 'vitest'
import { defaultOutcomeRules, readOutcomeRules } from './outcome.ts'

describe('rules that are taken', () => {
  test.each([
    ['HIGH=deny,MEDIUM=challenge', defaultOutcomeRules],
    [' MEDIUM = challenge , HIGH = deny ', defaultOutcomeRules],
    ['HIGH=challenge', { NONE: 'allow', LOW: 'allow', MEDIUM: 'allow', HIGH: 'challenge' }],
    ['LOW=deny,MEDIUM=deny,HIGH=deny', { NONE: 'allow', LOW: 'deny', MEDIUM: 'deny', HIGH: 'deny' }],
    ['HIGH=allow', { NONE: 'allow', LOW: 'allow', MEDIUM: 'allow', HIGH: 'allow' }],
  ])('%j', (text, rules) => {
    expect(readOutcomeRules(text)).toEqual(rules)
  })
})

describe('rules that are refused, in words', () => {
  test.each([
    '',
    ',',
    'HIGH',
    'HIGH=',
    '=deny',
    'high=deny',
    'HIGH=DENY',
    'HIGH=block',
    'NONE=deny',
    'CRITICAL=deny',
    'HIGH=deny=deny',
    'HIGH=deny,',
    'HIGH=deny;MEDIUM=challenge',
    'HIGH=deny,HIGH=deny',
    'MEDIUM=deny', // HIGH would be milder
    'HIGH=challenge,MEDIUM=deny',
    'LOW=challenge,HIGH=deny',
  ])('%j', (text) => {
    expect(readOutcomeRules(text)).toEqual(expect.any(String))
  })
})
