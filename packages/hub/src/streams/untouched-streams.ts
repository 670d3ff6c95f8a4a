import { HubError } from '../base/hub-error.ts'
import type { Streams } from './streams.ts'

/** Streams of a standby: operations that would change something at a transmitter are refused. */
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
