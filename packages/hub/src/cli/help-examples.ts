/** The examples at the end of a help text. @param commands - one command line each */
export function examples(...commands: readonly string[]): string {
  return `\nExample${commands.length === 1 ? '' : 's'}:\n${commands.map((command) => `  $ ${command}`).join('\n')}`
}
