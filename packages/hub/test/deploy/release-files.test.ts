import { describe, expect, test } from 'vitest'
import { releaseNotes, releaseProblems, type ReleaseFiles } from '../../../../scripts/release-files.ts'
import { text } from './files.ts'

const ours: ReleaseFiles = {
  manifest: text('packages/hub/package.json'),
  receiver: text('packages/receiver/package.json'),
  lock: text('package-lock.json'),
  chart: text('deploy/helm/watchbell/Chart.yaml'),
  changelog: text('CHANGELOG.md'),
}

test('version, lock file, chart and changelog of this checkout agree', () => {
  expect(releaseProblems(ours)).toEqual([])
})

describe('a release', () => {
  const changelog =
    '# Changelog\n\n## Unreleased\n\n## 1.2.10 (2026-12-31)\n\n- New.\n\n## 1.2.9 (2026-11-30)\n\n- Old.\n'
  const files: ReleaseFiles = {
    manifest: '{"version":"1.2.10","dependencies":{"@watchbell/receiver":"1.2.10"}}',
    receiver: '{"version":"1.2.10"}',
    lock: '{"packages":{"packages/hub":{"version":"1.2.10"},"packages/receiver":{"version":"1.2.10"}}}',
    chart: 'version: 1.2.10\nappVersion: 1.2.10\n',
    changelog,
  }

  test('is right when everything has the version of its tag, and its notes are the newest changes', () => {
    expect(releaseProblems(files, 'v1.2.10')).toEqual([])
    expect(releaseNotes(changelog)).toBe('- New.')
  })

  test.each([
    ['another tag', 'v1.2.9', {}, /^The tag is v1\.2\.9; it must be v1\.2\.10\.$/],
    ['a tag without v', '1.2.10', {}, /^The tag is 1\.2\.10/],
    [
      'another lock file',
      'v1.2.10',
      { lock: '{"packages":{"packages/hub":{"version":"1.2.9"}}}' },
      /packages\/hub in package-lock\.json is 1\.2\.9/,
    ],
    ['another library', 'v1.2.10', { receiver: '{"version":"1.2.9"}' }, /packages\/receiver is 1\.2\.9/],
    [
      'a hub that depends on another library',
      'v1.2.10',
      { manifest: '{"version":"1.2.10","dependencies":{"@watchbell/receiver":"1.2.9"}}' },
      /depends on is 1\.2\.9; it must be 1\.2\.10/,
    ],
    [
      'another library in the lock file',
      'v1.2.10',
      { lock: '{"packages":{"packages/hub":{"version":"1.2.10"},"packages/receiver":{"version":"1.2.9"}}}' },
      /packages\/receiver in package-lock\.json is 1\.2\.9/,
    ],
    ['no package in it', 'v1.2.10', { lock: '{"packages":{}}' }, /package-lock\.json is missing/],
    [
      'another chart',
      'v1.2.10',
      { chart: 'version: 1.2.9\nappVersion: 1.2.10\n' },
      /chart's version is 1\.2\.9/,
    ],
    [
      'another version in it',
      'v1.2.10',
      { chart: 'version: 1.2.10\nappVersion: 1.2.9\n' },
      /appVersion is 1\.2\.9/,
    ],
    [
      'no section',
      'v1.2.10',
      { changelog: '## Unreleased\n' },
      /^The newest version of CHANGELOG\.md is missing/,
    ],
    ['an older section', 'v1.2.10', { changelog: changelog.replace('## 1.2.10', '## 1.2.8') }, /is 1\.2\.8/],
    [
      'changes left over',
      'v1.2.10',
      { changelog: changelog.replace('Unreleased\n', 'Unreleased\n\n- Late.\n') },
      /Unreleased/,
    ],
    [
      'an empty section',
      'v1.2.10',
      { changelog: changelog.replace('- New.', '') },
      /says nothing of 1\.2\.10/,
    ],
    [
      'sections in disorder',
      undefined,
      { changelog: `${changelog}\n## 1.2.11 (2026-10-01)\n\n- x\n` },
      /1\.2\.11 .* must not stand below 1\.2\.9/,
    ],
    [
      'dates in disorder',
      undefined,
      { changelog: changelog.replace('2026-11-30', '2027-01-01') },
      /2027-01-01.* must not stand below/,
    ],
    [
      'a heading of another form',
      undefined,
      { changelog: changelog.replace(' (2026-11-30)', '') },
      /"## 1\.2\.9" is no heading/,
    ],
  ])('is refused with %s', (_, tag, over, problem) => {
    expect(releaseProblems({ ...files, ...over }, tag)).toContainEqual(expect.stringMatching(problem))
  })
})
