import { randomBytes, randomUUID } from 'node:crypto'
import type { ReceiverWorld } from '@watchbell/receiver/base'
import { customAlphabet } from 'nanoid'

/** Prefixes of ids: provider, service app, API token, signing key, refused signal, log request, risk provider, user, device, session, other entity, erasure (OKTA-A3). */
export type IdPrefix =
  | 'sse'
  | '0oa'
  | '00T'
  | 'key'
  | 'rfs'
  | 'oae'
  | 'req'
  | 'rkp'
  | 'str'
  | '00u'
  | 'dev'
  | 'ses'
  | 'ent'
  | 'era'

/** The sources of time, chance and network that tests replace. */
export interface World extends ReceiverWorld {
  /** The prefix, then letters and digits: 20 characters, as in Okta's ids (OKTA-A3); 25 for `oae`, an error (OKTA §9.1). */
  newId(prefix: IdPrefix): string
  newUuid(): string
  /** An unguessable random value, base64url. */
  newSecret(bytes: number): string
  /** From 0 up to but not including 1; for jitter, never for secrets. */
  random(): number
  /** Reaches only what the settings allow: see guarded-fetch.ts. */
  fetch: typeof globalThis.fetch
  /** Reaches only public https addresses, whatever else the settings allow. */
  fetchPublic: typeof globalThis.fetch
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const random17 = customAlphabet(alphabet, 17)
const random22 = customAlphabet(alphabet, 22)

/** The real clock and random source, with the given fetch functions. */
export function realWorld(
  fetch: typeof globalThis.fetch,
  fetchPublic: typeof globalThis.fetch = fetch,
): World {
  return {
    now: () => new Date(),
    newId: (prefix) => prefix + (prefix === 'oae' ? random22() : random17()),
    monotonicMs: () => performance.now(),
    newUuid: () => randomUUID(),
    newSecret: (bytes) => randomBytes(bytes).toString('base64url'),
    random: () => Math.random(),
    fetch,
    fetchPublic,
  }
}
