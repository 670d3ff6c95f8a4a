import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { erasureStates } from '../subjects/erasure-store.ts'
import type { ErasureBody, ErasurePageBody } from '../wire/erasures.ts'
import { CliError, printResult, type CliIo } from './cli-io.ts'
import { examples } from './help-examples.ts'
import {
  HubAnswerError,
  hubOptions,
  isPassingHubError,
  openHub,
  type HubClient,
  type HubOptions,
} from './hub-client.ts'
import { integerFrom } from './option-readers.ts'
import { countOf, progressOn } from './progress.ts'
import { facts, table } from './table.ts'

interface ListOptions extends HubOptions {
  readonly state?: string
  readonly limit: number
}

const listedDefault = 50
const pageMax = 200
/** With a million signals an erasure takes longer: the command then says how to follow it. */
const waitMaxMs = 60_000
const askEveryMs = { first: 100, last: 2_000 }

export function registerErasure(program: Command, io: CliIo): void {
  const erasure = program
    .command('erasure')
    .description('List and show erasures of subjects: waiting, running and done.')
    .addHelpText('after', examples('watchbell erasure list'))
    .helpGroup('Commands that talk to a running hub:')

  hubOptions(erasure.command('list'))
    .description('List erasures, newest first. Finished ones are kept as long as the System Log.')
    .addHelpText('after', examples('watchbell erasure list', 'watchbell erasure list --json'))
    .addOption(new Option('--state <state>', 'only with this state').choices(erasureStates))
    .option('--limit <count>', 'how many at most', integerFrom(1, 100_000), listedDefault)
    .action(async (options: ListOptions) => {
      const erasures = await listErasures(openHub(io, options), options)
      printResult(io, options, erasures, () => {
        if (erasures.length === 0) return 'There are none.'
        const rows = erasures.map(
          ({ id, state, subject, requested_at: at, finished_at: finished, progress }) => [
            id,
            state,
            subject.id,
            at,
            finished ?? (progress === null ? '' : placeText(progress)),
          ],
        )
        return table(io, ['ID', 'STATE', 'SUBJECT', 'ASKED FOR', 'DONE'], rows)
      })
    })

  hubOptions(erasure.command('show'))
    .description('Show the progress of an erasure, who requested it, and what was erased.')
    .addHelpText('after', examples('watchbell erasure show ID'))
    .argument('<id>', 'id of the erasure, as `watchbell subject erase` prints it')
    .action(async (id: string, options: HubOptions) => {
      const found = await getErasure(openHub(io, options), id)
      printResult(io, options, found, () => described(io, found))
    })
}

/** @throws CliError when the hub has no erasure with this id */
async function getErasure(hub: HubClient, id: string): Promise<ErasureBody> {
  try {
    return await hub.call('GET /v1/erasures/:id', { params: { id } })
  } catch (error) {
    if (!(error instanceof HubAnswerError) || error.status !== 404) throw error
    throw new CliError(
      `There is no erasure '${id}', or it was deleted: \`watchbell erasure list\` shows all.`,
    )
  }
}

/** Waits at most a minute until an erasure is done, and prints its progress. @returns its last state */
export async function awaitErasure(io: CliIo, hub: HubClient, begun: ErasureBody): Promise<ErasureBody> {
  const tell = progressOn(io)
  const until = io.world.monotonicMs() + waitMaxMs
  let pauseMs = askEveryMs.first
  let last = begun
  while (last.state !== 'done' && io.world.monotonicMs() < until) {
    await sleep(pauseMs)
    pauseMs = Math.min(2 * pauseMs, askEveryMs.last)
    try {
      last = await getErasure(hub, begun.id)
    } catch (error) {
      if (!isPassingHubError(error)) throw error // The hub continues the erasure even when it cannot be reached.
    }
    const { state, progress } = last
    tell(() => `The erasure ${last.id} is ${state}${progress === null ? '' : `: ${placeText(progress)}`}.`)
  }
  return last
}

async function listErasures(hub: HubClient, { state, limit }: ListOptions): Promise<readonly ErasureBody[]> {
  const query = new URLSearchParams({ limit: String(Math.min(limit, pageMax)) })
  if (state !== undefined) query.set('state', state)
  const erasures: ErasureBody[] = []
  let parameters: URLSearchParams | undefined = query
  while (parameters !== undefined && erasures.length < limit) {
    const page: ErasurePageBody = await hub.call('GET /v1/erasures', { query: parameters })
    erasures.push(...page.erasures)
    // Only its query: this machine may not reach the hub at its public origin.
    parameters = page.next === null ? undefined : new URL(page.next).searchParams
  }
  return erasures.slice(0, limit)
}

function placeText({ place, places_done: done, places, rows }: NonNullable<ErasureBody['progress']>): string {
  return `${countOf(rows, 'row')} looked at, in ${place} now (${done} of ${places} places done)`
}

function described(io: CliIo, erasure: ErasureBody): string {
  const { id, state, subject, requested_by: by, progress } = erasure
  const counts = (name: string, of: Readonly<Record<string, number>>): string =>
    table(
      io,
      [name, 'ROWS'],
      Object.entries(of).map(([what, rows]) => [what, String(rows)]),
    )
  return [
    facts(io, {
      id,
      state,
      subject: `${subject.id} (${subject.kind})`,
      'asked for': erasure.requested_at,
      by: `${by.display_name} (${by.id})`,
      started: erasure.started_at ?? undefined,
      done: erasure.finished_at ?? undefined,
      progress: progress === null ? undefined : placeText(progress),
    }),
    counts('DELETED', erasure.deleted),
    counts('REWRITTEN', erasure.rewritten),
  ].join('\n\n')
}
