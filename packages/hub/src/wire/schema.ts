/**
 * JSON Schemas as data that TypeScript reads as types: the one description of what travels. A browser imports only the types,
 * and nothing of this file is left of them.
 */
export class Schema<out Shape = unknown> {
  /** Of types only. */
  declare readonly shape: Shape
  /** JSON Schema 2020-12; schemas within are instances of this class. */
  readonly json: SchemaJson
  /** What the schema is called in documents that refer to it; undefined for those that stand where they are used. */
  readonly name: string | undefined

  constructor(json: SchemaJson, name?: string) {
    this.json = json
    this.name = name
  }
}

export interface SchemaJson {
  readonly [keyword: string]: unknown
}

/** A member that an object may lack. */
export class Optional<out Shape = unknown> {
  readonly schema: Schema<Shape>

  constructor(schema: Schema<Shape>) {
    this.schema = schema
  }
}

export type Members = Readonly<Record<string, Schema | Optional>>

type OptionalNames<M extends Members> = {
  [Name in keyof M]: M[Name] extends Optional ? Name : never
}[keyof M]

/** What an object with these members is in TypeScript; JSON has no member that is undefined. */
export type ShapeOfMembers<M extends Members> = {
  readonly [Name in Exclude<keyof M, OptionalNames<M>>]: M[Name] extends Schema<infer Shape> ? Shape : never
} & {
  readonly [Name in OptionalNames<M>]?: M[Name] extends Optional<infer Shape> ? Shape | undefined : never
} extends infer Shape
  ? { [Name in keyof Shape]: Shape[Name] }
  : never

/** What a schema describes, in TypeScript. */
export type ShapeOf<S extends Schema> = S['shape']

const described = (description: string | undefined): object =>
  description === undefined ? {} : { description }

export function text(description?: string, more: SchemaJson = {}): Schema<string> {
  return new Schema({ type: 'string', ...more, ...described(description) })
}

/** ISO 8601 in UTC with milliseconds. */
export function time(description?: string): Schema<string> {
  return text(description, { format: 'date-time' })
}

export function uri(description?: string): Schema<string> {
  return text(description, { format: 'uri' })
}

export function integer(description?: string, more: SchemaJson = {}): Schema<number> {
  return new Schema({ type: 'integer', ...more, ...described(description) })
}

export function number(description?: string): Schema<number> {
  return new Schema({ type: 'number', ...described(description) })
}

export function flag(description?: string): Schema<boolean> {
  return new Schema({ type: 'boolean', ...described(description) })
}

/** One of these texts. */
export function oneOf<const Values extends readonly string[]>(
  values: Values,
  description?: string,
): Schema<Values[number]> {
  return new Schema({ type: 'string', enum: values, ...described(description) })
}

/** Always the same. */
export function constant<const Value extends string | boolean | null>(value: Value): Schema<Value> {
  return new Schema(value === null ? { type: 'null' } : { const: value })
}

export function list<Shape>(
  items: Schema<Shape>,
  description?: string,
  more: SchemaJson = {},
): Schema<readonly Shape[]> {
  return new Schema({ type: 'array', items, ...more, ...described(description) })
}

export function optional<Shape>(schema: Schema<Shape>): Optional<Shape> {
  return new Optional(schema)
}

export function nullable<Shape>(schema: Schema<Shape>): Schema<Shape | null> {
  const { type, enum: values, ...rest } = schema.json
  if (schema.name !== undefined || typeof type !== 'string') {
    return new Schema({ anyOf: [schema, new Schema({ type: 'null' })] })
  }
  return new Schema({
    type: [type, 'null'],
    ...(Array.isArray(values) && { enum: [...(values as readonly unknown[]), null] }),
    ...rest,
  })
}

/** An object of an answer: nothing that is not described here is in it. */
export function object<const M extends Members>(members: M, description?: string): Schema<ShapeOfMembers<M>> {
  return new Schema({ ...objectJson(members, description), additionalProperties: false })
}

/** An object of a request whose further members are ignored. */
export function openObject<const M extends Members>(
  members: M,
  description?: string,
): Schema<ShapeOfMembers<M>> {
  return new Schema(objectJson(members, description))
}

function objectJson(members: Members, description: string | undefined): SchemaJson {
  const entries = Object.entries(members)
  const required = entries.filter(([, member]) => member instanceof Schema).map(([name]) => name)
  return {
    type: 'object',
    ...described(description),
    properties: Object.fromEntries(
      entries.map(([name, member]) => [name, member instanceof Schema ? member : member.schema]),
    ),
    ...(required.length > 0 && { required }),
  }
}

/** Any JSON object. */
export function anyObject(description?: string): Schema<object> {
  return new Schema({ type: 'object', ...described(description) })
}

export function anyOf<const Schemas extends readonly Schema[]>(
  schemas: Schemas,
  description?: string,
): Schema<Schemas[number]['shape']> {
  return new Schema({ anyOf: schemas, ...described(description) })
}

/** Gives a schema a name, under which documents have it once. */
export function named<Shape>(name: string, schema: Schema<Shape>): Schema<Shape> {
  return new Schema(schema.json, name)
}
