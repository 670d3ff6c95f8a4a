import { printable } from './printable.ts'

/** Maximum length of a message: it may quote input from outside. */
const detailCharsMax = 20_000

/** One thing wrong with one field. `field` is a dotted path (`settings.jwks_url`), or '' for the whole. */
export interface FieldProblem {
  readonly field: string
  readonly message: string
}

export interface CodedErrorOptions<Code extends string> {
  /** What exactly is wrong and what would be right, for a person. Never holds a secret or a whole token. */
  readonly detail?: string
  readonly problems?: readonly FieldProblem[]
  /** All further problems of the same request, so that one answer reports them together. */
  readonly also?: readonly Code[]
  /** Seconds until the client should try again (503 and 429). */
  readonly retryAfterS?: number
  /** Further facts that the answer of one code needs. */
  readonly facts?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** An error with a code of a closed list. Programs use the code, people read the message. */
export abstract class CodedError<Code extends string> extends Error {
  override readonly name: string = 'CodedError'
  readonly code: Code
  readonly detail: string
  readonly problems: readonly FieldProblem[]
  readonly also: readonly Code[]
  readonly retryAfterS: number | undefined
  readonly facts: Readonly<Record<string, string>>

  /** @param meaning - the meaning of the code, for an error without a detail */
  constructor(code: Code, meaning: string, options: CodedErrorOptions<Code>) {
    const detail = options.detail === undefined ? meaning : printable(options.detail, detailCharsMax)
    super(detail, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.problems = (options.problems ?? []).map(({ field, message }) => ({
      field: printable(field, detailCharsMax),
      message: printable(message, detailCharsMax),
    }))
    this.also = options.also ?? []
    this.retryAfterS = options.retryAfterS
    this.facts = options.facts ?? {}
  }
}
