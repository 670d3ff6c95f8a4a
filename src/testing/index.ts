/** For tests of the hub, of programs that embed it, and of other receivers: a transmitter that really sends. */
export { breakageNames, breakages, isBreakageName, type Breakage, type BreakageName } from './breakages.ts'
export { oktaPushPath, type PushAnswer } from './push-client.ts'
export { findEventType, type SetDraft } from './set-draft.ts'
export { startTransmitter, type Transmitter, type TransmitterOptions } from './transmitter.ts'
export { privateJwk, readSigningKey } from './transmitter-keys.ts'
export { generateSigningKey, publicJwk, type SigningKey } from '../set/sign.ts'
export { setAlgorithms, type SetAlgorithm } from '../set/verification-key.ts'
