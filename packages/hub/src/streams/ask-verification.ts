import { isHubError } from '../base/hub-error.ts'
import { sha256 } from '../base/sha256.ts'
import type { World } from '../base/world.ts'
import { shownError } from './stream-commits.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { StreamStore } from './stream-store.ts'
import type { ConnectedStream, Stream } from './stream.ts'
import type { TransmitterClient } from './transmitter-client.ts'

export interface VerificationDeps {
  readonly world: Pick<World, 'now' | 'newSecret'>
  readonly store: Pick<StreamStore, 'addState'>
  readonly registry: Pick<StreamRegistry, 'find' | 'note'>
}

/** How long a state that we sent stays valid. */
const stateKeptMs = 7 * 86_400_000
/** The shortest pause after a failed request for verification. */
const verifyRetryMs = 30_000

/** Asks for a verification event. Stores a failure and when to ask again. */
export async function askVerification(
  { world, store, registry }: VerificationDeps,
  stream: ConnectedStream,
  client: TransmitterClient,
): Promise<Stream> {
  const state = world.newSecret(24)
  const at = world.now()
  await store.addState({
    streamId: stream.id,
    hash: sha256(state),
    at,
    keepSince: new Date(at.getTime() - stateKeptMs),
  })
  const asked = { verificationAskedAt: at, verificationError: undefined, verifyNotBefore: undefined }
  try {
    await client.verify(stream.remote.streamId, state)
  } catch (error) {
    const { verifiedAt } = registry.find(stream.id) ?? stream
    // The event may come before the answer, and then proves more than the answer.
    if (verifiedAt === undefined || verifiedAt < at) {
      const pauseMs = Math.max(verifyRetryMs, ((isHubError(error) && error.retryAfterS) || 0) * 1_000)
      await registry.note(stream.id, {
        verificationError: shownError(error),
        verifyNotBefore: new Date(at.getTime() + pauseMs),
      })
      throw error
    }
  }
  return (await registry.note(stream.id, asked)) ?? stream
}

/** Whether the last request for verification is too recent for the keeper to send another. */
export function wasJustAsked({ remote, verificationAskedAt }: ConnectedStream, now: Date): boolean {
  const pauseMs = Math.max(verifyRetryMs, (remote.minVerificationIntervalS ?? 0) * 1_000)
  return verificationAskedAt !== undefined && now.getTime() - verificationAskedAt.getTime() < pauseMs
}

/** Whether the transmitter's interval permits another verification request (SSF 1.0 §8.1.1). */
export function mayAsk({ remote, verificationAskedAt }: ConnectedStream, now: Date): boolean {
  const { minVerificationIntervalS = 0 } = remote
  return (
    verificationAskedAt === undefined ||
    now.getTime() - verificationAskedAt.getTime() >= minVerificationIntervalS * 1_000
  )
}
