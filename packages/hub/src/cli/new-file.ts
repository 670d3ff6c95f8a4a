import { access, link, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CliError, wrongUsage, type CliIo } from './cli-io.ts'

/** A file that gets its name only when it is complete. Disposed before that, it is deleted. */
export interface NewFile extends AsyncDisposable {
  /** The path while it is written: an empty file that only its owner can read. */
  readonly temporaryPath: string
  /** Flushes it to disk and gives it its name. @throws CliError when a file with that name exists now */
  keep(): Promise<void>
}

/** @throws CliError when the file exists, or cannot be made */
export async function newFile({ world }: Pick<CliIo, 'world'>, path: string): Promise<NewFile> {
  await requireFree(path)
  const temporaryPath = `${path}.${world.newUuid().slice(0, 8)}.partial`
  const file = await open(temporaryPath, 'wx', 0o600).catch((error: unknown) => {
    throw wrongUsage(`${path} cannot be written: ${reason(error)}.`)
  })
  await file.close()
  return {
    temporaryPath,
    async keep() {
      await flush(temporaryPath)
      await giveName(temporaryPath, path)
      await flush(dirname(resolve(path)))
    },
    async [Symbol.asyncDispose]() {
      await rm(temporaryPath, { force: true })
    },
  }
}

async function requireFree(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (isThere) throw new CliError(`${path} exists already, and is left as it is; choose another name.`)
}

/** A hard link never overwrites a file; some file systems have no links. */
async function giveName(temporaryPath: string, path: string): Promise<void> {
  try {
    await link(temporaryPath, path)
  } catch (error) {
    await requireFree(path)
    if (!noLinks.includes(codeOf(error))) throw new CliError(`${path} cannot be written: ${reason(error)}.`)
    await rename(temporaryPath, path)
  }
}

const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
