import { readFileSync } from 'node:fs'

/** The version of Watchbell. package.json is two folders up, in a checkout and in dist. */
export function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return (manifest as { version: string }).version // npm requires it
}
