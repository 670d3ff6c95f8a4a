import { HubError } from '../base/hub-error.ts'
import type { Streams } from './streams.ts'

/** Streams as a standby has them: what would change something at a transmitter is refused. */
export function untouchedStreams(streams: Streams): Streams {
  const refuse = (): Promise<never> => Promise.reject(new HubError('hub.standby'))
  return {
    ...streams,
    connect: refuse,
    verify: refuse,
    setStatus: refuse,
    addSubject: refuse,
    removeSubject: refuse,
    rotateAuthorization: refuse,
    disconnect: refuse,
    check: refuse,
  }
}
