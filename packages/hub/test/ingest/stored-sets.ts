import type { AcceptedSet } from '../../src/signals/signal.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { provider } from '../contract/signal-store.ts'
import { openSqliteInThread, type SqliteInThread } from '../../src/storage/sqlite/in-thread.ts'
import { temporaryFolder } from '../temporary-folder.ts'

export const idp = provider('idp')
const received = new Date('2026-01-01T12:00:00Z')

/** A new SQLite database, here and not in a thread, that knows the provider {@link idp}. */
export async function openWithProvider(): Promise<SqliteInThread & AsyncDisposable> {
  const folder = await temporaryFolder()
  const opened = await openSqliteInThread(folder.path, received)
  await opened.storage.stores.providers.insert(idp)
  return {
    ...opened,
    async [Symbol.asyncDispose]() {
      await opened.storage[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** A SET as it comes to the inbox. */
export function acceptedSet(
  jti: string,
  events: readonly SecurityEvent[] = [sessionRevoked(jti)],
): AcceptedSet {
  return {
    provider: idp,
    jti,
    issuedAt: received,
    receivedAt: received,
    events,
    token: `header.${jti}.signature`,
    via: 'push',
    source: '192.0.2.1',
  }
}

function sessionRevoked(name: string): SecurityEvent {
  return {
    type: 'https://schemas.openid.net/secevent/caep/event-type/session-revoked',
    family: 'caep',
    name: 'session-revoked',
    subject: { format: 'email', email: `${name}@example.com` },
    occurredAt: received.getTime(),
    claims: {},
  }
}
