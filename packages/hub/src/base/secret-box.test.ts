import { CompactEncrypt } from 'jose'
import { expect, test } from 'vitest'
import { createSecretBox } from './secret-box.ts'

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

test.each(['', 'text', '🔔 {"d":"x"}', 'x'.repeat(100_000)])('opens what it sealed', async (text) => {
  const box = createSecretBox(key(1))
  const sealed = await box.seal(text)
  expect(await box.open(sealed)).toBe(text)
  expect(await createSecretBox(key(1)).open(sealed)).toBe(text)
  expect(await box.seal(text)).not.toBe(sealed)
})

test('refuses to open anything else', async () => {
  const box = createSecretBox(key(1))
  const sealed = await box.seal('text')
  const parts = sealed.split('.')
  const otherAlgorithm = await new CompactEncrypt(new TextEncoder().encode('text'))
    .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' })
    .encrypt(key(1))
  const strange = [
    '',
    'x',
    '....',
    `${sealed}A`,
    parts.toReversed().join('.'),
    otherAlgorithm,
    await createSecretBox(key(2)).seal('text'),
  ]
  for (const text of strange)
    await expect(box.open(text)).rejects.toMatchObject({ code: 'hub.secret_unreadable' })
})

test.each([0, 16, 31, 33, 64])('refuses a key of %i bytes', (bytes) => {
  expect(() => createSecretBox(new Uint8Array(bytes))).toThrow(RangeError)
})
