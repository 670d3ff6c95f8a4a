import type { Insertable, Kysely, Selectable, Updateable } from 'kysely'
import { HubError } from '../../base/hub-error.ts'
import type { StreamChanges, StreamStore } from '../../streams/stream-store.ts'
import type {
  PushAuthorization,
  RemoteStream,
  Stream,
  StreamSettings,
  TransmitterEndpoints,
} from '../../streams/stream.ts'
import type { DatabaseSchema, StreamRow } from '../sql/schema.ts'
import { brokenUniqueness } from '../sql/sql-sessions.ts'

export function createStreamStore(db: Kysely<DatabaseSchema>): StreamStore {
  async function deleteStream(id: string): Promise<boolean> {
    await db.deleteFrom('stream_states').where('stream_id', '=', id).execute()
    const { numDeletedRows } = await db.deleteFrom('streams').where('id', '=', id).executeTakeFirstOrThrow()
    return numDeletedRows > 0n
  }

  return {
    async list() {
      const rows = await db.selectFrom('streams').selectAll().orderBy('number').execute()
      return rows.map(streamOf)
    },
    async findByProvider(providerId) {
      const row = await db
        .selectFrom('streams')
        .selectAll()
        .where('provider_id', '=', providerId)
        .executeTakeFirst()
      return row && streamOf(row)
    },
    async insert(stream) {
      const { id, providerId, createdAt, ...rest } = stream
      const row = {
        id,
        provider_id: providerId,
        created_at: createdAt.getTime(),
        ...changedColumns(rest),
      } as Insertable<StreamRow> // every other column has an entry in `columns`, which the type of `columnOf` demands
      await db
        .insertInto('streams')
        .values(row)
        .execute()
        .catch((error: unknown) => {
          if (brokenUniqueness(error) !== 'streams.provider_id') throw error
          throw new HubError('stream.exists', { cause: error })
        })
    },
    async update(id, changes) {
      const columns = changedColumns(changes)
      if (Object.keys(columns).length === 0) return
      await db.updateTable('streams').set(columns).where('id', '=', id).execute()
    },
    delete: deleteStream,
    async deleteOfProvider(providerId) {
      const row = await db
        .selectFrom('streams')
        .select('id')
        .where('provider_id', '=', providerId)
        .executeTakeFirst()
      if (row !== undefined) await deleteStream(row.id)
    },

    async addState({ streamId, hash, at, keepSince }) {
      await db
        .deleteFrom('stream_states')
        .where('stream_id', '=', streamId)
        .where('asked_at', '<', keepSince.getTime())
        .execute()
      await db
        .insertInto('stream_states')
        .values({ stream_id: streamId, hash, asked_at: at.getTime(), used_by_jti: null })
        .execute()
    },
    async useState({ streamId, hash, jti }) {
      const { numUpdatedRows } = await db
        .updateTable('stream_states')
        .set({ used_by_jti: jti })
        .where('stream_id', '=', streamId)
        .where('hash', '=', hash)
        .where((of) => of.or([of('used_by_jti', 'is', null), of('used_by_jti', '=', jti)]))
        .executeTakeFirstOrThrow()
      return numUpdatedRows > 0n
    },
  }
}

type Changeable = keyof StreamChanges & keyof Stream
type Cell = string | number | null

/** The column of each member, and its value there. */
const columnOf: {
  readonly [Member in Changeable]: readonly [keyof StreamRow, (value: Stream[Member]) => Cell]
} = {
  issuer: ['issuer', (text) => text ?? null],
  settings: ['settings', JSON.stringify],
  sealedSecrets: ['sealed_secrets', (text) => text],
  pushAuthorization: ['push_authorization', JSON.stringify],
  endpoints: ['endpoints', json],
  remote: ['remote', json],
  status: ['status', (status) => status ?? null],
  statusReason: ['status_reason', (text) => text ?? null],
  verificationAskedAt: ['verification_asked_at', time],
  verifiedAt: ['verified_at', time],
  verifyNotBefore: ['verify_not_before', time],
  lastEventAt: ['last_event_at', time],
  lastPollAt: ['last_poll_at', time],
  checkedAt: ['checked_at', time],
  repairedAt: ['repaired_at', time],
  lastError: ['last_error', (text) => text ?? null],
  verificationError: ['verification_error', (text) => text ?? null],
  pollError: ['poll_error', (text) => text ?? null],
  pushError: ['push_error', (text) => text ?? null],
  updatedAt: ['updated_at', time],
}

function json(value: object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

function time(at: Date | undefined): number | null {
  return at?.getTime() ?? null
}

function changedColumns(changes: StreamChanges): Updateable<StreamRow> {
  const cells = Object.entries(changes).map(([member, value]) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the entry of a member takes that member's value
    const [column, cellOf] = columnOf[member as Changeable] as readonly [
      keyof StreamRow,
      (value: unknown) => Cell,
    ]
    return [column, cellOf(value)] as const
  })
  return Object.fromEntries(cells)
}

function streamOf(row: Selectable<StreamRow>): Stream {
  const date = (ms: number | null): Date | undefined => (ms === null ? undefined : new Date(ms))
  return {
    id: row.id,
    providerId: row.provider_id,
    issuer: row.issuer ?? undefined,
    settings: JSON.parse(row.settings) as StreamSettings, // `columns` wrote this and the other JSON
    sealedSecrets: row.sealed_secrets,
    pushAuthorization: authorizationOf(row.push_authorization),
    endpoints: row.endpoints === null ? undefined : (JSON.parse(row.endpoints) as TransmitterEndpoints),
    remote: row.remote === null ? undefined : (JSON.parse(row.remote) as RemoteStream),
    status: row.status ?? undefined,
    statusReason: row.status_reason ?? undefined,
    verificationAskedAt: date(row.verification_asked_at),
    verifiedAt: date(row.verified_at),
    verifyNotBefore: date(row.verify_not_before),
    lastEventAt: date(row.last_event_at),
    lastPollAt: date(row.last_poll_at),
    checkedAt: date(row.checked_at),
    repairedAt: date(row.repaired_at),
    lastError: row.last_error ?? undefined,
    verificationError: row.verification_error ?? undefined,
    pollError: row.poll_error ?? undefined,
    pushError: row.push_error ?? undefined,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

function authorizationOf(text: string): PushAuthorization {
  const { currentHash, previous } = JSON.parse(text) as {
    readonly currentHash: string
    readonly previous?: { readonly hash: string; readonly until?: string }
  } // `columns` wrote it
  if (previous === undefined) return { currentHash, previous }
  const { hash, until } = previous
  return { currentHash, previous: { hash, until: until === undefined ? undefined : new Date(until) } }
}
