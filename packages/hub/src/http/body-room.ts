import { HubError } from '../base/hub-error.ts'

/** A body that is being read or handled. */
export interface HeldBody {
  /**
   * Takes room for so many bytes in all.
   * @throws HubError `hub.overloaded` when there is none
   */
  hold(bytes: number): void
  /** The whole body is here: from now on it gives way to no other. */
  complete(): void
  /** Gives its room back. */
  release(): void
}

/** Memory for the bodies of requests, with one bound for all of them. */
export interface BodyRoom {
  /** @param giveWay - called when the room is needed: the body is to be let go */
  enter(giveWay: () => void): HeldBody
  /** Bytes held now. */
  held(): number
}

/** Bytes that the bodies of requests without proven credentials may take at a time, of all connections together. */
export const anonymousBodyBytesMax = 33_554_432
/** As above, for requests whose credentials were checked before their body was read. */
export const provenBodyBytesMax = 134_217_728
/** What a body takes at least: the request around it needs memory too. */
const bodyBytesMin = 4_096

/**
 * When the bound is reached, the body that began to arrive first gives way, of those that are not whole: a sender that
 * takes its time loses its place to one that does not. When all are whole, the new one is refused.
 */
export function createBodyRoom(bytesMax: number): BodyRoom {
  let held = 0
  /** Those not whole yet, the oldest first. */
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

/** Too many bodies at a time. */
export function overloaded(): HubError {
  return new HubError('hub.overloaded', {
    detail: 'The hub is reading as many request bodies as it has memory for; try again shortly.',
    retryAfterS: 1,
  })
}
