import { connect } from 'node:net'
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

/** What one load run saw. */
export interface LoadResult {
  readonly seconds: number
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Milliseconds from request to answer, sorted. */
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface LoadJob {
  /** Connections take them in turn. */
  readonly ports: readonly number[]
  readonly path: string
  readonly connections: number
  /** File of one body a line. */
  readonly bodies: string
  readonly headers: string
  readonly from: number
  readonly count: number
}

/** What is read at once; a longer answer comes in pieces. */
const answerBytesMax = 16_384

/**
 * Sends every body once over keep-alive connections, one request at a time on each, and as fast as the server answers.
 * Sockets are handled by hand, so that the generator costs a fraction of what any server does.
 */
export async function sendAll({
  ports,
  path,
  connections,
  bodies,
  headers,
  from,
  count,
}: LoadJob): Promise<LoadResult> {
  const requests = readFileSync(bodies, 'latin1')
    .split('\n')
    .slice(from, from + count)
    .map((body) =>
      Buffer.from(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`,
        'latin1',
      ),
    )
  const statuses: Record<string, number> = {}
  const latencies = new Float64Array(requests.length)
  let next = 0
  let done = 0
  const startedAt = performance.now()
  await Promise.all(
    Array.from(
      { length: connections },
      (_, number) =>
        new Promise<void>((resolve, reject) => {
          let sentAt = 0
          let head = ''
          const received = (length: number, bytes: Uint8Array): boolean => {
            head += Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
            const end = head.indexOf('\r\n\r\n')
            if (end < 0) return true
            const bodyLength = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0)
            if (head.length < end + 4 + bodyLength) return true
            const status = head.slice(9, 12)
            head = ''
            statuses[status] = (statuses[status] ?? 0) + 1
            latencies[done] = performance.now() - sentAt
            done += 1
            send()
            return true
          }
          const socket = connect({
            port: ports[number % ports.length] ?? 0,
            host: '127.0.0.1',
            noDelay: true,
            onread: { buffer: Buffer.alloc(answerBytesMax), callback: received }, // one buffer for all answers
          })
          const send = (): void => {
            const request = requests[next]
            if (request === undefined) {
              socket.destroy()
              return resolve()
            }
            next += 1
            sentAt = performance.now()
            socket.write(request)
          }
          socket.on('connect', send)
          socket.on('error', reject)
        }),
    ),
  )
  const seconds = (performance.now() - startedAt) / 1_000
  const sorted = latencies.slice(0, done).toSorted()
  const percentile = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return { seconds, statuses, p50Ms: percentile(0.5), p99Ms: percentile(0.99) }
}

if (parentPort !== null) parentPort.postMessage(await sendAll(workerData as LoadJob)) // given by main.ts
