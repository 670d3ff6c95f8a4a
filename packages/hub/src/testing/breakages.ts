import { createHmac, createPublicKey } from 'node:crypto'
import type { HubErrorCode } from '../base/hub-error.ts'
import { setBytesMax, generateSigningKey, publicJwk, signSet } from '@watchbell/receiver/set'
import type { SetDraft } from './set-draft.ts'
import { generateWeakKey, type TransmitterKeys } from './transmitter-keys.ts'

/** One way for a token to be wrong. */
export interface Breakage {
  /** What is wrong with it, in words. */
  readonly broken: string
  /** How Watchbell refuses it; in RFC 8935 words see `err` of the answer. */
  readonly code: HubErrorCode
}

/** What a broken token is made with. */
export interface Workshop {
  readonly keys: TransmitterKeys
  /** The claims of a sound token, as the transmitter would sign them. */
  claims(draft: SetDraft): Record<string, unknown>
}

interface Recipe extends Breakage {
  make(workshop: Workshop, draft: SetDraft): string | Promise<string>
}

const dayS = 86_400

/** Claims beside or in place of the sound ones. */
function withClaims(claims: (sound: Record<string, unknown>) => object): Recipe['make'] {
  return ({ keys, claims: soundClaims }, draft) => {
    const sound = soundClaims(draft)
    return signSet({ key: keys.signing, claims: { ...sound, ...claims(sound) }, ...headerOf(draft) })
  }
}

function withHeader(header: Readonly<Record<string, unknown>>): Recipe['make'] {
  return ({ keys, claims }, draft) =>
    signSet({ key: keys.signing, claims: claims(draft), header: { ...draft.header, ...header } })
}

/** Another event in the place of the draft's, with something wrong in it. */
function withEvent(type: string, claims: object): Recipe['make'] {
  return ({ keys, claims: soundClaims }, { type: _type, claims: _claims, events: _events, ...draft }) =>
    signSet({ key: keys.signing, claims: soundClaims({ ...draft, type, claims }), ...headerOf(draft) })
}

