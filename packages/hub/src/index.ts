/**
 * The front door of the library: what a program needs that runs a hub inside itself. `startHub` composes everything
 * from settings and listens; who wants it otherwise composes `createHub`, a storage and `hubServer`.
 */
export { startHub, type RunningHub } from './run/run-hub.ts'
export { loadSettings, type SettingsInput } from './config/load-settings.ts'
export {
  readSettings,
  settingEntries,
  SettingsError,
  type SettingEntry,
  type SettingName,
  type SettingSource,
  type Settings,
} from './config/settings.ts'

export { createHub, type Hub, type HubDeps, type HubSettings } from './hub.ts'
export { hubServer, type HubServerOptions } from './http/index.ts'
export { openEmbedded, type EmbeddedOptions, type EmbeddedStorage } from './run/embedded.ts'
export type { Storage, Stores } from './stores.ts'

export { createGuardedFetch, type GuardedFetch, type GuardedFetchOptions } from './base/guarded-fetch.ts'
export {
  HubError,
  hubErrors,
  isHubError,
  type FieldProblem,
  type HubErrorCode,
  type HubErrorOptions,
} from './base/hub-error.ts'
export { silentLogger, type Logger } from '@watchbell/receiver/base'
export { parseOutboundAllow, urlProblem, type OutboundAllow } from './base/outbound-allow.ts'
export { createSecretBox, secretBoxKeyBytes, type SecretBox } from './base/secret-box.ts'
export { realWorld, type World } from './base/world.ts'

export type { Receipt } from './ingest/accept.ts'
export type { SecurityEvent } from '@watchbell/receiver/events'
export type { Provider } from './providers/provider.ts'
export type { Signal, SignalOutcome } from './signals/signal.ts'
export type { SignalPage, SignalQuery, SignalStore } from './signals/signal-store.ts'
export type { LogEvent } from './systemlog/log-event.ts'
