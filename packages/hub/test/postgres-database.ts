import { inject } from 'vitest'
import { createDatabase, runOn } from './postgres-server.ts'

/** Where the PostgreSQL of this run is: WATCHBELL_TEST_DATABASE_URL, or a server that the first to ask starts. */
export async function postgresServerUrl(): Promise<string> {
  const answer = await fetch(inject('postgresDesk'))
  const text = await answer.text()
  if (!answer.ok) throw new Error(`There is no PostgreSQL to test on: ${text}`)
  return text
}

/** Whether the hubs of this suite work on PostgreSQL: see on-postgres.ts. */
export const onPostgres = process.env['WATCHBELL_TEST_STORAGE'] === 'postgres'

/** Databases of hubs that are started more than once on the same data, by what stands for the data. */
const kept = new Map<string, string>()

export function keptDatabase(folder: string): string | undefined {
  return kept.get(folder)
}

export async function keepDatabase(folder: string): Promise<string> {
  const url = kept.get(folder) ?? (await createDatabase(await postgresServerUrl(), 'template1'))
  kept.set(folder, url)
  return url
}

/** A database without any table. Whoever runs the server sees to its end. */
export async function emptyDatabase(): Promise<string> {
  return createDatabase(await postgresServerUrl(), 'template0')
}

/** Databases that earlier tests of this file are done with. Making one takes longer than most tests do. */
const free: string[] = []

/** A database with our schema, at the latest when it was opened once, and no rows. */
export async function temporaryDatabase(): Promise<{ readonly url: string } & AsyncDisposable> {
  const url = free.pop() ?? (await createDatabase(await postgresServerUrl(), 'template1'))
  return {
    url,
    async [Symbol.asyncDispose]() {
      await runOn(url, emptyAll)
      free.push(url)
    },
  }
}

/** Tables that hold a few rows each: DELETE takes a hundredth of the time of TRUNCATE. */
const emptyAll = `DO $$
  DECLARE name TEXT;
  BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations' LOOP
      EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
      EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
  END
$$`
