import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pageLinks } from './page-links.ts'

const root = resolve(import.meta.dirname, '../../..')
const pages = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'examples/**/*.md'], { cwd: root })

/** As forges make them of headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const text = readFileSync(join(root, page), 'utf8').replace(/```[^]*?```/g, '')
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
}

describe('the pages', () => {
  test('every link leads to a page or file that is there, and to a heading of it', () => {
    const broken = pages.flatMap((page) =>
      pageLinks(root, page)
        .filter(
          ({ file, anchor }) =>
            !existsSync(join(root, file)) ||
            (anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).has(anchor)),
        )
        .map(({ file, anchor }) => `${page}: ${file}${anchor === undefined ? '' : `#${anchor}`}`),
    )
    expect(broken).toEqual([])
  })

  test('every page can be reached from the README', () => {
    const reached = new Set<string>()
    const visit = (file: string): void => {
      if (reached.has(file) || !existsSync(join(root, file))) return
      reached.add(file)
      if (statSync(join(root, file)).isDirectory()) {
        for (const page of pages) if (dirname(page) === normalize(file).replace(/\/$/, '')) visit(page)
      }
      if (file.endsWith('.md')) for (const link of pageLinks(root, file)) visit(link.file)
    }
    visit('README.md')
    expect(pages.filter((page) => !reached.has(page))).toEqual([])
  })
})
