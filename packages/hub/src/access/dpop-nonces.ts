import { isHubError } from '../base/hub-error.ts'
import type { SecretBox } from '../base/secret-box.ts'
import type { World } from '../base/world.ts'

/** Nonces without storage: every node with the same secret key recognizes them (RFC 9449 §8). */
export interface DpopNonces {
  make(): Promise<string>
  /** Whether the hub made the nonce and it has not expired. */
  isGood(nonce: string): Promise<boolean>
}

const nonceAgeMaxMs = 5 * 60_000
const nonceCharsMax = 500
/** Distinguishes nonces from everything else that is sealed in the box. */
const mark = 'dpop-nonce until '

export function createDpopNonces(world: Pick<World, 'now'>, box: SecretBox): DpopNonces {
  return {
    make: () => box.seal(`${mark}${world.now().getTime() + nonceAgeMaxMs}`),
    async isGood(nonce) {
      if (nonce.length > nonceCharsMax) return false
      try {
        const text = await box.open(nonce)
        return text.startsWith(mark) && world.now().getTime() < Number(text.slice(mark.length))
      } catch (error) {
        if (isHubError(error)) return false
        throw error
      }
    },
  }
}
