import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { Logger } from '../base/logger.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { SecurityEvent } from '../events/security-event.ts'
import { termsOf } from '../signals/signal-terms.ts'
import type { Storage } from '../stores.ts'
import { createEraser, type Eraser, type ErasureNames } from '../subjects/erasure.ts'
import { erasurePlaces, type ErasableRow, type ErasedRow, type Erasure } from '../subjects/erasure-store.ts'
import { subjectEntry } from '../systemlog/risk-entries.ts'

export interface EraseDeps {
  readonly storage: Pick<Storage, 'transaction' | 'stores'>
  readonly world: Pick<World, 'now' | 'newId' | 'newUuid'>
  readonly logger: Logger
}

export interface Erasures extends AsyncDisposable {
  /**
   * Erases a subject: at once what is known of it, then, a step at a time, its names in everything that was stored.
   * @returns whether all is done; else the rest follows, also after a restart
   * @throws HubError `subject.not_found`
   */
  erase(id: string, by: Actor): Promise<'done' | 'under_way'>
  readonly worker: Worker
}

/** Rows in one transaction: few enough that nobody waits long. */
const rowsMax = 200
/** Steps that the asker waits for. */
const stepsAwaitedMax = 500

export function createErasures(deps: EraseDeps): Erasures {
  const { storage, world, logger } = deps
  let last: Promise<unknown> = Promise.resolve()
  /** One step at a time, whoever asks for it. */
  const step = (): Promise<number> => {
    const turn = last.then(() => eraseStep(deps))
    last = turn.catch(() => undefined)
    return turn
  }
  const worker = createWorker({
    name: 'erasure',
    runOnce: step,
    idleMs: 60_000,
    afterErrorMs: 10_000,
    logger,
  })

  return {
    worker,
    async erase(id, by) {
      await storage.transaction(async ({ subjects, erasures, systemLog }) => {
        const subject = await subjects.find(id)
        if (subject === undefined) throw new HubError('subject.not_found', { facts: { id, type: 'Subject' } })
        const erasureId = world.newId('era')
        const names: ErasureNames = {
          pseudonym: `erased-${erasureId}`,
          anchors: subject.anchors.map(({ anchor }) => anchor),
          ids: subject.anchors.map(({ id }) => id),
          displayName: subject.loaded?.displayName,
        }
        await erasures.begin(subject.entity, { id: erasureId, names, place: erasurePlaces[0], after: 0 })
        await systemLog.append([subjectEntry(world, { kind: 'erase', subject, erasureId, by })])
      })
      for (let steps = 0; steps < stepsAwaitedMax; steps += 1) if ((await step()) === 0) return 'done'
      worker.wake()
      return 'under_way'
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  }
}

/** @returns 0 when there is nothing to erase */
async function eraseStep({ storage }: EraseDeps): Promise<number> {
  return storage.transaction(async ({ erasures }) => {
    const erasure = await erasures.next()
    if (erasure === undefined) return 0
    const { names, place, after } = erasure
    const rows = await erasures.page(place, after, rowsMax)
    const eraser = createEraser(names)
    const erased = rows.flatMap((row) => erasedRow(eraser, row))
    await erasures.rewrite(place, erased)
    const next = nextPlace(erasure, rows)
    if (next === undefined) await erasures.finish(erasure.id)
    else await erasures.advance(next)
    return 1
  })
}

function erasedRow(eraser: Eraser, { sequence, json, plain, issuer }: ErasableRow): readonly ErasedRow[] {
  const texts: Record<string, string> = {}
  for (const [column, text] of Object.entries(json)) {
    const erased = eraser.maySee(text) ? eraser.json(text, issuer) : undefined
    if (erased !== undefined) texts[column] = erased
  }
  for (const [column, text] of Object.entries(plain)) {
    const erased = eraser.plain(text)
    if (erased !== undefined) texts[column] = erased
  }
  return Object.keys(texts).length === 0 ? [] : [{ sequence, texts, terms: goneTerms(json, texts) }]
}

/** What a signal was found by, as its SET said it, and is not any more. */
function goneTerms(
  { events: before }: Readonly<Record<string, string>>,
  { events: after }: Readonly<Record<string, string>>,
): readonly string[] {
  if (before === undefined || after === undefined) return []
  const kept = new Set(termsIn(after))
  return termsIn(before).filter((term) => !kept.has(term))
}

function termsIn(events: string): readonly string[] {
  const provider = { id: '', issuer: '' } // its terms stay
  return termsOf({ provider, events: JSON.parse(events) as readonly SecurityEvent[] }) // the column's own type
}

function nextPlace(erasure: Erasure, rows: readonly ErasableRow[]): Erasure | undefined {
  const last = rows.at(-1)
  if (last !== undefined && rows.length === rowsMax) return { ...erasure, after: last.sequence }
  const place = erasurePlaces[erasurePlaces.indexOf(erasure.place) + 1]
  return place && { ...erasure, place, after: 0 }
}
