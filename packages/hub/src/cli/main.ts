#!/usr/bin/env node
// Must parse and run on old versions of Node.js, which would otherwise fail at the first import with a stack trace.
const needed = 24
const version = process.versions.node
if (Number(version.split('.')[0]) < needed) {
  process.stderr.write(
    `watchbell: This is Node.js ${version}, and Watchbell needs ${needed} or newer; in a checkout \`npm start\` and \`npm run watchbell\` use the one that npm installed.\n`,
  )
  process.exitCode = 2
} else {
  await import('./process.ts')
}
