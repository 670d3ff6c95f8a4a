import type { Actor } from '../base/actor.ts'
import type { LevelChange } from './relevel.ts'

/** What made a level change. */
export interface LevelCause {
  readonly by: Actor
  readonly detectionName: DetectionName
  /** Of the provider who said so. */
  readonly issuer?: string
  /** Ties entries of one cause together. */
  readonly signalId?: string
}

/** Okta's names (OKTA-U23) where it has one. */
export type DetectionName =
  | 'Security Events Provider Reported Risk'
  | 'Risk Provider Reported Risk'
  | 'Admin Reported User Risk'
  | 'Risk Reasons Expired'
  | 'Source Trust Changed'

export interface LevelJournal {
  levelsChanged(changes: readonly LevelChange[], cause: LevelCause): Promise<void>
}

/** Watchbell itself, when time passed and nobody did anything. */
export const watchbellActor: Actor = {
  id: 'watchbell',
  type: 'SystemPrincipal',
  displayName: 'Watchbell',
  alternateId: 'system@watchbell',
}
