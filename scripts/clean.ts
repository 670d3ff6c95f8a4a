import { rmSync } from 'node:fs'

// Removes what a build made, on every operating system alike.
for (const folder of process.argv.slice(2)) rmSync(folder, { recursive: true, force: true })
