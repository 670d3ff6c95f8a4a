export interface PerformancePage {
  /** Tables by their titles. */
  readonly tables: Readonly<Record<string, string>>
  /** How they were measured. */
  readonly how: string
  /** The page as it was: its other tables stay. */
  readonly before: string
}

/** docs/performance.md: what was measured, each table with how, and the words around it, which people write. */
export function performancePage({ tables, how, before }: PerformancePage): string {
  const made = { ...sectionsOf(before) }
  for (const [title, table] of Object.entries(tables)) made[title] = `${table}\n\n${how}.`
  const sections = Object.entries(made).map(([title, text]) => `## ${title}\n\n${text}\n`)
  const [head = '', , tail = ''] = before.split(new RegExp(`${begin}|${end}`))
  return `${head}${begin}\n\n${sections.join('\n')}\n${end}${tail}`
}

const begin = '<!-- Tables: made by `npm run bench -- --write`. -->'
const end = '<!-- End of the tables. -->'

function sectionsOf(page: string): Readonly<Record<string, string>> {
  const [, tables = ''] = page.split(new RegExp(`${begin}|${end}`))
  return Object.fromEntries(
    tables
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const [title = '', ...text] = section.split('\n')
        return [title, text.join('\n').trim()]
      }),
  )
}
