import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** What a page below `root` links to within `root`. */
export function pageLinks(
  root: string,
  page: string,
): readonly { readonly file: string; readonly anchor: string | undefined }[] {
  const text = readFileSync(join(root, page), 'utf8').replace(/```[^]*?```/g, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return []
    const [path = '', anchor] = link.split('#')
    return [{ file: path === '' ? page : normalize(join(dirname(page), path)), anchor }]
  })
}
