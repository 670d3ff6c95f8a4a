import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DockerfileParser, type Copy, type From, type Instruction } from 'dockerfile-ast'
import { parse } from 'yaml'
import { unknownNames } from '../../src/config/load-settings.ts'
import { settingEntries } from '../../src/config/settings.ts'

export const root = resolve(import.meta.dirname, '../../../..')

export function text(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function yaml(path: string): unknown {
  return parse(text(path), { merge: true })
}

export const manifest = JSON.parse(text('packages/hub/package.json')) as {
  readonly version: string
  readonly bin: { readonly watchbell: string }
  readonly files: readonly string[]
  readonly engines: { readonly node: string }
} // ours

/** Variables in a text that look like settings and are none. */
export function strangers(text: string): readonly string[] {
  const names = text.match(/\b(?:WATCHBELL|OTEL)_[A-Z][A-Z_]*/g) ?? []
  const known = new Set<string>(Object.values(settingEntries).map(({ variable }) => variable))
  const ofClients = (name: string): boolean =>
    name.startsWith('WATCHBELL_') && unknownNames({ [name]: '' }).length === 0
  return names.filter((name) => !known.has(name) && !ofClients(name))
}

/** One `FROM` and what follows it. */
export interface Stage {
  readonly image: string
  readonly name: string | undefined
  readonly instructions: readonly Instruction[]
}

const dockerfile = DockerfileParser.parse(text('Dockerfile'))

export const stages: readonly Stage[] = dockerfile.getFROMs().map((from: From, at, all) => {
  const end = all[at + 1]?.getRange().start.line ?? Number.POSITIVE_INFINITY
  return {
    image: from.getImage() ?? '',
    name: from.getBuildStage() ?? undefined,
    instructions: dockerfile.getInstructions().filter((instruction) => {
      const { line } = instruction.getRange().start
      return line > from.getRange().start.line && line < end
    }),
  }
})

export const copies: readonly Copy[] = dockerfile.getCOPYs()

/** The value of `--name=` of a COPY. */
export function flagOf(copy: Copy, name: string): string | undefined {
  const flag = copy.getFlags().find((flag) => flag.getName() === name)
  return flag?.getValue() ?? undefined
}

/** The image that is run: its variables, its user, its port. */
export const image = {
  environment: Object.fromEntries(
    (stages.at(-1)?.instructions ?? [])
      .filter((instruction) => instruction.getKeyword() === 'ENV')
      .flatMap((instruction) => [...(instruction.getArgumentsContent() ?? '').matchAll(/(\w+)=(\S+)/g)])
      .map(([, name, value]) => [name ?? '', value ?? '']),
  ),
  user: argumentsOf('USER')[0],
  port: Number(argumentsOf('EXPOSE')[0]),
}

/** Words of an instruction of the last stage. */
export function argumentsOf(keyword: string): readonly string[] {
  const found = stages.at(-1)?.instructions.filter((instruction) => instruction.getKeyword() === keyword)
  if (found?.length !== 1) throw new Error(`the last stage has ${found?.length} ${keyword} instructions`)
  return found[0]?.getArguments().map((argument) => argument.getValue()) ?? []
}

/** An instruction in its exec form, which needs no shell. */
export function execForm(keyword: string): readonly string[] {
  const words = argumentsOf(keyword).join(' ')
  return JSON.parse(words.slice(words.indexOf('['))) as string[] // fails for the shell form
}
