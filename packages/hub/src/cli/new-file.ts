import { access, link, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CliError, wrongUsage, type CliIo } from './cli-io.ts'

/** A file that gets its name only when it is whole. Disposing it before that leaves nothing behind. */
export interface NewFile extends AsyncDisposable {
  /** Where it is meanwhile; empty, and for its owner alone. */
  readonly temporaryPath: string
  /** Puts it on disk and gives it its name. @throws CliError when there is a file of that name by now */
  keep(): Promise<void>
}

/** @throws CliError when there is such a file, or none can be made there */
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

/** A link never takes another file's place; a few file systems have none. */
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
