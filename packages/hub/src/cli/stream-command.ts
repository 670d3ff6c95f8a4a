import type { Command } from 'commander'
import type { JsonObject } from '@watchbell/receiver/base'
import { dialectNames } from '@watchbell/receiver/set'
import type { ProviderBody } from '../wire/providers.ts'
import type { StreamBody } from '../wire/streams.ts'
import { printResult, wrongUsage, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import { hubOptions, openHub, type HubOptions } from './hub-client.ts'
import { gatherList, integerFrom, jsonObject, subjectIdentifier } from './option-readers.ts'
import { listProviders } from './provider-command.ts'
import { registerStreamConnect } from './stream-connect-command.ts'
import { registerStreamDoctor } from './stream-doctor-command.ts'
import {
  askStream,
  describedStream,
  findStreamProvider,
  listStreams,
  lookForVerification,
  noStreams,
  providerOrStream,
  requireVerified,
  setDialects,
  waitDefaultS,
} from './stream-requests.ts'
import { facts, table } from './table.ts'

export function registerStream(program: Command, io: CliIo): void {
  const stream = program
    .command('stream')
    .description('Connect the hub to transmitters with SSF streams, by push or poll.')
    .addHelpText(
      'after',
      examples(
        'watchbell stream connect https://idp.example/.well-known/ssf-configuration',
        'watchbell stream list',
        'watchbell stream doctor',
      ),
    )
    .helpGroup('Commands that talk to a running hub:')

  registerStreamConnect(stream, io)

  hubOptions(stream.command('list'))
    .description('List all streams and their known problems.')
    .addHelpText('after', examples('watchbell stream list'))
    .action(async (options: HubOptions) => {
      const hub = openHub(io, options)
      const streams = await listStreams(hub)
      const providers = options.json === true || streams.length === 0 ? [] : await listProviders(hub)
      printResult(io, options, streams, () => {
        if (streams.length === 0) return noStreams
        const rows = streams.map((stream) => [
          stream.id,
          nameOfProvider(providers, stream),
          stream.delivery,
          stream.status,
          stream.verified_at ?? 'not yet',
          stream.last_event_at ?? 'none',
          stream.last_error ?? '',
        ])
        const header = ['ID', 'PROVIDER', 'DELIVERY', 'STATUS', 'VERIFIED', 'LAST EVENT', 'PROBLEM']
        return table(io, header, rows, ['ID', 'STATUS'])
      })
    })

  hubOptions(stream.command('show'))
    .description('Show the stream of a provider.')
    .addHelpText('after', examples('watchbell stream show edr'))
    .argument('<provider>', providerOrStream)
    .action(async (wanted: string, options: HubOptions) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const params = { id: provider.id }
      const shown = await askStream(provider, hub.call('GET /v1/providers/:id/stream', { params }))
      printResult(io, options, shown, () => describedStream(io, provider, shown))
    })

  hubOptions(stream.command('verify'))
    .description('Request a verification event and wait for it.')
    .addHelpText('after', examples('watchbell stream verify edr', 'watchbell stream verify edr --wait 60'))
    .argument('<provider>', providerOrStream)
    .option('--wait <seconds>', 'how long to wait for the event', integerFrom(0, 600), waitDefaultS)
    .action(async (wanted: string, options: HubOptions & { readonly wait: number }) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const params = { id: provider.id }
      const asked = await askStream(provider, hub.call('POST /v1/providers/:id/stream/verify', { params }))
      const seen = await lookForVerification(hub, provider, asked, options.wait)
      requireVerified(provider, seen, options.wait)
      printResult(
        io,
        options,
        seen,
        () => `The stream of ${provider.name} is verified: the event came at ${seen.verified_at ?? ''}.`,
      )
    })

  for (const [verb, status, description] of statusVerbs) {
    hubOptions(stream.command(verb))
      .description(description)
      .addHelpText('after', examples(`watchbell stream ${verb} edr`))
      .argument('<provider>', providerOrStream)
      .option('--reason <text>', 'reason for the transmitter')
      .action(async (wanted: string, options: HubOptions & { readonly reason?: string }) => {
        const hub = openHub(io, options)
        const provider = await findStreamProvider(hub, wanted)
        const { reason } = options
        const body = { status, ...(reason !== undefined && { reason }) }
        const call = { params: { id: provider.id }, body }
        const answer = await askStream(provider, hub.call('PUT /v1/providers/:id/stream/status', call))
        printResult(io, options, answer, () => `The stream of ${provider.name} is ${answer.status}.`)
      })
  }

  for (const [verb, operation, description] of subjectVerbs) {
    hubOptions(stream.command(verb))
      .description(description)
      .addHelpText('after', examples(`watchbell stream ${verb} edr --subject email:ada@example.com`))
      .argument('<provider>', providerOrStream)
      .option('--subject <subject>', 'FORMAT:VALUE, such as email:ada@example.com', subjectIdentifier)
      .option('--subject-json <json>', 'any subject identifier', jsonObject)
      .action(
        async (
          wanted: string,
          options: HubOptions & { readonly subject?: JsonObject; readonly subjectJson?: JsonObject },
        ) => {
          const subject = options.subject ?? options.subjectJson
          if (subject === undefined) throw wrongUsage('Give --subject or --subject-json.')
          const hub = openHub(io, options)
          const provider = await findStreamProvider(hub, wanted)
          const call = { params: { id: provider.id }, body: { subject } }
          await askStream(provider, hub.call(operation, call))
          printResult(
            io,
            options,
            { subject },
            () =>
              `${provider.name} took it. That promises nothing: a transmitter need not tell (SSF 1.0 §9.1).`,
          )
        },
      )
  }

  hubOptions(stream.command('rotate-authorization'))
    .description(
      'Give the transmitter a new Authorization value for its pushes; the old one stays valid for a while.',
    )
    .addHelpText(
      'after',
      examples(
        'watchbell stream rotate-authorization edr',
        'watchbell stream rotate-authorization edr --overlap 600',
      ),
    )
    .argument('<provider>', providerOrStream)
    .option('--overlap <seconds>', 'how long the old value stays valid', integerFrom(0, 604_800), 3_600)
    .action(async (wanted: string, options: HubOptions & { readonly overlap: number }) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const call = { params: { id: provider.id }, body: { overlap_seconds: options.overlap } }
      const rotated = await askStream(
        provider,
        hub.call('POST /v1/providers/:id/stream/rotate-authorization', call),
      )
      printResult(
        io,
        options,
        rotated,
        () => `${provider.name} pushes with a new value; the old one is good for ${options.overlap} s more.`,
      )
    })

  hubOptions(stream.command('disconnect'))
    .description('Delete a stream, at the transmitter first. The provider stays.')
    .addHelpText(
      'after',
      examples('watchbell stream disconnect edr', 'watchbell stream disconnect edr --force'),
    )
    .argument('<provider>', providerOrStream)
    .option('--force', 'delete the stream here even when the transmitter does not')
    .action(async (wanted: string, options: HubOptions & { readonly force?: boolean }) => {
      const hub = openHub(io, options)
      const provider = await findStreamProvider(hub, wanted)
      const query = { force: options.force === true ? ('true' as const) : undefined }
      const call = { params: { id: provider.id }, query }
      await askStream(provider, hub.call('DELETE /v1/providers/:id/stream', call))
      printResult(
        io,
        options,
        { provider: provider.id, deleted: true },
        () => `The stream of ${provider.name} is deleted.`,
      )
    })

  hubOptions(stream.command('dialects'))
    .description('Show or set the dialects of a provider: how it differs from the standards.')
    .addHelpText(
      'after',
      examples('watchbell stream dialects edr', 'watchbell stream dialects edr --set google-risc'),
    )
    .argument('<provider>', providerOrStream)
    .option('--set <names>', `none, or some of ${dialectNames.join(', ')}`, gatherList)
    .option(
      '--audience <aud>',
      'the expected aud of SETs outside a stream; none is the origin of the hub',
      gatherList,
    )
    .action(
      async (
        wanted: string,
        options: HubOptions & { readonly set?: readonly string[]; readonly audience?: readonly string[] },
      ) => {
        const hub = openHub(io, options)
        const provider = await findStreamProvider(hub, wanted)
        const spoken = await setDialects(hub, provider, {
          dialects: options.set,
          audiences: options.audience,
        })
        printResult(io, options, spoken, () => {
          const listed = (names: readonly string[]): string => names.join(', ') || 'none'
          return facts(io, {
            provider: `${provider.name} (${provider.id})`,
            dialects: listed(spoken.dialects),
            audiences: listed(spoken.audiences),
          })
        })
      },
    )

  registerStreamDoctor(stream, io)
}

function nameOfProvider(providers: readonly ProviderBody[], { provider_id: id }: StreamBody): string {
  return providers.find((provider) => provider.id === id)?.name ?? id
}

const statusVerbs = [
  ['pause', 'paused', 'Ask the transmitter to pause: it keeps its events for later.'],
  ['resume', 'enabled', 'Ask the transmitter to deliver events (again).'],
  ['disable', 'disabled', 'Ask the transmitter to disable the stream: it drops its events.'],
] as const

const subjectVerbs = [
  [
    'add-subject',
    'POST /v1/providers/:id/stream/subjects',
    'Ask the transmitter to send events about a subject.',
  ],
  [
    'remove-subject',
    'POST /v1/providers/:id/stream/subjects/remove',
    'Ask the transmitter to stop sending events about a subject.',
  ],
] as const
