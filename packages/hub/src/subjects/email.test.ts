import { domainToASCII } from 'node:url'
import { fc } from '../../../receiver/test/properties.ts'
import { expect, test } from 'vitest'
import { normaliseEmail } from './email.ts'

const label = '[a-z0-9-]{1,8}'
/** What a URL takes for an IPv4 address is no name. */
const endsInNumber = /(^|\.)(0x[0-9a-f]*|\d+)$/

test('a plain domain is what IDNA makes of it, without being asked', () => {
  fc.assert(
    fc.property(fc.stringMatching(new RegExp(`^${label}(\\.${label}){0,3}$`)), (domain) => {
      fc.pre(!endsInNumber.test(domain))
      expect(normaliseEmail(`ada@${domain}`)).toBe(`ada@${domainToASCII(domain) || domain}`)
    }),
  )
})

test('text that is ASCII only is brought to the form that any text is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
      fc.pre(!text.includes('@'))
      expect(normaliseEmail(text)).toBe(text.normalize('NFC').toLowerCase().normalize('NFC'))
    }),
  )
})
