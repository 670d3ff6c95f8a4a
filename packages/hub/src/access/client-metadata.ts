import type { FieldProblem } from '../base/hub-error.ts'
import { invalidFields } from '../base/invalid-fields.ts'
import {
  isJsonArray,
  isJsonObject,
  meant,
  type JsonObject,
  type JsonValue,
  printable,
} from '@watchbell/receiver/base'
import { readVerificationKeys } from '@watchbell/receiver/set'
import { keysTriedMax } from './client-keys.ts'
import { isScope, scopeNames, type Scope } from './scopes.ts'
import type { ClientKeySet, ServiceApp } from './service-app.ts'

declare const checked: unique symbol
/** Validated client metadata of a service app. Only readClientMetadata makes one. */
export type ServiceAppDraft = Pick<ServiceApp, 'name' | 'keys' | 'scopes' | 'dpopBound'> & {
  readonly [checked]: true
}

const nameCharsMax = 100
const uriCharsMax = 1_000

/**
 * Reads client metadata (RFC 7591 §2). Missing and null members get a service app's defaults,
 * and unknown ones are ignored (OKTA-A5).
 * @param clientId on replacing: the id that a `client_id` in the metadata must repeat (RFC 7592 §2.2)
 * @throws HubError `oauth.invalid_client_metadata` with every problem
 */
export function readClientMetadata(metadata: JsonValue | undefined, clientId?: string): ServiceAppDraft {
  if (!isJsonObject(metadata))
    throw invalidFields('oauth.invalid_client_metadata', [
      { field: '', message: 'The body must be a JSON object' },
    ])
  const reader = new MetadataReader(metadata)
  reader.allowOnly('token_endpoint_auth_method', 'private_key_jwt')
  reader.allowOnly('application_type', 'service')
  reader.allowOnlyList('grant_types', 'client_credentials')
  reader.allowOnlyList('response_types', 'token')
  if (clientId !== undefined) reader.allowOnly('client_id', clientId)
  const draft = {
    name: reader.name(),
    keys: reader.keys(),
    scopes: reader.scopes(),
    dpopBound: reader.flag('dpop_bound_access_tokens'),
  }
  if (reader.problems.length > 0) throw invalidFields('oauth.invalid_client_metadata', reader.problems)
  return draft as ServiceAppDraft // there were no problems
}

class MetadataReader {
  readonly problems: FieldProblem[] = []
  readonly #metadata: JsonObject

  constructor(metadata: JsonObject) {
    this.#metadata = metadata
  }

  /** The member; undefined when it is empty (RFC 7592 §2.2). An empty list of grants or responses means: none. */
  #get(field: string): JsonValue | undefined {
    const value = this.#metadata[field] ?? undefined
    return isJsonArray(value) ? value : meant(value)
  }

  #problem(field: string, message: string): void {
    this.problems.push({ field, message })
  }

  allowOnly(field: string, allowed: string): void {
    const value = this.#get(field)
    if (value !== undefined && value !== allowed) this.#problem(field, `Only ${allowed} is supported`)
  }

  allowOnlyList(field: string, allowed: string): void {
    const value = this.#get(field)
    if (value === undefined || (isJsonArray(value) && value.length === 1 && value[0] === allowed)) return
    this.#problem(field, `Only ["${allowed}"] is supported`)
  }

  name(): string {
    const name = this.#get('client_name') ?? ''
    if (typeof name !== 'string') this.#problem('client_name', 'The field must be a string')
    else if (name.trim() === '') this.#problem('client_name', 'The field cannot be left blank')
    else if (name.length > nameCharsMax)
      this.#problem('client_name', `The field is longer than ${nameCharsMax} characters`)
    else if (/\p{Cc}/u.test(name) || !name.isWellFormed())
      this.#problem('client_name', 'The field has control characters')
    else return name
    return ''
  }

  flag(field: string): boolean {
    const value = this.#get(field)
    if (value !== undefined && typeof value !== 'boolean')
      this.#problem(field, 'The field must be true or false')
    return value === true
  }

  scopes(): readonly Scope[] {
    const scope = this.#get('scope') ?? ''
    if (typeof scope !== 'string') {
      this.#problem('scope', 'The field must be a string of scopes parted by spaces')
      return []
    }
    const names = scopeNames(scope)
    for (const name of names) {
      if (!isScope(name))
        this.#problem('scope', `'${printable(name, 100)}' is not one of the scopes of this hub`)
    }
    return names.filter(isScope)
  }

  keys(): ClientKeySet {
    const jwks = this.#get('jwks')
    const uri = this.#get('jwks_uri')
    if (jwks !== undefined && uri !== undefined)
      this.#problem('jwks_uri', 'Give either jwks or jwks_uri, not both')
    else if (jwks !== undefined) return { jwks: this.#jwks(jwks) }
    else if (uri !== undefined) return { jwksUri: this.#uri(uri) }
    else
      this.#problem('jwks', 'The field cannot be left blank; give the public keys in jwks, or their jwks_uri')
    return { jwks: [] }
  }

  #jwks(jwks: JsonValue): readonly JsonObject[] {
    const keys = isJsonObject(jwks) ? jwks['keys'] : undefined
    if (!isJsonArray(keys) || keys.length === 0 || keys.length > keysTriedMax) {
      this.#problem(
        'jwks',
        `The field must be an object with an array keys of 1 to ${keysTriedMax} public JWKs`,
      )
      return []
    }
    const objects = keys.filter(isJsonObject)
    if (objects.length < keys.length) this.#problem('jwks.keys', 'Every key must be a JSON object')
    readVerificationKeys({ keys: objects }).forEach((key, at) => {
      if ('unusable' in key)
        this.#problem(`jwks.keys[${at}]`, `The key ${key.unusable}; give public signing keys only`)
    })
    const kids = objects.map((key) => meant(key['kid'])).filter((kid) => kid !== undefined)
    if (kids.some((kid) => typeof kid !== 'string')) this.#problem('jwks.keys', 'A kid must be a string')
    if (new Set(kids).size < kids.length) this.#problem('jwks.keys', 'Two keys have the same kid')
    return objects
  }

  #uri(uri: JsonValue): string {
    const text = typeof uri === 'string' && uri.length <= uriCharsMax ? uri : ''
    const url = URL.parse(text)
    if (url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.hash}` === '')
      return text
    this.#problem(
      'jwks_uri',
      `The field must be an https URL without credentials or fragment, ${uriCharsMax} characters at most`,
    )
    return ''
  }
}
