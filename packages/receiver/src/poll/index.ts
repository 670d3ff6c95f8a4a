/** Polling a transmitter (RFC 8936). */
export * from './poll-answer.ts'
export * from './poll-client.ts'
