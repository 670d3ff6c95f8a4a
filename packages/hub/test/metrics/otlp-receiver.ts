import { startLocalServer } from '../local-server.ts'

/** A span as OTLP has it in JSON (opentelemetry-proto, trace/v1), as far as a test reads it. */
export interface ReceivedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  /** 2 is an error. */
  readonly status: { readonly code?: number; readonly message?: string }
}

export interface OtlpReceiver extends AsyncDisposable {
  readonly origin: string
  /** Everything that came so far. */
  readonly spans: readonly ReceivedSpan[]
  readonly resources: readonly Readonly<Record<string, unknown>>[]
  readonly requests: readonly { readonly path: string; readonly headers: NodeJS.Dict<string | string[]> }[]
  /** The bodies as they came. */
  readonly text: () => string
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, 'attributes'> & {
        readonly attributes: readonly Attribute[]
      })[]
    }[]
  }[]
}

/** A receiver of OTLP over HTTP, as a real socket. */
export async function startOtlpReceiver(status = 200): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const resources: Readonly<Record<string, unknown>>[] = []
  const requests: { path: string; headers: NodeJS.Dict<string | string[]> }[] = []
  let texts = ''
  const server = await startLocalServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      texts += text
      requests.push({ path: request.url ?? '', headers: request.headers })
      const { resourceSpans } = JSON.parse(text) as ExportRequest // what an exporter of this encoding sends
      for (const { resource, scopeSpans } of resourceSpans) {
        resources.push(plain(resource.attributes))
        for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
          spans.push({ ...span, attributes: plain(span.attributes) })
        }
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
    })
  })
  return {
    origin: server.origin,
    spans,
    resources,
    requests,
    text: () => texts,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function plain(attributes: readonly Attribute[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
