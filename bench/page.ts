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

## What was aimed at, and what was not reached

The aims were 0.5 (RS256) and 0.8 (ES256) of the signature floor for taking in SETs, 2.5 times the plain server, and half of
its floor for a sign-in. The table above says how far from them this version is: it is faster than the plain server while
it also handles every SET, and not by as much as it should be.

The writing thread is the bound, not HTTP: under load the event loop idles. In a CPU profile of that thread about half of
its time went into commits (pages written to the write-ahead log, and the wait for fsync), a tenth into appending, and the
rest into handling. Before handling knew subjects and risk it cost less than half of what it costs now. At sign-in the
reading thread and the passing of messages are the bound.

Tried, and left out because it gained nothing that stood out of the noise: a larger young generation for the event loop,
smaller and larger batches of the handler, and one commit for appends and handling together (which made every SET wait
for the handling of others). Kept: checkpoints by the reading thread, appends before handling, set-based statements.

## Repeat it

\`\`\`
npm ci
npm run bench
npm run bench -- --only ingest --alg ES256 --rounds 2
\`\`\`
`
}
