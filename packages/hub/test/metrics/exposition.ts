/** One family of a scrape. */
export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const sampleShape = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const labelShape = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy

/**
 * Reads the Prometheus text format 0.0.4, strictly: every family has HELP, then TYPE, then its own samples and no
 * others; no series comes twice; buckets of a histogram grow and end with its count.
 */
export function readExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, { name: string; type: string; help: string; samples: Sample[] }>()
  const series = new Set<string>()
  let help: readonly [name: string, text: string] | undefined
  let current: { name: string; type: string; help: string; samples: Sample[] } | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const helped = /^# HELP (\S+) (.+)$/.exec(line)
    const typed = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line)
    if (helped !== null) help = [helped[1] ?? '', helped[2] ?? '']
    else if (typed !== null) {
      const [, name = '', type = ''] = typed
      if (help?.[0] !== name || families.has(name)) throw new Error(`TYPE out of place: ${line}`)
      families.set(name, (current = { name, type, help: help[1], samples: [] }))
    } else {
      const sample = readSample(line)
      if (current === undefined || !belongs(sample.name, current)) throw new Error(`stray sample: ${line}`)
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).map(String).toSorted())}`
      if (series.has(key)) throw new Error(`the series came before: ${line}`)
      series.add(key)
      current.samples.push(sample)
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') requireBuckets(family)
  return families
}

function readSample(line: string): Sample {
  const [, name = '', labelText = '', valueText = ''] = sampleShape.exec(line) ?? []
  const labels = [...labelText.matchAll(labelShape)]
  const special: Readonly<Record<string, number>> = { '+inf': Infinity, '-inf': -Infinity, nan: Number.NaN }
  const value =
    special[valueText.toLowerCase()] ?? (/^[-+.\de]+$/.test(valueText) ? Number(valueText) : undefined)
  if (name === '' || labels.map(([text]) => text).join('') !== labelText || value === undefined) {
    throw new Error(`no sample: ${line}`)
  }
  return { name, labels: Object.fromEntries(labels.map(([, label = '', text = '']) => [label, text])), value }
}

function belongs(sample: string, { name, type }: { readonly name: string; readonly type: string }): boolean {
  if (type === 'histogram') return [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample)
  if (type === 'summary') return [name, `${name}_sum`, `${name}_count`].includes(sample)
  return sample === name
}

function requireBuckets({ name, samples }: Family): void {
  const children = Map.groupBy(samples, ({ labels: { le: _le, ...rest } }) => JSON.stringify(rest))
  for (const child of children.values()) {
    const buckets = child.filter((sample) => sample.name === `${name}_bucket`)
    const counts = buckets.map(({ value }) => value)
    const sorted = counts.toSorted((a, b) => a - b)
    const count = child.find((sample) => sample.name === `${name}_count`)?.value
    if (JSON.stringify(counts) !== JSON.stringify(sorted) || buckets.at(-1)?.labels['le'] !== '+Inf')
      throw new Error(`the buckets of ${name} do not grow up to +Inf`)
    if (counts.at(-1) !== count) throw new Error(`the last bucket of ${name} is not its count`)
  }
}

/** The sum of the samples that have these labels. @returns undefined when there are none */
export function valueOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = [...families.values()].find(({ samples }) => samples.some((sample) => sample.name === name))
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
  )
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}
