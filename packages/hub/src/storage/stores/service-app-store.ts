import type { Kysely } from 'kysely'
import { isScope, scopeNames } from '../../access/scopes.ts'
import type { ServiceApp, ServiceAppStore } from '../../access/service-app.ts'
import type { JsonObject } from '@watchbell/receiver/base'
import type { DatabaseSchema, ServiceAppRow } from '../sql/schema.ts'

/** What every request of a service app needs from the database. */
export type FindServiceApp = (clientId: string) => Promise<ServiceAppRow | undefined>

/** @param findApp - replaces the query outside transactions; not for use inside a transaction */
export function createServiceAppStore(db: Kysely<DatabaseSchema>, findApp?: FindServiceApp): ServiceAppStore {
  return {
    async insert(app) {
      await db.insertInto('service_apps').values(rowOf(app)).execute()
    },
    async find(clientId) {
      const one = db.selectFrom('service_apps').selectAll().where('client_id', '=', clientId)
      const row = findApp === undefined ? await one.executeTakeFirst() : await findApp(clientId)
      return row && appOf(row)
    },
    async list({ after, limit }) {
      const page = db.selectFrom('service_apps').selectAll().orderBy('client_id').limit(limit)
      return (await (after === undefined ? page : page.where('client_id', '>', after)).execute()).map(appOf)
    },
    async replace(app) {
      const { client_id, created_at: _, ...rest } = rowOf(app)
      const { numUpdatedRows } = await db
        .updateTable('service_apps')
        .set(rest)
        .where('client_id', '=', client_id)
        .executeTakeFirstOrThrow()
      return numUpdatedRows > 0n
    },
    async delete(clientId) {
      const { numDeletedRows } = await db
        .deleteFrom('service_apps')
        .where('client_id', '=', clientId)
        .executeTakeFirstOrThrow()
      return numDeletedRows > 0n
    },
  }
}

function appOf(row: ServiceAppRow): ServiceApp {
  return {
    clientId: row.client_id,
    name: row.name,
    keys:
      row.jwks === null
        ? { jwksUri: row.jwks_uri ?? '' } // the table has exactly one of them
        : { jwks: JSON.parse(row.jwks) as readonly JsonObject[] }, // as rowOf wrote it
    scopes: scopeNames(row.scope).filter(isScope),
    dpopBound: row.dpop_bound === 1,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

function rowOf(app: ServiceApp): ServiceAppRow {
  return {
    client_id: app.clientId,
    name: app.name,
    jwks: 'jwks' in app.keys ? JSON.stringify(app.keys.jwks) : null,
    jwks_uri: 'jwksUri' in app.keys ? app.keys.jwksUri : null,
    scope: app.scopes.join(' '),
    dpop_bound: app.dpopBound ? 1 : 0,
    created_at: app.createdAt.getTime(),
    updated_at: app.updatedAt.getTime(),
  }
}
