import { connect } from 'node:net'

export interface RawAnswer {
  readonly status: number
  /** Every header line, names in lower case, in the order in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** Sends bytes as they are over a connection of its own and reads the one answer to its end. */
export async function rawRequest(origin: string, bytes: string | Uint8Array): Promise<RawAnswer> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((resolve) => {
    socket.on('error', () => socket.destroy()) // closed on us: what came before it is the answer
    socket.on('close', () => resolve())
    socket.write(bytes)
  })
  const [head = '', ...rest] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  return {
    status: Number(first.split(' ')[1]),
    headers: lines.map((line) => {
      const at = line.indexOf(':')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
    }),
    body: rest.join('\r\n\r\n'),
  }
}
