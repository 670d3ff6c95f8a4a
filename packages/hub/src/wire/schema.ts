/**
 * JSON Schemas as data that TypeScript reads as types: the only description of requests and answers. Browsers import only
 * the types, so that they do not load this file.
 */
export class WireSchema<out Shape = unknown> {
  /** Of types only. */
  declare readonly shape: Shape
  /** JSON Schema 2020-12; schemas within are instances of this class. */
  readonly json: WireSchemaJson
  /** The name of the schema in documents; undefined for inline schemas. */
  readonly name: string | undefined

  constructor(json: WireSchemaJson, name?: string) {
    this.json = json
    this.name = name
  }
}

export interface WireSchemaJson {
  readonly [keyword: string]: unknown
}

/** A member that an object may lack. */
export class OptionalMember<out Shape = unknown> {
  readonly schema: WireSchema<Shape>

  constructor(schema: WireSchema<Shape>) {
    this.schema = schema
  }
}

export type WireMembers = Readonly<Record<string, WireSchema | OptionalMember>>

type OptionalNames<M extends WireMembers> = {
  [Name in keyof M]: M[Name] extends OptionalMember ? Name : never
}[keyof M]

/** The TypeScript type of an object with these members; JSON has no undefined members. */
export type ShapeOfMembers<M extends WireMembers> = {
  readonly [Name in Exclude<keyof M, OptionalNames<M>>]: M[Name] extends WireSchema<infer Shape>
    ? Shape
    : never
} & {
  readonly [Name in OptionalNames<M>]?: M[Name] extends OptionalMember<infer Shape>
    ? Shape | undefined
    : never
} extends infer Shape
  ? { [Name in keyof Shape]: Shape[Name] }
  : never

/** The TypeScript type of a schema. */
export type ShapeOf<S extends WireSchema> = S['shape']

const described = (description: string | undefined): object =>
  description === undefined ? {} : { description }

function text(description?: string, more: WireSchemaJson = {}): WireSchema<string> {
  return new WireSchema({ type: 'string', ...more, ...described(description) })
}

/** ISO 8601 in UTC with milliseconds. */
function time(description?: string): WireSchema<string> {
  return text(description, { format: 'date-time' })
}

/** Of ours. What others wrote is a text: what a URL may be is not the same for everybody. */
function uri(description?: string): WireSchema<string> {
  return text(description, { format: 'uri' })
}

function integer(description?: string, more: WireSchemaJson = {}): WireSchema<number> {
  return new WireSchema({ type: 'integer', ...more, ...described(description) })
}

function number(description?: string): WireSchema<number> {
  return new WireSchema({ type: 'number', ...described(description) })
}

function flag(description?: string): WireSchema<boolean> {
  return new WireSchema({ type: 'boolean', ...described(description) })
}

/** One of these texts. */
function oneOf<const Values extends readonly string[]>(
  values: Values,
  description?: string,
): WireSchema<Values[number]> {
  return new WireSchema({ type: 'string', enum: values, ...described(description) })
}

/** Always the same. */
function constant<const Value extends string | boolean | null>(value: Value): WireSchema<Value> {
  return new WireSchema(value === null ? { type: 'null' } : { const: value })
}

function list<Shape>(
  items: WireSchema<Shape>,
  description?: string,
  more: WireSchemaJson = {},
): WireSchema<readonly Shape[]> {
  return new WireSchema({ type: 'array', items, ...more, ...described(description) })
}

function optional<Shape>(schema: WireSchema<Shape>): OptionalMember<Shape> {
  return new OptionalMember(schema)
}

function nullable<Shape>(schema: WireSchema<Shape>): WireSchema<Shape | null> {
  const { type, enum: values, ...rest } = schema.json
  if (schema.name !== undefined || typeof type !== 'string') {
    return new WireSchema({ anyOf: [schema, new WireSchema({ type: 'null' })] })
  }
  return new WireSchema({
    type: [type, 'null'],
    ...(Array.isArray(values) && { enum: [...(values as readonly unknown[]), null] }),
    ...rest,
  })
}

/** An object of an answer: it has no other members. */
function object<const M extends WireMembers>(
  members: M,
  description?: string,
): WireSchema<ShapeOfMembers<M>> {
  return new WireSchema({ ...objectJson(members, description), additionalProperties: false })
}

/** An object of a request whose further members are ignored. */
function openObject<const M extends WireMembers>(
  members: M,
  description?: string,
): WireSchema<ShapeOfMembers<M>> {
  return new WireSchema(objectJson(members, description))
}

function objectJson(members: WireMembers, description: string | undefined): WireSchemaJson {
  const entries = Object.entries(members)
  const required = entries.filter(([, member]) => member instanceof WireSchema).map(([name]) => name)
  return {
    type: 'object',
    ...described(description),
    properties: Object.fromEntries(
      entries.map(([name, member]) => [name, member instanceof WireSchema ? member : member.schema]),
    ),
    ...(required.length > 0 && { required }),
  }
}

/** Any JSON object. */
function anyObject(description?: string): WireSchema<object> {
  return new WireSchema({ type: 'object', ...described(description) })
}

function anyOf<const Schemas extends readonly WireSchema[]>(
  schemas: Schemas,
  description?: string,
): WireSchema<Schemas[number]['shape']> {
  return new WireSchema({ anyOf: schemas, ...described(description) })
}

/** A JSON object whose members have names of their own. */
function dictionary(description?: string): WireSchema<Readonly<Record<string, unknown>>> {
  return new WireSchema({ type: 'object', ...described(description) })
}

/** Names a schema, so that documents contain it once. */
function named<Shape>(name: string, schema: WireSchema<Shape>): WireSchema<Shape> {
  return new WireSchema(schema.json, name)
}

/** The builders of schemas. */
export const shape = {
  anyObject,
  anyOf,
  constant,
  dictionary,
  flag,
  integer,
  list,
  named,
  nullable,
  number,
  object,
  oneOf,
  openObject,
  optional,
  text,
  time,
  uri,
}
