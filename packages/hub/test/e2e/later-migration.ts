import { migrations } from '../../src/storage/migrations/index.ts'
import type { Migration } from '../../src/storage/migrations/migration.ts'

// Loaded before a node starts: the node is then of a later version, whose schema has one step more than ours.
const touched = [
  'providers',
  'signals',
  'signal_keys',
  'log_events',
  'api_tokens',
  'risk_reasons',
  'identifiers',
]
const later: Migration = {
  name: '9999-later',
  sqlite: [],
  postgres: [
    ...touched.map((table) => `ALTER TABLE ${table} ADD COLUMN later TEXT COLLATE "C" DEFAULT 'later'`),
    `CREATE TABLE laters (id TEXT COLLATE "C" PRIMARY KEY)`,
  ],
}
;(migrations as Migration[]).push(later) // nobody has read the list yet
