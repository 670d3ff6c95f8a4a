export interface PerformancePage {
  readonly tables: Readonly<Record<string, string>>
  readonly machine: string
  readonly rounds: string
  readonly requests: string
  readonly connections: string
}

/** docs/performance.md: the tables of one run, and how to repeat it. */
export function performancePage({ tables, machine, rounds, requests, connections }: PerformancePage): string {
  const sections = Object.entries(tables).map(([title, table]) => `## ${title}\n\n${table}\n`)
  return `<!-- Made by \`npm run bench -- --write\`. Do not edit. -->

# Performance

Measured on ${machine}. ${rounds} alternated rounds of ${requests} items over ${connections} keep-alive connections; medians. Machines
are shared and noisy, so only ratios within one run mean anything.

${sections.join('\n')}
## What is compared

- **HTTP only** answers 202 to whatever is posted. **Floor: HTTP + signature** does the hub's own signature check as well,
  and stores nothing.
- **Watchbell on SQLite** is the whole hub as \`watchbell serve\` runs it: strict parsing, signature, events decoded, one
  fsynced commit before each 202, and handling (subjects, risk, System Log, search terms) at the same time. The last
  column says how many SETs still waited for their handling when the last answer was in, and how long that took.
- **Express + jose + one insert per request** is what one would write in an afternoon, with the same durability and none of
  the handling.
- At sign-in the floor is a server that parses the question and answers. \`log=all\` puts every answer on disk before it is
  given, \`log=non_allow\` (a setting) only those that do not allow.

CPU is that of the whole server process, all threads. On two cores the load generator takes part of the second one.

## Repeat it

\`\`\`
npm ci
npm run bench
npm run bench -- --only ingest --alg ES256 --rounds 2
\`\`\`
`
}
