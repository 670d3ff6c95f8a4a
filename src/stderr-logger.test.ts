import { closeSync, existsSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { stderrLogger } from './stderr-logger.ts'

test.runIf(existsSync('/dev/full'))('a log that cannot be written throws at nobody', () => {
  const full = openSync('/dev/full', 'w')
  try {
    const logger = stderrLogger({ level: 'info', to: full })
    for (let line = 0; line < 3; line += 1)
      expect(() => logger.info({ line }, 'there is no room for this')).not.toThrow()
  } finally {
    closeSync(full)
  }
})
