/**
 * The URL of a module, from its path relative to another one, without its extension: TypeScript in a checkout, JavaScript in `dist`.
 * @param from - the caller's `import.meta.url`
 */
export function siblingModule(path: string, from: string): URL {
  return new URL(path + (from.endsWith('.ts') ? '.ts' : '.js'), from)
}
