import { isIP } from 'node:net'
import { describe, expect, test } from 'vitest'
import { fc } from '../../../receiver/test/properties.ts'
import { addressProblem, nothingAllowed, parseOutboundAllow, urlProblem } from './outbound-allow.ts'

function allowing(text: string) {
  const parsed = parseOutboundAllow(text)
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.value
}

describe('address literals, in the URL and as the answer of a name server', () => {
  const refused: readonly (readonly [address: string, why: string])[] = [
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['10.0.0.0', 'private'],
    ['10.255.255.255', 'private'],
    ['100.64.0.1', 'shared'],
    ['100.100.100.200', 'shared'], // a cloud's metadata service
    ['100.127.255.255', 'shared'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['168.63.129.16', 'metadata'],
    ['169.254.0.1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.1', 'reserved'],
    ['192.0.0.192', 'reserved'], // a cloud's metadata service
    ['192.0.2.1', 'reserved'],
    ['192.31.196.1', 'reserved'],
    ['192.52.193.1', 'reserved'],
    ['192.88.99.1', 'reserved'],
    ['192.168.0.1', 'private'],
    ['192.168.255.255', 'private'],
    ['192.175.48.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['198.19.255.255', 'reserved'],
    ['198.51.100.7', 'reserved'],
    ['203.0.113.7', 'reserved'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::2', 'reserved'],
    ['::7f00:1', 'reserved'], // IPv4-compatible 127.0.0.1
    ['::808:808', 'reserved'], // IPv4-compatible 8.8.8.8
    ['::ffff:127.0.0.1', 'written as IPv6'],
    ['::ffff:a9fe:a9fe', 'written as IPv6'],
    ['::ffff:8.8.8.8', 'written as IPv6'],
    ['::ffff:0:7f00:1', 'reserved'], // RFC 6145
    ['64:ff9b::7f00:1', 'loopback'],
    ['64:ff9b::a00:1', 'private'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['64:ff9b::6440:1', 'shared'],
    ['64:ff9b:1::808:808', 'reserved'],
    ['100::1', 'reserved'],
    ['2001::1', 'Teredo'],
    ['2001:0:7f00:1::', 'Teredo'],
    ['2001:2::1', 'reserved'],
    ['2001:10::1', 'reserved'],
    ['2001:20::1', 'reserved'],
    ['2001:db8::1', 'reserved'],
    ['2002:7f00:1::', '6to4'],
    ['2002:808:808::', '6to4'],
    ['3fff::1', 'reserved'],
    ['4000::1', 'reserved'],
    ['5f00::1', 'reserved'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'private'], // a cloud's metadata service
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'private'],
    ['ff02::1', 'multicast'],
    ['ff0e::1', 'multicast'],
  ]
  const public_ = [
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
    '64:ff9b::808:808', // NAT64 of 8.8.8.8
  ]

  test.each(refused)('%s is refused: %s', (address, why) => {
    const target = { protocol: 'https:', host: 'name.example', port: 443 } as const
    expect(addressProblem(nothingAllowed, target, address)).toContain(why)
    const literal = address.includes(':') ? `[${address}]` : address
    const problem = urlProblem(nothingAllowed, `https://${literal}/jwks`)
    expect(problem).toContain(why)
    expect(problem).toContain('WATCHBELL_OUTBOUND_ALLOW')
  })

  test.each(public_)('%s is public', (address) => {
    const target = { protocol: 'https:', host: 'name.example', port: 443 } as const
    expect(addressProblem(nothingAllowed, target, address)).toBeUndefined()
    expect(
      urlProblem(nothingAllowed, `https://${address.includes(':') ? `[${address}]` : address}/`),
    ).toBeUndefined()
  })

  test.each(['fe80::1%eth0', 'not an address', '', '127.1', '1.2.3.4.5'])(
    'an answer of a name server such as %j is refused',
    (address) => {
      const target = { protocol: 'https:', host: 'name.example', port: 443 } as const
      expect(addressProblem(allowing('10.0.0.0/8'), target, address)).toBeTypeOf('string')
    },
  )
})

describe('urlProblem', () => {
  test.each([
    'https://0x7f.1/',
    'https://2130706433/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://0/',
    'https://127.0.0.1./',
    'https://127%2e0.0.1/',
    'https://１２７.０.０.１/',
    'https://[::ffff:7f00:1]/',
    'https://[0:0:0:0:0:ffff:127.0.0.1]/',
    'https://[::1]:8443/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://idp.localhost/',
    'https:\\\\127.0.0.1/',
  ])('%s reaches this machine and is refused', (url) => {
    expect(urlProblem(nothingAllowed, url)).toContain('WATCHBELL_OUTBOUND_ALLOW can permit it')
  })

  test.each([
    ['', 'not an absolute URL'],
    ['/jwks', 'not an absolute URL'],
    ['idp.example/jwks', 'not an absolute URL'],
    ['https://', 'not an absolute URL'],
    ['https://[::1', 'not an absolute URL'],
    ['https://exa mple/', 'not an absolute URL'],
    ['https://idp.example:99999/', 'not an absolute URL'],
    ['file:///etc/passwd', 'scheme is file:'],
    ['data:application/json,{}', 'scheme is data:'],
    ['ftp://idp.example/', 'scheme is ftp:'],
    ['javascript:alert(1)', 'scheme is javascript:'],
    ['blob:https://idp.example/x', 'scheme is blob:'],
    ['https://user@idp.example/', 'user name or password'],
    ['https://user:secret@idp.example/', 'user name or password'],
    ['https://:secret@idp.example/', 'user name or password'],
    ['http://idp.example/', 'over http'],
    ['http://8.8.8.8/', 'over http'],
  ])('%j is refused: %s', (url, why) => {
    const problem = urlProblem(nothingAllowed, url)
    expect(problem).toContain(why)
    expect(problem).not.toContain('secret')
  })

  test.each([
    'https://idp.example/jwks',
    'https://idp.example:8443/',
    'HTTPS://IDP.EXAMPLE',
    'https://8.8.8.8/',
  ])('%s may be fetched if its name resolves to a permitted address', (url) =>
    expect(urlProblem(nothingAllowed, url)).toBeUndefined(),
  )

  test.each([
    ['idp.local', 'http://idp.local/', true],
    ['idp.local', 'http://IDP.local.:9000/', true],
    ['idp.local', 'http://other.local/', false],
    ['idp.local', 'http://sub.idp.local/', false],
    ['idp.local', 'https://user:secret@idp.local/', false],
    ['idp.local', 'ftp://idp.local/', false],
    ['idp.local:9000', 'http://idp.local:9000/', true],
    ['idp.local:9000', 'http://idp.local/', false],
    ['idp.local:80', 'http://idp.local/', true],
    ['bücher.example', 'http://xn--bcher-kva.example/', true],
    ['127.0.0.1', 'http://127.0.0.1:1234/', true],
    ['127.0.0.1', 'http://0x7f.1:1234/', true],
    ['127.0.0.1', 'http://[::ffff:7f00:1]/', true],
    ['127.0.0.1', 'http://127.0.0.2/', false],
    ['127.0.0.1', 'http://localhost:3000/', true],
    ['0x7f.1', 'http://127.0.0.1/', true],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080/', true],
    ['127.0.0.1:8080', 'http://127.0.0.1:8081/', false],
    ['[::1]:8080', 'http://[::1]:8080/', true],
    ['[::1]:8080', 'http://[::1]/', false],
    ['::1', 'https://[::1]/', true],
    ['10.0.0.0/8', 'http://10.9.8.7/', true],
    ['10.0.0.0/8', 'http://11.0.0.1/', false],
    ['10.0.0.0/8', 'http://maybe-inside.example/', true],
    ['10.0.0.0/8', 'https://127.0.0.1/', false],
    ['10.0.0.0/8', 'https://localhost/', false],
    ['fd00::/8', 'http://[fd12::1]/', true],
    ['fd00::/8', 'http://[fc00::1]/', false],
    ['localhost', 'http://localhost:3000/', true],
    ['localhost', 'http://127.0.0.1:3000/', false],
    ['0.0.0.0/0', 'http://169.254.169.254/', true],
    ['0.0.0.0/0', 'http://[::1]/', false],
  ])('with %s allowed, %s may be fetched: %s', (allowed, url, may) => {
    expect(urlProblem(allowing(allowed), url) === undefined).toBe(may)
  })
})

describe('for any text', () => {
  const hosts = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((address) => `[${address}]`),
    fc.ipV4Extended(),
    fc.domain(),
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl({ withFragments: true, withQueryParameters: true, authoritySettings: { withUserInfo: true } }),
    fc
      .tuple(fc.constantFrom('https://', 'http://', 'HTTPS:\\\\', 'ftp://'), hosts)
      .map((parts) => parts.join('')),
  )

  test('a URL that passes is https, without credentials, and no special address', () => {
    const passes = () =>
      fc.assert(
        fc.property(texts, (text) => {
          if (urlProblem(nothingAllowed, text) !== undefined) return true
          const url = new URL(text)
          const host = url.hostname.replace(/^\[|\]$/g, '')
          const target = { protocol: 'https:', host: 'name.example', port: 443 } as const
          const fitting = isIP(host) === 0 || addressProblem(nothingAllowed, target, host) === undefined
          return url.protocol === 'https:' && url.username + url.password === '' && fitting
        }),
      )
    expect(passes).not.toThrow()
  })

  test('the list is read or refused, and never throws', () => {
    const reads = () =>
      fc.assert(fc.property(fc.oneof(texts, hosts), (text) => void parseOutboundAllow(text)))
    expect(reads).not.toThrow()
  })
})

describe('parseOutboundAllow', () => {
  test.each(['', '  ', ',', ' , ,\n'])('%j allows nothing', (text) => {
    expect(parseOutboundAllow(text)).toEqual({ ok: true, value: nothingAllowed })
  })

  test('accepts names, ports, addresses and blocks, separated by commas and white space', () => {
    const { names, blocks } = allowing('idp.local, IDP.local.:81\n10.0.0.0/8 ::1,127.0.0.1:90 [fd00::1]:443')
    expect(names).toEqual([
      { name: 'idp.local', port: undefined },
      { name: 'idp.local', port: 81 },
    ])
    expect(blocks.map(({ block: [address, bits], port }) => [address.toString(), bits, port])).toEqual([
      ['10.0.0.0', 8, undefined],
      ['::1', 128, undefined],
      ['127.0.0.1', 32, 90],
      ['fd00::1', 128, 443],
    ])
  })

  test.each([
    ['https://idp.local/', 'is a URL'],
    ['http://idp.local:80', 'is a URL'],
    ['user@idp.local', 'is a URL'],
    ['idp.local?x', 'is a URL'],
    ['*', 'wildcard'],
    ['*.svc.cluster.local', 'wildcard'],
    ['10.0.0.0/33', 'not a CIDR block'],
    ['10.0.0.0/', 'not a CIDR block'],
    ['10.0.0.0/-1', 'not a CIDR block'],
    ['10.0.0.0/8/8', 'not a CIDR block'],
    ['10.0.0/8', 'not a CIDR block'],
    ['010.0.0.0/8', 'not a CIDR block'],
    ['fd00::/129', 'not a CIDR block'],
    ['idp.local/jwks', 'not a CIDR block'],
    ['10.0.0.1/8', 'the block is 10.0.0.0/8'],
    ['fd00::1/8', 'the block is fd00::/8'],
    ['::ffff:10.0.0.0/104', 'write it as IPv4'],
    ['idp.local:0', 'port outside'],
    ['idp.local:65536', 'port outside'],
    ['idp.local:http', 'is not a host name'],
    [':8080', 'is not a host name'],
    ['[::1', 'is not a host name'],
    ['1.2.3.4.5:1:2', 'is not a host name'],
    ['256.0.0.1', 'is not a host name'],
    ['a<b', 'is not a host name'],
  ])('%s is refused: %s', (text, why) => {
    const parsed = parseOutboundAllow(`ok.local ${text}`)
    expect(parsed).toEqual({ ok: false, problems: [expect.stringContaining(why)] })
    expect(parsed).toEqual({ ok: false, problems: [expect.stringContaining(text)] })
  })

  test('names every bad entry at once', () => {
    expect(parseOutboundAllow('*, https://x/ good.local 1.2.3.4/40')).toMatchObject({
      ok: false,
      problems: { length: 3 },
    })
  })
})