const recipes = {
  signature: {
    broken: "signed by somebody else, under the transmitter's kid",
    code: 'set.bad_signature',
    async make({ keys, claims }, draft) {
      const { alg, kid } = keys.signing
      return signSet({ key: await generateSigningKey(alg, kid), claims: claims(draft), ...headerOf(draft) })
    },
  },
  typ: {
    broken: 'typ is JWT, so it could be an ID token',
    code: 'set.wrong_type',
    make: withHeader({ typ: 'JWT' }),
  },
  // These two publish a key, so they come before those that use up what a hub allows for unknown ones.
  'weak-key': {
    broken: 'signed with a published RSA key of 1024 bits',
    code: 'set.key_refused',
    async make({ keys, claims }, draft) {
      const key = await keys.further('weak', generateWeakKey)
      return signSet({ key, claims: claims(draft), ...headerOf(draft) })
    },
  },
  'wrong-use': {
    broken: 'signed with a key that is published for encryption (use=enc)',
    code: 'set.key_refused',
    async make({ keys, claims }, draft) {
      const { alg } = keys.signing
      const key = await keys.further(`enc ${alg}`, () => generateSigningKey(alg), { use: 'enc' })
      return signSet({ key, claims: claims(draft), ...headerOf(draft) })
    },
  },
  aud: {
    broken: 'meant for another receiver',
    code: 'set.wrong_audience',
    make: withClaims(() => ({ aud: 'https://another-receiver.example' })),
  },
  iss: {
    broken: 'from an issuer that nobody registered',
    code: 'set.unknown_issuer',
    make: withClaims(() => ({ iss: 'https://stranger.example' })),
  },
  kid: {
    broken: 'names a key that the transmitter does not publish',
    code: 'set.unknown_key',
    make: withHeader({ kid: 'not-in-the-key-set' }),
  },
  'alg-none': {
    broken: 'alg is none, and there is no signature',
    code: 'set.algorithm_refused',
    make: ({ keys, claims }, draft) =>
      `${encode({ alg: 'none', kid: keys.signing.kid, typ: 'secevent+jwt' })}.${encode(claims(draft))}.`,
  },
  'alg-hs256': {
    broken: 'alg is HS256, with the public key as the shared secret',
    code: 'set.algorithm_refused',
    make({ keys, claims }, draft) {
      const { kid, privateKey } = keys.signing
      const secret = createPublicKey(privateKey).export({ format: 'pem', type: 'spki' })
      const signed = `${encode({ alg: 'HS256', kid, typ: 'secevent+jwt' })}.${encode(claims(draft))}`
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
    },
  },
  exp: {
    broken: 'has exp, which a SET must not (SSF 1.0 §4.1.7)',
    code: 'set.claim_invalid',
    make: withClaims(({ iat }) => ({ exp: Number(iat) + dayS })),
  },
  sub: {
    broken: 'names the subject in sub instead of sub_id (SSF 1.0 §4.1.2)',
    code: 'set.claim_invalid',
    make: withClaims(() => ({ sub: 'ada@example.com' })),
  },
  'no-jti': {
    broken: 'has no jti',
    code: 'set.claim_invalid',
    make: withClaims(() => ({ jti: undefined })),
  },
  'no-iat': {
    broken: 'has no iat',
    code: 'set.claim_invalid',
    make: withClaims(() => ({ iat: undefined })),
  },
  'future-iat': {
    broken: 'issued tomorrow',
    code: 'set.claim_invalid',
    make: withClaims(({ iat }) => ({ iat: Number(iat) + dayS })),
  },
  'no-events': {
    broken: 'has no events',
    code: 'set.claim_invalid',
    make: withClaims(() => ({ events: undefined })),
  },
  'empty-events': {
    broken: 'events is empty',
    code: 'set.claim_invalid',
    make: withClaims(() => ({ events: {} })),
  },
  'duplicate-member': {
    broken: 'says jti twice, so that two readers may read two tokens',
    code: 'set.malformed',
    make: ({ keys, claims }, draft) =>
      signSet({ key: keys.signing, claims: JSON.stringify(claims(draft)).replace('{', '{"jti":"another",') }),
  },
  crit: {
    broken: 'names a critical header extension that nobody knows',
    code: 'set.malformed',
    make: withHeader({ crit: ['https://example.com/ext'], 'https://example.com/ext': true }),
  },
  'jwk-header': {
    broken: 'signed by somebody else, whose key it brings along in the header',
    code: 'set.bad_signature',
    async make({ keys, claims }, draft) {
      const key = await generateSigningKey(keys.signing.alg, keys.signing.kid)
      return signSet({ key, claims: claims(draft), header: { ...draft.header, jwk: publicJwk(key) } })
    },
  },
  'not-a-jwt': {
    broken: 'is no token at all',
    code: 'set.malformed',
    make: () => '{"events":"this is JSON, and not a signed token"}',
  },
  'blank-field': {
    broken: 'a device-compliance-change whose previous_status is blank (OKTA-E20)',
    code: 'set.event_invalid',
    make: withEvent('device-compliance-change', { previous_status: '' }),
  },
  'wrong-level': {
    broken: 'a user-risk-change whose current_level is none of the allowed values (OKTA-E22)',
    code: 'set.event_invalid',
    make: withEvent('user-risk-change', { current_level: 'extreme' }),
  },
  oversized: {
    broken: `larger than ${setBytesMax} bytes`,
    code: 'request.too_large',
    make: withClaims(() => ({ padding: 'x'.repeat(setBytesMax) })),
  },
} as const satisfies Record<string, Recipe>

export type BreakageName = keyof typeof recipes

/** Every way in which the transmitter can break a token: each token is wrong in this one way and sound in all others. */
export const breakages: Readonly<Record<BreakageName, Breakage>> = recipes
export const breakageNames = Object.keys(recipes) as readonly BreakageName[] // the keys of the table just above

export function isBreakageName(name: string): name is BreakageName {
  return Object.hasOwn(recipes, name)
}

/** A body for the push endpoint, broken in exactly this way. `weak-key` and `wrong-use` publish a further key. */
export async function makeBroken(name: BreakageName, workshop: Workshop, draft: SetDraft): Promise<string> {
  return recipes[name].make(workshop, draft)
}

function headerOf({ header }: Pick<SetDraft, 'header'>): { header?: Readonly<Record<string, unknown>> } {
  return header === undefined ? {} : { header }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
