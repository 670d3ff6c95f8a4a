import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/temporary-folder.ts'
import { settingEntries, SettingProblem } from './settings.ts'

const [first = '', second = ''] = rootCertificates
const { read } = settingEntries.caFile

test('WATCHBELL_CA_FILE may hold several certificates, and text around them', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ca.pem')
  await writeFile(file, `# Ours\n${first}\n\nAnd another\n${second}\n`)
  expect(read(file)).toEqual([first, second])
})

test.each([
  ['nothing', '', 'holds no PEM certificate'],
  ['a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', 'holds no PEM certificate'],
  [
    'a broken certificate',
    `${first}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`,
    'certificate 2',
  ],
])('a file with %s stops the start', async (_, text, why) => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ca.pem')
  await writeFile(file, text)
  expect(() => read(file)).toThrow(SettingProblem)
  expect(() => read(file)).toThrow(why)
  expect(() => read(join(folder.path, 'missing.pem'))).toThrow('cannot be read')
})
