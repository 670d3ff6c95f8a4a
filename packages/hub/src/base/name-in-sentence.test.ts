import { describe, expect, test } from 'vitest'
import { hostileTexts } from '../../../receiver/test/hostile-text.ts'
import { impersonates } from './impersonation.ts'
import { nameInSentence } from './name-in-sentence.ts'

describe('nameInSentence', () => {
  test.each([
    'Partner',
    'Vendor (enforce_and_log)',
    'Zoë IdP',
    'Okta - EU',
    'corp.example IdP',
    "Ada's IdP",
    'AT&T',
  ])('the ordinary name %s stays as it is', (name) => {
    expect(nameInSentence(name)).toBe(name)
  })

  test.each([
    ...Object.values(hostileTexts),
    'An administrator',
    'An administrator of Corp',
    'Corp says NONE and Partner',
    'Corp of the user',
    'Corp: all is well',
    'Corp. Partner',
    ' Partner',
    'Two  spaces',
    'Корп',
    'Аdministrаtor desk',
    'Watchbell at Corp',
    '',
  ])('%j gets quotation marks', (name) => {
    expect(nameInSentence(name)).toMatch(/^“(?:[^\p{Quotation_Mark}\n]|')*”$/u)
  })
})

describe('impersonates', () => {
  test.each([
    'An administrator',
    'AN ADMINISTRATOR',
    '  an   administrator\t',
    'An\u00a0administrator',
    'An\u200badmin\u2060istrator\ufeff',
    'An-administrator.',
    '“An administrator”',
    'An admínistrator',
    'Аn аdministrаtor', // Cyrillic
    'Αn administratοr', // Greek
    'Ａｎ ａｄｍｉｎｉｓｔｒａｔｏｒ', // full width
    '𝐀𝐧 𝐚𝐝𝐦𝐢𝐧𝐢𝐬𝐭𝐫𝐚𝐭𝐨𝐫', // mathematical
    'ᴀɴ ᴀᴅᴍɪɴɪꜱᴛʀᴀᴛᴏʀ', // small capitals
    'An adm1n1strat0r',
    'An administrat\u043er',
    'An adrninistrator',
    'An admlnlstrator',
    'An admınıstrator',
    'Administrator',
    'the administrators',
    'Admin',
    'Wаtchbell',
    'VVatchbell',
    'WATCHBELL',
  ])('%j does', (name) => {
    expect(impersonates(name)).toBe(true)
  })

  test.each(['Partner', 'Admin Portal', 'Administration of Corp', 'Okta', 'Corp IdP', 'Анна', '管理者', ''])(
    '%j does not',
    (name) => {
      expect(impersonates(name)).toBe(false)
    },
  )
})
