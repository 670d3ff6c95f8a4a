/** For tests of the hub, of programs that embed it, and of other receivers: a transmitter that really sends. */
export { breakageNames, breakages, isBreakageName, type Breakage, type BreakageName } from './breakages.ts'
export {
  startEmulatedTransmitter,
  type EmulatedDraft,
  type EmulatedEndpoint,
  type EmulatedTransmitter,
  type EmulatedTransmitterOptions,
} from './emulated-transmitter.ts'
export { type EmulatedClient } from './emulated-oauth.ts'
export { type EmulatedAnswer, type EmulatedRequest, type Fault } from './emulated-server.ts'
export { pollMethod, pushMethod, type EmulatedStatus, type EmulatedStream } from './emulated-streams.ts'
export {
  isMisbehaviourName,
  misbehaviourNames,
  misbehaviours,
  type MisbehaviourName,
} from './misbehaviours.ts'
export { oktaPushPath, type PushAnswer } from './push-client.ts'
export { personalityNames, type PersonalityName } from './personalities.ts'
export { findEventType, type SetDraft } from './set-draft.ts'
export { startTestHub, testAdminToken, type TestHub, type TestHubOptions } from './start-test-hub.ts'
export { startTransmitter, type Transmitter, type TransmitterOptions } from './transmitter.ts'
export { privateJwk, readSigningKey } from './transmitter-keys.ts'
export { generateSigningKey, publicJwk, type SigningKey } from '@watchbell/receiver/set'
export { setAlgorithms, type SetAlgorithm } from '@watchbell/receiver/set'
