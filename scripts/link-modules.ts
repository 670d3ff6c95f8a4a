import { mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Gives a copy of a checkout the modules that are installed in the checkout, without installing them again. Packages of the
 * workspace are the copy's own.
 */
export async function linkModules(checkout: string, copy: string): Promise<void> {
  const link = async (inside: string): Promise<void> => {
    const from = join(checkout, 'node_modules', inside)
    const to = join(copy, 'node_modules', inside)
    await mkdir(to, { recursive: true })
    for (const entry of await readdir(from, { withFileTypes: true })) {
      const { name } = entry
      if (entry.isSymbolicLink()) await symlink(await readlink(join(from, name)), join(to, name))
      else if (name === '.bin' || name.startsWith('@')) await link(join(inside, name))
      else await symlink(join(from, name), join(to, name))
    }
  }
  await link('.')
}
