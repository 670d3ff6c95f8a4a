import type { IncomingMessage } from 'node:http'
import { HubError } from '../base/hub-error.ts'
import { overloaded, type BodyRoom, type HeldBody } from './body-room.ts'

/** Bytes allocated before the first byte arrives, when there is no Content-Length. */
const firstBytes = 4_096

/**
 * Reads the unread body of a request and passes it to `use`; its memory is released when `use` has ended. Chunks are
 * copied into one buffer as they arrive, so that a body in chunks of one byte needs no more memory than another.
 *
 * @param bytesMax - in bytes; a longer body is refused, before reading if there is a Content-Length
 * @throws HubError `request.too_large`, `hub.overloaded`, and what `use` throws
 */
export async function withRequestBody<T>(
  request: IncomingMessage,
  { bytesMax, room }: { readonly bytesMax: number; readonly room: BodyRoom },
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
  const declared = Number(request.headers['content-length'] ?? Number.NaN)
  if (declared > bytesMax) throw new HubError('request.too_large')
  if (declared === 0 || (Number.isNaN(declared) && request.headers['transfer-encoding'] === undefined)) {
    return use(Buffer.alloc(0))
  }
  const { body, held } = await collect(request, { bytesMax, declared, room })
  try {
    return await use(body)
  } finally {
    held.release()
  }
}

interface Collected {
  readonly body: Buffer
  readonly held: HeldBody
}

interface Collecting {
  readonly bytesMax: number
  /** The Content-Length; NaN when there is none. */
  readonly declared: number
  readonly room: BodyRoom
}

function collect(request: IncomingMessage, { bytesMax, declared, room }: Collecting): Promise<Collected> {
  return new Promise((resolve, reject) => {
    let buffer = Buffer.alloc(0)
    let length = 0
    const deaf = (): void =>
      void request.off('data', take).off('end', end).off('error', fail).off('close', leave)
    const fail = (error: unknown): void => {
      deaf()
      held.release()
      buffer = Buffer.alloc(0)
      request.resume() // Discard the rest, so that the sender can read the answer.
      reject(error)
    }
    const held = room.enter(() => fail(overloaded()))

    const makeRoom = (wanted: number): void => {
      const doubled = Math.max(firstBytes, 2 * buffer.length)
      const size = Math.max(wanted, Math.min(doubled, Number.isNaN(declared) ? bytesMax : declared))
      held.hold(size)
      const larger = Buffer.allocUnsafeSlow(size)
      buffer.copy(larger, 0, 0, length)
      buffer = larger
    }
    const take = (piece: Buffer): void => {
      const wanted = length + piece.length
      if (wanted > bytesMax) return fail(new HubError('request.too_large'))
      try {
        if (wanted > buffer.length) makeRoom(wanted)
      } catch (error) {
        return fail(error)
      }
      piece.copy(buffer, length)
      length = wanted
    }
    const end = (): void => {
      deaf()
      held.complete()
      resolve({ body: buffer.subarray(0, length), held })
    }
    const leave = (): void => fail(new HubError('request.invalid', { detail: 'The body broke off.' }))
    request.on('data', take).on('end', end).on('error', fail).on('close', leave)
  })
}
