import { caep } from './caep.ts'
import {
  decisiveClaim,
  localised,
  oneOfTexts,
  optionalClaim,
  requiredClaim,
  anyText,
  unixTime,
} from './event-claims.ts'
import type { EventFamily } from './event-family.ts'

/** RISC defines no members for most of its events; many senders add the time. */
const claims = { event_timestamp: decisiveClaim(unixTime) }

/** RISC 1.0 §2. */
export const risc = {
  family: 'risc',
  prefix: 'https://schemas.openid.net/secevent/risc/event-type/',
  subjectFrom: 'token',
  types: {
    'account-credential-change-required': {
      title: 'The account was told to change a credential',
      claims,
      example: {},
    },
    'account-purged': { title: 'The account was deleted for good', claims, example: {} },
    'account-disabled': {
      title: 'The account was disabled',
      claims: { ...claims, reason: optionalClaim(oneOfTexts('hijacking', 'bulk-account')) },
      example: { reason: 'hijacking' },
    },
    'account-enabled': { title: 'The account was enabled', claims, example: {} },
    'identifier-changed': {
      title: 'An email address or phone number changed',
      claims: { ...claims, 'new-value': decisiveClaim(anyText) },
      example: { 'new-value': 'ada.new@example.com' },
    },
    'identifier-recycled': {
      title: 'An email address or phone number now belongs to someone else',
      claims,
      example: {},
    },
    'credential-compromise': {
      title: 'A credential was found to be compromised',
      claims: {
        ...claims,
        credential_type: requiredClaim(anyText), // as in CAEP's credential-change
        reason_admin: optionalClaim(localised),
        reason_user: optionalClaim(localised),
      },
      example: { credential_type: 'password', reason_admin: { en: 'Found in a published list' } },
    },
    'opt-in': { title: 'The user takes part in RISC again', claims, example: {} },
    'opt-out-initiated': { title: 'The user asked not to take part in RISC', claims, example: {} },
    'opt-out-cancelled': { title: 'The user withdrew the wish not to take part', claims, example: {} },
    'opt-out-effective': { title: 'The user no longer takes part in RISC', claims, example: {} },
    'recovery-activated': { title: 'The user began to recover the account', claims, example: {} },
    'recovery-information-changed': {
      title: 'The means to recover the account changed',
      claims,
      example: {},
    },
    'sessions-revoked': {
      title: 'All sessions were revoked (deprecated)',
      claims,
      example: {},
      aliasOf: `${caep.prefix}session-revoked`,
    },
  },
} as const satisfies EventFamily
