import type { Command } from 'commander'
import { printable } from '@watchbell/receiver/base'
import type { ProviderBody } from '../wire/providers.ts'
import type { StreamHealthBody } from '../wire/streams.ts'
import { CliError, printLine, printResult, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubClient, type HubOptions } from './hub-client.ts'
import { listProviders } from './provider-command.ts'
import {
  askStream,
  findStreamProvider,
  listStreams,
  NoStreamError,
  noStreams,
  providerOrStream,
} from './stream-requests.ts'
import { lineWidth, oneLine, painter, type Style } from './table.ts'

export function registerStreamDoctor(stream: Command, io: CliIo): void {
  hubOptions(stream.command('doctor'))
    .description(
      'Check everything that a stream needs, and report problems with their fix. Without a provider, check all streams.',
    )
    .addHelpText('after', examples('watchbell stream doctor', 'watchbell stream doctor edr'))
    .argument('[provider]', providerOrStream)
    .action(async (wanted: string | undefined, options: HubOptions) => {
      const hub = openHub(io, options)
      if (wanted === undefined) return examineAll(io, hub, options)
      const provider = await findStreamProvider(hub, wanted)
      const health = await examine(hub, provider)
      printResult(io, options, health, () => diagnosis(io, health))
      if (!health.healthy) throw new CliError(`The stream of ${provider.name} does not work as it should.`)
    })
}

/** `stream doctor` without a provider. @throws CliError when a stream is not healthy */
async function examineAll(io: CliIo, hub: HubClient, { json }: HubOptions): Promise<void> {
  const streams = await listStreams(hub)
  const providers = await listProviders(hub)
  const examined: (StreamHealthBody & { readonly provider_id: string })[] = []
  const ill: string[] = []
  for (const stream of streams) {
    const provider = providers.find(({ id }) => id === stream.provider_id)
    const health = provider && (await examine(hub, provider).catch(goneMeanwhile))
    if (provider === undefined || health === undefined) continue
    examined.push({ provider_id: provider.id, ...health })
    if (!health.healthy) ill.push(provider.name)
    if (json === true) continue
    const heading = painter(io)('bold', oneLine(`${provider.name} (${provider.id})`, lineWidth(io)))
    printLine(io.stdout, `${examined.length === 1 ? '' : '\n'}${heading}\n${diagnosis(io, health)}`)
  }
  if (json === true || examined.length === 0) printResult(io, { json }, examined, () => noStreams)
  if (ill.length === 0) return
  const names = ill.map((name) => printable(name, 100)).join(', ')
  throw new CliError(
    `${ill.length} of ${examined.length} streams ${ill.length === 1 ? 'does' : 'do'} not work as they should: ${names}.`,
  )
}

async function examine(hub: HubClient, provider: ProviderBody): Promise<StreamHealthBody> {
  const params = { id: provider.id }
  return askStream(provider, hub.call('GET /v1/providers/:id/stream/health', { params }))
}

/** Whether the stream or its provider was deleted since it was listed. */
function goneMeanwhile(error: unknown): undefined {
  if (error instanceof NoStreamError) return undefined
  throw error
}

const resultStyles: Readonly<Record<string, Style>> = { ok: 'green', warning: 'yellow', failed: 'red' }

function diagnosis(io: CliIo, { checks }: StreamHealthBody): string {
  const paint = painter(io)
  return checks
    .map(({ name, result, detail }) => {
      const style = resultStyles[result] ?? 'dim'
      return `${paint(style, result.padEnd(7))}  ${name.padEnd(12)}  ${detail}`
    })
    .join('\n')
}
