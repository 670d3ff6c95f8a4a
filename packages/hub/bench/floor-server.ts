import { createServer } from 'node:http'
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { signatureHolds, type SetAlgorithm } from '@watchbell/receiver/set'

// The floor: HTTP and the signature check of the hub, nothing else. `none` leaves out the check as well.
const [portText = '', alg = '', jwkText = ''] = process.argv.slice(2)
const key =
  alg === 'none' ? undefined : createPublicKey({ key: JSON.parse(jwkText) as JsonWebKey, format: 'jwk' })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)
    const answer = (good: boolean): void => {
      response.writeHead(good ? 202 : 400, { 'content-length': 0 })
      response.end()
    }
    if (key === undefined) return answer(true)
    const dot = body.lastIndexOf(0x2e)
    const parts = {
      alg: alg as SetAlgorithm, // given by main.ts
      signedBytes: body.subarray(0, dot),
      signature: Buffer.from(body.toString('latin1', dot + 1), 'base64url'),
    }
    void Promise.resolve(signatureHolds(parts, key)).then(answer)
  })
})
server.listen(Number(portText), '127.0.0.1', () => console.log('ready'))
