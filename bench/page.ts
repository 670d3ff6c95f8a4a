export interface PerformancePage {
  readonly table: string
  readonly machine: string
  readonly rounds: string
  readonly sets: string
  readonly connections: string
}

/** docs/performance.md: the table of one run, and how to repeat it. */
export function performancePage({ table, machine, rounds, sets, connections }: PerformancePage): string {
  return `# Performance

Measured by \`npm run bench -- --write\` on ${machine}. ${rounds} alternated rounds of ${sets} SETs over ${connections}
keep-alive connections; medians. Machines are shared and noisy, so only ratios within one run mean anything.

${table}

- **HTTP only** answers 202 to whatever is posted.
- **floor** does HTTP and the hub's own signature check, and stores nothing.
- **Watchbell on SQLite** is the whole hub as \`watchbell serve\` runs it: strict parsing, signature, events decoded, one
  fsynced commit before each 202, and handling (System Log, search terms, risk) going on at the same time. The last column
  says how many SETs still waited for their handling when the last answer was in, and how long that took.
- **Express + jose + one insert per request** is what one would write in an afternoon, with the same durability.

CPU is that of the whole server process, all threads. On two cores the load generator takes part of the second one.

## Repeat it

\`\`\`
npm ci
npm run bench                       # a few minutes
npm run bench -- --rounds 2 --alg ES256
\`\`\`
`
}
