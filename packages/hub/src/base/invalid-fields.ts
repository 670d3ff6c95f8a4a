import { HubError, type FieldProblem, type HubErrorCode } from './hub-error.ts'

/** An error that names every wrong field; a problem of the field '' concerns the whole. */
export function invalidFields(
  code: HubErrorCode,
  problems: readonly FieldProblem[],
  cause?: unknown,
): HubError {
  return new HubError(code, { detail: problemLines(problems).join('; '), problems, cause })
}

/** `field: problem`, one for each problem. */
export function problemLines(problems: readonly FieldProblem[]): readonly string[] {
  return problems.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
}
