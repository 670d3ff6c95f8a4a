import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadSettings, unknownNames, type SettingsInput } from './load-settings.ts'
import { secretKey } from './secret-key.ts'
import { settingEntries, SettingsError } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'watchbell-settings-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function file(text: string): string {
  const path = join(folder, `${(files += 1)}.env`)
  writeFileSync(path, text)
  return path
}

const load = (input: Partial<SettingsInput>) =>
  loadSettings({ environment: {}, flags: {}, file: undefined, ...input })

/** What is said of settings that cannot be used. */
function problemsOf(input: Partial<SettingsInput>): readonly string[] {
  try {
    load(input)
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
  return []
}

describe('where settings come from', () => {
  test('without any the defaults hold', () => {
    expect(load({})).toMatchObject({
      listen: { host: '127.0.0.1', port: 8080 },
      origin: 'http://127.0.0.1:8080',
      data: './watchbell-data',
      outboundAllow: { names: [], blocks: [] },
      signalRetentionDays: 365,
      tokenRetentionDays: 90,
      logRetentionDays: 90,
      riskHistoryRetentionDays: 90,
      secrets: { adminToken: undefined, secretKey: undefined },
    })
  })

  test('a flag beats the environment, which beats the file; an empty text is none', () => {
    const path = file(
      '# settings\nWATCHBELL_LISTEN=127.0.0.1:1\nWATCHBELL_DATA="/in file"\nWATCHBELL_LOG_LEVEL=debug\n',
    )
    const environment = {
      WATCHBELL_LISTEN: '127.0.0.1:2',
      WATCHBELL_DATA: '/in/environment',
      WATCHBELL_LOG_LEVEL: '',
    }
    const { listen, data, logLevel } = load({
      file: path,
      environment,
      flags: { listen: '127.0.0.1:3', data: undefined },
    })
    expect([listen.port, data, logLevel]).toEqual([3, '/in/environment', 'debug'])
    expect(load({ file: path }).data).toBe('/in file')
  })

  test('every setting is one of the environment, of a file, and a flag', () => {
    for (const { variable, flag } of Object.values(settingEntries)) {
      expect(variable).toMatch(/^(WATCHBELL|OTEL)_[A-Z_]+$/)
      expect(flag).toBe(variable.replace('WATCHBELL_', '').toLowerCase().replaceAll('_', '-'))
    }
  })

  test('a name in a file that is no setting is a typo; in the environment it may be somebody else’s', () => {
    const path = file('WATCHBELL_LOG_RETENTION=30\nWATCHBELL_TOKEN=for-the-client\nOTHER=1\n')
    expect(problemsOf({ file: path })).toEqual([
      'WATCHBELL_LOG_RETENTION: there is no such setting; did you mean WATCHBELL_LOG_RETENTION_DAYS?',
    ])
    expect(unknownNames({ WATCHBELL_PORT: 'tcp://1', WATCHBELL_URL: 'http://hub', PATH: '/bin' })).toEqual([
      'WATCHBELL_PORT',
    ])
    expect(problemsOf({ environment: { WATCHBELL_PORT: 'tcp://1' } })).toEqual([])
  })

  test('a file that is not there stops the start', () => {
    expect(problemsOf({ file: join(folder, 'none.env') })).toEqual([
      expect.stringMatching(/none\.env cannot be read: ENOENT/),
    ])
  })
})

test.each([
  'postgres://u:p%40ss@db.example:5432/hub?sslmode=verify-full',
  'postgresql://db/hub',
  'postgres://u:p@[::1]:5432/hub',
  'postgres:///hub?host=/run/postgresql',
])('PostgreSQL at %s, with a key of its own', (url) => {
  const key = Buffer.alloc(32, 7).toString('base64')
  const { secrets } = load({ environment: { WATCHBELL_DATABASE_URL: url, WATCHBELL_SECRET_KEY: key } })
  expect(secrets.databaseUrl).toBe(url)
})

test('PostgreSQL at a socket that the query names, with a user, as libpq takes it', () => {
  const key = Buffer.alloc(32, 7).toString('base64')
  const url = 'postgres://u:p@/hub?host=/run/postgresql'
  const { secrets } = load({ environment: { WATCHBELL_DATABASE_URL: url, WATCHBELL_SECRET_KEY: key } })
  expect(secrets.databaseUrl).toBe('postgres://u:p@localhost/hub?host=/run/postgresql')
})

describe('values that cannot be used', () => {
  test.each([
    'postgres://wb:S3cr@et/Pa55@db/hub',
    'postgres://wb:S3cr@Pa55@db/hub',
    'postgres://wb:12/Pa55@db/hub',
    'postgres://wb:1/2?Pa55@db/hub',
    'postgres://wb:1/2?x=Pa55@db/hub',
    'postgres://wb:Pa55#x@db/hub',
    'postgres://wb:Pa55?x@db/hub',
    'postgres://wb:Pa55 x@db/hub',
    'postgres://wb:Pa55\tx@db/hub',
    'postgres://wb:Pa55%@db/hub',
    'postgres://wb:Pa55%zz@db/hub',
    'postgres://wb:Pa55%ff@db/hub',
    'postgres://wb:Pa55@db,other/hub',
    'postgres://wb:Pa55@/hub',
    'postgres://wb:Pa55@db',
    'postgres://wb:Pa55@db/',
    'postgres://wb:Pa55@db:x/hub',
    'wb:Pa55@db/hub',
  ])('a database URL that could be read in two ways is refused, and nothing of it is shown: %s', (url) => {
    const problems = problemsOf({ environment: { WATCHBELL_DATABASE_URL: url } })
    expect(problems).toEqual([expect.stringMatching(/^WATCHBELL_DATABASE_URL: .*percent-encoded/)])
    expect(problems.join()).not.toMatch(/S3cr|Pa55|db\/|other/)
  })

  test('all of them are named at once, each with where it came from', () => {
    const path = file('WATCHBELL_LOG_LEVEL=loud\n')
    const problems = problemsOf({
      file: path,
      environment: { WATCHBELL_LISTEN: '8080', WATCHBELL_OUTBOUND_ALLOW: '10.0.0.0/33' },
      flags: { 'log-retention-days': '-1', data: '/fine' },
    })
    expect(new Set(problems.map((problem) => problem.split(': ')[0]))).toEqual(
      new Set([
        '--log-retention-days',
        `WATCHBELL_LOG_LEVEL in ${path}`,
        'WATCHBELL_LISTEN',
        'WATCHBELL_OUTBOUND_ALLOW',
      ]),
    )
  })

  test.each([
    [
      'WATCHBELL_LISTEN',
      ['8080', ':8080', 'host', 'host:', 'host:65536', '::1:80', 'http://host:80', 'a b:1'],
    ],
    [
      'WATCHBELL_ORIGIN',
      [
        'hub.example',
        'https://hub.example/path',
        'https://u:p@hub.example',
        'ftp://hub.example',
        'https://h?q',
      ],
    ],
    ['WATCHBELL_DATA', ['  ']],
    [
      'WATCHBELL_DATABASE_URL',
      ['db', 'mysql://u:p@db/hub', 'postgres://', 'postgres://db', 'postgres://db/', 'postgres:///hub'],
    ],
    ['WATCHBELL_ADMIN_TOKEN', ['two words', 'é', 'x'.repeat(513)]],
    [
      'WATCHBELL_SECRET_KEY',
      ['short', Buffer.alloc(31).toString('base64'), Buffer.alloc(33).toString('base64')],
    ],
    ['WATCHBELL_OUTBOUND_ALLOW', ['10.0.0.0/33', 'http://idp.local', 'a:b:c']],
    [
      'WATCHBELL_TRUSTED_PROXIES',
      ['proxy.local', '10.0.0.0/x', '0.0.0.0/0', '::/0', '10.0.0.1:80', '[::1]:80', '10.0.0.0/255.0.0.0'],
    ],
    ['WATCHBELL_FIRST_TOKEN', ['file:', 'file: ', '/run/token', 'PRINT']],
    ['WATCHBELL_LOG_LEVEL', ['loud', 'INFO ']],
    ['WATCHBELL_LOG_RETENTION_DAYS', ['3651', '1.5', '-1', 'ninety', '1e1']],
    ['WATCHBELL_SIGNAL_RETENTION_DAYS', ['3651', '0.5', 'forever']],
    ['WATCHBELL_TOKEN_RETENTION_DAYS', ['3651', '-90']],
    ['WATCHBELL_RISK_HISTORY_RETENTION_DAYS', ['3651', '90d']],
    ['WATCHBELL_API_REQUESTS_PER_MINUTE', ['-1', 'none', '1000001']],
    ['WATCHBELL_CHECK_KEYS_ON_CREATE', ['yes', '1']],
    ['WATCHBELL_CA_FILE', ['/nowhere/ca.pem', import.meta.filename]],
  ])('%s', (variable, texts) => {
    for (const text of texts) {
      const problems = problemsOf({ environment: { [variable]: text } })
      expect(problems).toEqual([expect.stringMatching(new RegExp(`^${variable}: .{10,}`))])
    }
  })

  test('what is wrong with a secret is said without it', () => {
    const problems = problemsOf({
      environment: {
        WATCHBELL_ADMIN_TOKEN: 'hunter2 hunter2',
        WATCHBELL_SECRET_KEY: 'hunter2',
        WATCHBELL_DATABASE_URL: 'mysql://u:hunter2@db/hub',
        WATCHBELL_ORIGIN: 'https://u:hunter2@hub.example',
      },
    })
    expect(problems).toHaveLength(4)
    expect(problems.join()).not.toContain('hunter2')
  })

  test.each([
    [{ WATCHBELL_LISTEN: '0.0.0.0:80' }, /^WATCHBELL_ORIGIN must be set/],
    [{ WATCHBELL_LISTEN: '[::]:80' }, /^WATCHBELL_ORIGIN must be set/],
    [{ WATCHBELL_LISTEN: '192.0.2.1:80', WATCHBELL_ADMIN_TOKEN: 'short' }, /can be guessed/],
    [{ WATCHBELL_DATABASE_URL: 'postgres://u:p@db/hub' }, /^WATCHBELL_SECRET_KEY must be set.*openssl rand/],
  ])('pairs that make no sense together: %j', (environment, said) => {
    expect(problemsOf({ environment })).toEqual([expect.stringMatching(said)])
  })
})

describe('short tokens', () => {
  const short = 'short'
  const tokens = [{ WATCHBELL_ADMIN_TOKEN: short }, { WATCHBELL_FORWARD_AUTH_TOKEN: short }]
  test.each([
    {},
    { WATCHBELL_LISTEN: 'localhost:80' },
    { WATCHBELL_LISTEN: '[::1]:80', WATCHBELL_ORIGIN: 'http://localhost:8080' },
    { WATCHBELL_LISTEN: '[0:0::1]:80' },
    { WATCHBELL_LISTEN: '127.9.9.9:80', WATCHBELL_ORIGIN: 'http://[::1]' },
  ])('are taken where only this machine reaches the hub: %j', (environment) => {
    for (const token of tokens) expect(problemsOf({ environment: { ...environment, ...token } })).toEqual([])
  })

  test.each([
    { WATCHBELL_ORIGIN: 'https://hub.example' },
    { WATCHBELL_LISTEN: '[::1]:80', WATCHBELL_ORIGIN: 'https://127.0.0.1.example' },
    { WATCHBELL_LISTEN: '127.example:80', WATCHBELL_ORIGIN: 'http://127.0.0.1' },
    { WATCHBELL_LISTEN: '0.0.0.0:80', WATCHBELL_ORIGIN: 'http://127.0.0.1' },
    { WATCHBELL_LISTEN: '[::]:80', WATCHBELL_ORIGIN: 'http://localhost' },
    { WATCHBELL_ORIGIN: 'https://localhost.example' },
  ])('are refused where others do: %j', (environment) => {
    for (const token of tokens) {
      const [name = ''] = Object.keys(token)
      expect(problemsOf({ environment: { ...environment, ...token } })).toEqual([
        expect.stringMatching(`^${name}: .*fewer than 16 characters can be guessed`),
      ])
      expect(problemsOf({ environment: { ...environment, [name]: 'x'.repeat(16) } })).toEqual([])
    }
  })
})

describe('a secret in a file', () => {
  const secretSettings = Object.values(settingEntries).filter(({ secret }) => secret)
  const key = Buffer.alloc(32, 7).toString('base64')

  test.each(['\n', '\r\n', '', '\n\n'])('is taken without the line ends at its end: %j', (end) => {
    const environment = {
      WATCHBELL_ADMIN_TOKEN_FILE: file(`an-admin-token${end}`),
      WATCHBELL_SECRET_KEY_FILE: file(key + end),
      WATCHBELL_DATABASE_URL_FILE: file(`postgres://u:p@db/hub${end}`),
    }
    expect(load({ environment }).secrets).toMatchObject({
      adminToken: 'an-admin-token',
      secretKey: Buffer.from(key, 'base64'),
      databaseUrl: 'postgres://u:p@db/hub',
    })
  })

  test('every secret may be in one, named by the environment, a settings file or a flag', () => {
    expect(secretSettings.length).toBeGreaterThan(4)
    for (const { variable, flag } of secretSettings) {
      const missing = join(folder, 'none')
      const path = file(`${variable}_FILE=${missing}\n`)
      for (const [input, where] of [
        [{ environment: { [`${variable}_FILE`]: missing } }, `${variable}_FILE`],
        [{ file: path }, `${variable}_FILE in ${path}`],
        [{ flags: { [`${flag}-file`]: missing } }, `--${flag}-file`],
      ] as const) {
        expect(problemsOf(input)).toEqual([
          `${where}: the file '${missing}' cannot be read: ENOENT: no such file or directory, open '${missing}'`,
        ])
      }
    }
  })

  test('which holds none, or stands beside the secret itself, stops the start', () => {
    const given = (path: string, more: object = {}) =>
      problemsOf({ environment: { WATCHBELL_ADMIN_TOKEN_FILE: path, ...more } })
    expect(given(file(''))).toEqual([expect.stringContaining('is empty')])
    expect(given(file('\n'))).toEqual([expect.stringContaining('is empty')])
    expect(given(file('x'.repeat(65_537)))).toEqual([expect.stringContaining('more than 65536 bytes')])
    expect(given(folder)).toEqual([expect.stringContaining('cannot be read')])
    expect(given(file('hunter2 hunter2\n')).join()).toMatch(/^WATCHBELL_ADMIN_TOKEN_FILE: a token is/)
    expect(given(file('one'), { WATCHBELL_ADMIN_TOKEN: 'two' })).toEqual([
      'WATCHBELL_ADMIN_TOKEN_FILE: WATCHBELL_ADMIN_TOKEN is set too; give one of the two',
    ])
  })

  test('is beaten by what comes before it, as any setting is', () => {
    const environment = { WATCHBELL_ADMIN_TOKEN_FILE: file('of-the-environment') }
    expect(load({ environment, file: file('WATCHBELL_ADMIN_TOKEN=of-the-file\n') }).secrets.adminToken).toBe(
      'of-the-environment',
    )
    const fromFile = file(`WATCHBELL_ADMIN_TOKEN_FILE=${file('of-the-file')}\n`)
    const flags = { 'admin-token': 'of-the-flag' }
    expect(load({ environment, file: fromFile, flags }).secrets.adminToken).toBe('of-the-flag')
    expect(unknownNames({ ...environment, WATCHBELL_ORIGIN_FILE: 'x' })).toEqual(['WATCHBELL_ORIGIN_FILE'])
  })
})

test.each([
  ['10.0.0.0/8, 192.0.2.1', ['10.0.0.0/8', '192.0.2.1']],
  ['[::1] ::ffff:192.0.2.1 fd00::/8', ['::1', '192.0.2.1', 'fd00::/8']],
  ['0.0.0.0/1', ['0.0.0.0/1']],
])('the proxies %s are taken as %j', (text, proxies) => {
  expect(load({ environment: { WATCHBELL_TRUSTED_PROXIES: text } }).trustedProxies).toEqual(proxies)
})

test.each([
  ['print', 'print'],
  ['none', 'none'],
  ['file:/run/token', { file: '/run/token' }],
])('the first token goes to %s', (text, place) => {
  expect(load({ environment: { WATCHBELL_FIRST_TOKEN: text } }).firstToken).toEqual(place)
})

describe('the secret key', () => {
  test('is made once, for its owner alone, and is the same after that', () => {
    const data = join(folder, 'data')
    const key = secretKey(undefined, data)
    expect(key).toHaveLength(32)
    expect(secretKey(undefined, data)).toEqual(key)
    expect(statSync(join(data, 'secret.key')).mode & 0o777).toBe(0o600)
    expect(statSync(data).mode & 0o777).toBe(0o700)
    expect(Buffer.from(readFileSync(join(data, 'secret.key'), 'utf8'), 'base64')).toEqual(key)
  })

  test('of the settings comes first; a damaged file stops the start and is left as it is', () => {
    const data = mkdtempSync(join(folder, 'damaged-'))
    writeFileSync(join(data, 'secret.key'), 'AAAA\n')
    expect(() => secretKey(undefined, data)).toThrow(SettingsError)
    expect(readFileSync(join(data, 'secret.key'), 'utf8')).toBe('AAAA\n')
    const given = new Uint8Array(32).fill(7)
    expect(secretKey(given, data)).toEqual(given)
  })
})

test('a table of outcomes is checked at the start, and each row that is wrong is named', () => {
  const from = (text: string) => () => load({ environment: { WATCHBELL_OUTCOME_TABLE: file(text) } })
  expect(from('[{"action":"a","outcomes":"HIGH=deny"},{"outcomes":"x"},{"action":"b"}]')).toThrow(
    /WATCHBELL_OUTCOME_TABLE: in the file '.*' row 2: .*; row 3: outcomes must be a text/,
  )
  expect(from('nonsense')).toThrow(/is not JSON/)
})
