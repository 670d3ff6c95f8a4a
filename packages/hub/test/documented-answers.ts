import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/** An answer of a hub, as it went over the wire. */
export interface SeenAnswer {
  readonly method: string
  /** As the document has it, `/v1/signals/{id}`; undefined when nothing is there. */
  readonly path: string | undefined
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface OpenapiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>
  readonly components: { readonly schemas: object; readonly [kind: string]: object }
}

export interface DocumentedOperation {
  readonly operationId?: string
  readonly security?: readonly object[]
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> }
  readonly responses: Readonly<Record<string, unknown>>
}

interface DocumentedResponse {
  readonly headers?: Readonly<Record<string, unknown>>
  readonly content?: Readonly<Record<string, unknown>>
}

/** Of every HTTP answer, whoever serves it. */
const transport = new Set([
  'connection',
  'keep-alive',
  'date',
  'content-length',
  'content-type',
  'transfer-encoding',
])

/** Says what of a JSON body for an operation a document does not describe; undefined when it describes all of it. */
export function requestCheck(
  document: OpenapiDocument,
): (method: string, path: string, body: unknown) => string | undefined {
  const ajv = newAjv(document)
  return (method, path, body) => {
    const operation = document.paths[path]?.[method.toLowerCase()]
    if (operation?.requestBody === undefined) return `${method} ${path}: there is no body`
    const at = `${escaped(path)}/${method.toLowerCase()}/requestBody/content/${escaped('application/json')}/schema`
    const validator = ajv.compile({ $ref: `document#/paths/${at}` })
    return validator(body) ? undefined : `${method} ${path}: ${ajv.errorsText(validator.errors)}`
  }
}

function newAjv(document: OpenapiDocument): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true })
  addFormats.default(ajv)
  ajv.addVocabulary(Object.keys(document))
  ajv.addSchema(document, 'document')
  return ajv
}

/** Says what of an answer a document does not describe; undefined when it describes all of it. */
export function answerCheck(document: OpenapiDocument): (answer: SeenAnswer) => string | undefined {
  const ajv = newAjv(document)
  const validators = new Map<string, ValidateFunction>()

  /** What a pointer leads to, `#/paths/…`, and where that is in the end. */
  const follow = (pointer: string): { readonly value: unknown; readonly pointer: string } => {
    const value = pointer
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
      .reduce<unknown>((within, part) => (within as Record<string, unknown> | undefined)?.[part], document)
    const { $ref } = (value ?? {}) as { readonly $ref?: string }
    return $ref === undefined ? { value, pointer } : follow($ref)
  }
  const validate = (pointer: string, value: unknown): string | undefined => {
    let validator = validators.get(pointer)
    if (validator === undefined) {
      validator = ajv.compile({ $ref: `document${pointer}` })
      validators.set(pointer, validator)
    }
    return validator(value) ? undefined : ajv.errorsText(validator.errors, { dataVar: '' })
  }

  return ({ method, path, status, headers, body }) => {
    const about = `${method} ${path ?? '(nothing there)'} ${status}`
    const response = responseTo(method, path, status, follow)
    if (response.value === undefined) return `${about}: there is no such answer`
    const { headers: known = {}, content = {} } = response.value as DocumentedResponse
    const names = new Map(Object.keys(known).map((name) => [name.toLowerCase(), name]))
    for (const [name, value] of Object.entries(headers)) {
      if (transport.has(name)) continue
      const documented = names.get(name)
      if (documented === undefined) return `${about}: there is no header ${name}`
      const header = follow(`${response.pointer}/headers/${escaped(documented)}`)
      const { schema } = header.value as { readonly schema: { readonly type?: string } }
      const read = schema.type === 'integer' ? Number(value) : value
      const problem = validate(`${header.pointer}/schema`, read)
      if (problem !== undefined) return `${about}: header ${name}: ${problem}`
    }
    for (const [name, documented] of names) {
      const { value } = follow(`${response.pointer}/headers/${escaped(documented)}`)
      const { required = false } = value as { readonly required?: boolean }
      if (required && headers[name] === undefined) return `${about}: the header ${documented} is missing`
    }
    const type = headers['content-type']?.split(';')[0]?.trim() ?? ''
    if (method === 'HEAD') return undefined
    // OKTA-X13: a missing scope is told in the header alone; a proxy that is trusted gets no body.
    if (body === '') {
      const mayBeEmpty =
        /insufficient_scope/.test(headers['www-authenticate'] ?? '') || path === '/access/v1/forward-auth'
      return Object.keys(content).length === 0 || mayBeEmpty ? undefined : `${about}: the body is missing`
    }
    if (content[type] === undefined) return `${about}: there is no ${type} body: ${body.slice(0, 200)}`
    const value: unknown = type === 'application/json' ? JSON.parse(body) : body
    const problem = validate(`${response.pointer}/content/${escaped(type)}/schema`, value)
    return problem && `${about}: ${problem}: ${body.slice(0, 500)}`
  }
}

type Follow = (pointer: string) => { readonly value: unknown; readonly pointer: string }

function responseTo(
  method: string,
  path: string | undefined,
  status: number,
  follow: Follow,
): ReturnType<Follow> {
  if (path === undefined) {
    const other = status === 405 ? 'OtherMethod' : 'UnknownPath'
    return status === 404 || status === 405
      ? follow(`#/components/responses/${other}`)
      : follow(`#/paths/${escaped('/')}/get/responses/${status}`) // refused before anybody looked at the path
  }
  const item = `#/paths/${escaped(path)}`
  const isDescribed = follow(`${item}/${method.toLowerCase()}`).value !== undefined
  // What takes every method takes those, too, that OpenAPI has no place for.
  const takesAll = follow(`${item}/trace`).value !== undefined
  const asGet = !isDescribed && (method === 'HEAD' || takesAll)
  const operation = `${item}/${asGet ? 'get' : method.toLowerCase()}`
  if (follow(operation).value !== undefined) return follow(`${operation}/responses/${status}`)
  if (status === 405) return follow(`${item}/x-other-methods`)
  return follow(`#/paths/${escaped('/')}/get/responses/${status}`)
}

function escaped(part: string): string {
  return encodeURI(part.replaceAll('~', '~0').replaceAll('/', '~1'))
    .replaceAll('%7B', '{')
    .replaceAll('%7D', '}')
}
