/** A transmitter's keys: fetched, cached, rotated. */
export * from './key-cache.ts'
export * from './key-fetch-observer.ts'
export * from './key-set.ts'
export * from './provider-keys.ts'
