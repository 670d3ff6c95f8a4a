import { createServer } from 'node:http'

// The floor of what takes JSON: HTTP, parsing the body, and one fixed answer.
const [portText = '', statusText = '', answer = ''] = process.argv.slice(2)
const status = Number(statusText)
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) }

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
    response.writeHead(body === null ? 400 : status, headers)
    response.end(answer)
  })
})
server.listen(Number(portText), '127.0.0.1', () => console.log('ready'))
