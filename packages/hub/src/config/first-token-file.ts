import { rm, writeFile } from 'node:fs/promises'

/** A new file that keeps the first admin token, for its owner alone. */
export interface FirstTokenFile {
  /** @throws Error when there is such a file already: it is never overwritten */
  keep(secret: string): Promise<void>
  /** Removes what was kept: no token was made. */
  forget(): Promise<void>
}

export function firstTokenFile(path: string): FirstTokenFile {
  let isOurs = false
  return {
    async keep(secret) {
      await writeFile(path, `${secret}\n`, { flag: isOurs ? 'w' : 'wx', mode: 0o600, flush: true })
      isOurs = true
    },
    async forget() {
      if (isOurs) await rm(path, { force: true })
    },
  }
}
