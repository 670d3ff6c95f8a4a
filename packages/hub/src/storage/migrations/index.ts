import { signals } from './0001-signals.ts'
import { access } from './0002-access.ts'
import { systemLog } from './0003-system-log.ts'
import { risk } from './0004-risk.ts'
import { riskProviders } from './0005-risk-providers.ts'
import { streams } from './0006-streams.ts'
import { changes } from './0007-changes.ts'
import { rateCounts } from './0008-rate-counts.ts'
import { signInMarks } from './0009-sign-in-marks.ts'
import { hubMarks } from './0010-hub-marks.ts'
import type { Migration } from './migration.ts'

/** Every step of the schema, in order. */
export const migrations: readonly Migration[] = [
  signals,
  access,
  systemLog,
  risk,
  riskProviders,
  streams,
  changes,
  rateCounts,
  signInMarks,
  hubMarks,
]
