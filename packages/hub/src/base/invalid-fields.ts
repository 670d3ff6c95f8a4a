import { HubError, type FieldProblem, type HubErrorCode } from './hub-error.ts'

/** An error that names every field that is wrong; a problem of the field '' is one of the whole. */
export function invalidFields(
  code: HubErrorCode,
  problems: readonly FieldProblem[],
  cause?: unknown,
): HubError {
  return new HubError(code, { detail: problemLines(problems).join('; '), problems, cause })
}

/** `field: what is wrong with it`, one for each problem. */
export function problemLines(problems: readonly FieldProblem[]): readonly string[] {
  return problems.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
}
