/** What a PromQL query reads: metrics, and labels of theirs. */
export interface QueryNames {
  readonly metrics: readonly string[]
  readonly labels: readonly string[]
}

/** What stands in queries and names no metric. */
const words = new Set(
  'and or unless on ignoring group_left group_right by without bool offset sum min max avg count topk bottomk'.split(
    ' ',
  ),
)

/** Reads as much of PromQL as the queries of this repository use. */
export function namesIn(query: string): QueryNames {
  const labels: string[] = []
  const bare = query
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(
      /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)/g,
      (_whole, list: string) => {
        labels.push(...list.split(',').map((label) => label.trim()))
        return ' '
      },
    )
    .replaceAll(/\{([^{}]*)\}/g, (_whole, matchers: string) => {
      labels.push(...[...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label))
      return ' '
    })
    .replaceAll(/\[[^\]]*\]/g, ' ')
  const names = [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\w)(\s*\()?/g)]
  return {
    metrics: names.filter(([name, call]) => call === undefined && !words.has(name)).map(([name]) => name),
    labels: labels.filter((label) => label !== ''),
  }
}
