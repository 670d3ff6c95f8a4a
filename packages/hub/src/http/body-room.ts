import { HubError } from '../base/hub-error.ts'

/** A body that is being read or handled. */
export interface HeldBody {
  /**
   * Reserves memory up to this total, in bytes.
   * @throws HubError `hub.overloaded` when all memory is reserved
   */
  hold(bytes: number): void
  /** Call when the whole body has arrived: it is not dropped for another any more. */
  complete(): void
  /** Releases the memory. */
  release(): void
}

/** Bounds the memory of all request bodies together. */
export interface BodyRoom {
  /** @param giveWay - called when the memory is needed: the caller must drop the body */
  enter(giveWay: () => void): HeldBody
  /** Bytes reserved now. */
  held(): number
}

/** Bytes for the bodies of all concurrent requests whose credentials were not checked yet. */
export const anonymousBodyBytesMax = 33_554_432
/** Bytes for the bodies of all concurrent requests whose credentials were checked before the body was read. */
export const provenBodyBytesMax = 134_217_728
/** Bytes counted for the smallest body: its request needs memory too. */
const bodyBytesMin = 4_096

/**
 * At the limit, the oldest incomplete body is dropped, so slow senders cannot block others. When all bodies are complete,
 * the new one is refused.
 */
export function createBodyRoom(bytesMax: number): BodyRoom {
  let held = 0
  /** Incomplete bodies, the oldest first. */
  const arriving = new Map<HeldBody, () => void>()

  return {
    enter(giveWay) {
      let own = 0
      const body: HeldBody = {
        hold(bytes) {
          const more = Math.max(bodyBytesMin, bytes) - own
          for (const [other, letGo] of arriving) {
            if (held + more <= bytesMax) break
            if (other === body) continue
            other.release()
            letGo()
          }
          if (held + more > bytesMax) throw overloaded()
          own += more
          held += more
        },
        complete: () => void arriving.delete(body),
        release() {
          arriving.delete(body)
          held -= own
          own = 0
        },
      }
      arriving.set(body, giveWay)
      return body
    },
    held: () => held,
  }
}

/** The refusal of a body over the limit. */
export function overloaded(): HubError {
  return new HubError('hub.overloaded', {
    detail: 'The hub is reading as many request bodies as it has memory for; try again shortly.',
    retryAfterS: 1,
  })
}
