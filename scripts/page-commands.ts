/** A fenced block of a Markdown page. */
export interface PageBlock {
  /** What stands behind the fence, such as `sh`; empty when nothing does. */
  readonly language: string
  readonly text: string
  /** Of a block of shell: its commands, on one line each, without comments. */
  readonly commands: readonly string[]
}

/** Every fenced block of a page, in order. */
export function pageCommands(page: string): readonly PageBlock[] {
  return [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    language,
    text,
    commands: commandsOf(text),
  }))
}

function commandsOf(text: string): readonly string[] {
  return text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#\s.*$/, '').trim())
    .filter((line) => line !== '')
}
