export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A member of a received document, or undefined when it is empty: absent, null, and an empty text, list or object count as
 * the same, because many JSON writers write members without a value.
 */
export function meant(value: JsonValue | undefined): JsonValue | undefined {
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'object' && Object.keys(value).length === 0 ? undefined : value
}

/** An object without its empty members; see {@link meant}. */
export function withoutEmptyMembers(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => meant(value) !== undefined))
}
