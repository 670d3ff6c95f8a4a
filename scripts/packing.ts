import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

// node scripts/packing.ts begin|end FOLDER [--manifest]: what `npm pack` and `npm publish` need around a package.
//
// In this checkout a package is entered by its sources, which Node.js runs as they are; it does not do so below node_modules. So
// `begin` lets package.json point to the build, and copies what stands at the root and belongs to the package: README, licence,
// pages. `end` takes both back. `--manifest` leaves the pages out: for the image.

/** The manifest of this checkout while its package is packed. */
const kept = 'package.json.kept'

/** Where the build has what a source becomes. */
const built = (source: string): string => source.replace(/^(\.\/)?src\/(.*)\.ts$/, '$1dist/$2.js')

interface Manifest {
  readonly files: readonly string[]
  readonly bin?: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string>>
}

/** The manifest as those who install the package see it. */
export function publishedManifest(text: string): string {
  const manifest = JSON.parse(text) as Manifest // ours
  const entries = Object.entries(manifest.exports).map(([name, source]) => [
    name,
    source.endsWith('.ts')
      ? { types: built(source).replace(/\.js$/, '.d.ts'), default: built(source) }
      : source,
  ])
  const bin = Object.entries(manifest.bin ?? {}).map(([name, source]) => [name, built(source)])
  const published = {
    ...manifest,
    ...(manifest.bin === undefined ? {} : { bin: Object.fromEntries(bin) }),
    exports: Object.fromEntries(entries),
  }
  return `${JSON.stringify(published, undefined, 2)}\n`
}

function begin(folder: string, pages: boolean): void {
  if (existsSync(join(folder, kept))) end(folder) // an earlier one was cut off
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  const copied = pages ? pagesOf(text) : []
  const own = copied.filter((file) => existsSync(join(folder, file)))
  if (own.length > 0)
    throw new Error(`${own.join(', ')} of the package would be overwritten by those of the root.`)
  renameSync(join(folder, 'package.json'), join(folder, kept)) // first: from here on `end` takes back whatever follows
  writeFileSync(join(folder, 'package.json'), publishedManifest(text))
  for (const file of copied) cpSync(join(root, file), join(folder, file), { recursive: true })
}

function end(folder: string): void {
  if (!existsSync(join(folder, kept))) return
  renameSync(join(folder, kept), join(folder, 'package.json'))
  for (const file of pagesOf(readFileSync(join(folder, 'package.json'), 'utf8')))
    rmSync(join(folder, file), { recursive: true, force: true })
}

/** What the package has and stands at the root. */
function pagesOf(manifest: string): readonly string[] {
  const { files } = JSON.parse(manifest) as Manifest // ours
  return files.filter((file) => !/^!?(dist|src)(\/|$)/.test(file))
}

const root = resolve(import.meta.dirname, '..')
const [step, folder = '.', flag] = process.argv.slice(2)
if (import.meta.main) {
  if (step === 'begin') begin(resolve(folder), flag !== '--manifest')
  else if (step === 'end') end(resolve(folder))
  else {
    console.error('node scripts/packing.ts begin|end FOLDER [--manifest]')
    process.exitCode = 2
  }
}
