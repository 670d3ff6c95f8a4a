import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SettingName } from '../config/settings.ts'

/** Where a hub under test keeps its data; gone when it is disposed. */
export interface TestStorage extends AsyncDisposable {
  readonly settings: Partial<Record<SettingName, string>>
}

/**
 * Gives each hub that is started a storage of its own. `folder` stands for data that outlives a hub: who names the same
 * one again finds it as it was. Our own suites put PostgreSQL in its place, to run all of them on that too.
 */
export const testStorage: { open(folder: string | undefined): Promise<TestStorage> } = {
  async open(folder) {
    const data = folder ?? (await mkdtemp(join(tmpdir(), 'watchbell-hub-')))
    return {
      settings: { data },
      async [Symbol.asyncDispose]() {
        if (folder === undefined) await rm(data, { recursive: true, force: true })
      },
    }
  },
}
