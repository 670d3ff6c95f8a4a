import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const pages = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'examples/**/*.md'], { cwd: root })

/** What a page links to within the repository. */
function linksOf(page: string): readonly { readonly file: string; readonly anchor: string | undefined }[] {
  const text = readFileSync(join(root, page), 'utf8').replace(/```[^]*?```/g, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return []
    const [path = '', anchor] = link.split('#')
    return [{ file: path === '' ? page : normalize(join(dirname(page), path)), anchor }]
  })
}

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
      linksOf(page)
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
      if (file.endsWith('.md')) for (const link of linksOf(file)) visit(link.file)
    }
    visit('README.md')
    expect(pages.filter((page) => !reached.has(page))).toEqual([])
  })

  test('all that they link to travels with the package', async () => {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
    })
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }] // of npm
    const packed = new Set(files.map(({ path }) => path))
    const there = (file: string): boolean =>
      packed.has(file) || [...packed].some((path) => path.startsWith(`${file.replace(/\/$/, '')}/`))
    const missing = pages
      .filter((page) => packed.has(page))
      .flatMap((page) => linksOf(page).map(({ file }) => ({ page, file })))
      .filter(({ file }) => !there(file))
    expect(missing).toEqual([])
    expect(pages.filter((page) => !packed.has(page))).toEqual([])
  })
})
