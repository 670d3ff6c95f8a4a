import type { JWK } from 'jose'
import type { Kysely } from 'kysely'
import type { SigningKeyRecord, SigningKeyStore } from '../../access/signing-key-store.ts'
import type { DatabaseSchema, SigningKeyRow } from '../sql/schema.ts'

export function createSigningKeyStore(db: Kysely<DatabaseSchema>): SigningKeyStore {
  return {
    async list() {
      const rows = await db
        .selectFrom('signing_keys')
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('kid')
        .execute()
      return rows.map(recordOf)
    },
    async insertOnce(key) {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('signing_keys')
        .values(rowOf(key))
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow()
      return numInsertedOrUpdatedRows === 1n
    },
    async retire(kid, verifiesUntil) {
      const { numUpdatedRows } = await db
        .updateTable('signing_keys')
        .set({ verifies_until: verifiesUntil.getTime() })
        .where('kid', '=', kid)
        .where('verifies_until', 'is', null)
        .executeTakeFirstOrThrow()
      return numUpdatedRows > 0n
    },
    async prune(now) {
      const { numDeletedRows } = await db
        .deleteFrom('signing_keys')
        .where('verifies_until', '<', now.getTime())
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}

function recordOf(row: SigningKeyRow): SigningKeyRecord {
  return {
    kid: row.kid,
    publicJwk: JSON.parse(row.public_jwk) as JWK, // as rowOf wrote it
    sealedPrivateJwk: row.sealed_private_jwk,
    createdAt: new Date(row.created_at),
    verifiesUntil: row.verifies_until === null ? undefined : new Date(row.verifies_until),
  }
}

function rowOf(key: SigningKeyRecord): SigningKeyRow {
  return {
    kid: key.kid,
    public_jwk: JSON.stringify(key.publicJwk),
    sealed_private_jwk: key.sealedPrivateJwk,
    created_at: key.createdAt.getTime(),
    verifies_until: key.verifiesUntil?.getTime() ?? null,
  }
}
