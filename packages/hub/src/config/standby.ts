import type { HubMarkStore } from '../base/hub-mark-store.ts'
import type { Settings } from './settings.ts'

/**
 * Whether the hub that starts is to be a standby, and why. One that is not marks the database as its own.
 * @param transaction - of the marks
 * @returns in words why it is; undefined when it is the hub itself
 */
export function standbyReason(
  { standby, origin, isOriginGiven }: Pick<Settings, 'standby' | 'origin' | 'isOriginGiven'>,
  transaction: <T>(work: (stores: { readonly hubMarks: HubMarkStore }) => Promise<T>) => Promise<T>,
): Promise<string | undefined> {
  return transaction(async ({ hubMarks }) => {
    if (standby === 'true') return 'WATCHBELL_STANDBY is true'
    const [copied, before] = [await hubMarks.find('copied'), await hubMarks.find('origin')]
    if (standby === 'auto' && copied !== undefined) return `its database is a backup, made at ${copied}`
    if (standby === 'auto' && before !== undefined && before !== origin) {
      return `its database is that of the hub at ${before}, and this one is ${origin}`
    }
    if (copied !== undefined) await hubMarks.put('copied', undefined)
    // One that was not given is where it listens, which may be another port with each start.
    const own = isOriginGiven ? origin : undefined
    if (before !== own) await hubMarks.put('origin', own)
    return undefined
  })
}
