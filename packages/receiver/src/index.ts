/** The receiver of Security Event Tokens as a library: no storage, no HTTP server, one dependency. */
export * from './set/index.ts'
export * from './events/index.ts'
export * from './jwks/index.ts'
export { CodedError, type CodedErrorOptions, type FieldProblem } from './base/coded-error.ts'
export {
  isReceiverError,
  ReceiverError,
  receiverErrors,
  type ReceiverErrorCode,
} from './base/receiver-error.ts'
export type { ReceiverWorld } from './base/receiver-world.ts'
export { silentLogger, type Logger } from './base/logger.ts'
export {
  createReceiver,
  type ReceivedFrom,
  type ReceivedSet,
  type Receiver,
  type ReceiverOptions,
} from './receiver.ts'
export { createPushEndpoint, type PushEndpointOptions } from './http/push-endpoint.ts'
export { createPollClient, type PollClient, type PollClientOptions } from './poll/poll-client.ts'
