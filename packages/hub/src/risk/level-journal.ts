import type { Actor } from '../base/actor.ts'
import type { LevelChange } from './relevel.ts'

/** The cause of a level change. */
export interface LevelCause {
  readonly by: Actor
  readonly detectionName: DetectionName
  /** The issuer of the provider. */
  readonly issuer?: string
  /** The same in all entries of one cause. */
  readonly signalId?: string
}

/** Okta's names (OKTA-U23), and ours for causes that Okta does not have. */
export type DetectionName =
  | 'Security Events Provider Reported Risk'
  | 'Risk Provider Reported Risk'
  | 'Admin Reported User Risk'
  | 'Risk Reasons Expired'
  | 'Source Trust Changed'

export interface LevelJournal {
  levelsChanged(changes: readonly LevelChange[], cause: LevelCause): Promise<void>
}

/** The actor when a level changes because time passed. */
export const watchbellActor: Actor = {
  id: 'watchbell',
  type: 'SystemPrincipal',
  displayName: 'Watchbell',
  alternateId: 'system@watchbell',
}
