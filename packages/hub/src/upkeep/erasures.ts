import { setTimeout } from 'node:timers/promises'
import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { Logger } from '@watchbell/receiver/base'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { termsOf } from '../signals/signal-terms.ts'
import type { Storage } from '../stores.ts'
import { userKey } from '../policy/sign-in-mark.ts'
import { valueOf } from '../subjects/identifier.ts'
import { createEraser, type Eraser, type ErasureNames } from '../subjects/erasure.ts'
import {
  erasurePlaces,
  type ErasableRow,
  type ErasedRow,
  type Erasure,
  type ErasurePlace,
} from '../subjects/erasure-store.ts'
import { subjectEntry } from '../journal/risk-entries.ts'

export interface EraseDeps {
  readonly storage: Pick<Storage, 'transaction' | 'stores' | 'dropOverwritten'>
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
/** Whoever reads the database mostly does so for less; an export or a backup takes longer. */
const heldUpAwaitedMax = 10
const heldUpPauseMs = 200

/** `held_up`: the files cannot yet be rid of what was overwritten, as somebody reads it. */
type Step = 'done' | 'nothing_left' | 'held_up'

export function createErasures(deps: EraseDeps): Erasures {
  const { storage, world, logger } = deps
  let last: Promise<unknown> = Promise.resolve()
  /** One step at a time, whoever asks for it. */
  const step = (): Promise<Step> => {
    const turn = last.then(() => eraseStep(deps))
    last = turn.catch(() => undefined)
    return turn
  }
  const worker = createWorker({
    name: 'erasure',
    runOnce: async () => ((await step()) === 'done' ? 1 : 0),
    idleMs: 60_000,
    afterErrorMs: 10_000,
    logger,
  })

  return {
    worker,
    async erase(id, by) {
      await storage.transaction(async ({ subjects, erasures, signInMarks, systemLog }) => {
        const subject = await subjects.find(id)
        if (subject === undefined) throw new HubError('subject.not_found', { facts: { id, type: 'Subject' } })
        const erasureId = world.newId('era')
        const names: ErasureNames = {
          pseudonym: `erased-${erasureId}`,
          identifiers: subject.identifiers.map(({ identifier }) => identifier),
          ids: subject.identifiers.map(({ id }) => id),
          displayName: subject.loaded?.displayName,
        }
        await erasures.begin(subject.entity, { id: erasureId, names, place: erasurePlaces[0], after: 0 })
        const asked = subject.identifiers.flatMap(({ identifier, id }) => [id, valueOf(identifier)]) // by a proxy
        await signInMarks.forgetUsers([...new Set(asked.map(userKey))])
        await systemLog.append([subjectEntry(world, { kind: 'erase', subject, erasureId, by })])
      })
      let heldUp = 0
      for (let steps = 0; steps < stepsAwaitedMax && heldUp < heldUpAwaitedMax; steps += 1) {
        const taken = await step()
        if (taken === 'nothing_left') return 'done'
        if (taken === 'done') continue
        heldUp += 1
        await setTimeout(heldUpPauseMs)
      }
      worker.wake()
      return 'under_way'
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  }
}

async function eraseStep({ storage }: EraseDeps): Promise<Step> {
  const left = await storage.transaction(async ({ erasures }): Promise<Step | Erasure> => {
    const erasure = await erasures.next()
    if (erasure === undefined) return 'nothing_left'
    const { names, place, after } = erasure
    if (place === 'files') return erasure
    const rows = await erasures.page(place, after, rowsMax)
    const eraser = createEraser(names)
    const erased = rows.flatMap((row) => erasedRow(eraser, row))
    await erasures.rewrite(place, erased)
    const next = nextPlace(place, rows)
    if (next === undefined) await erasures.forgetNames(erasure.id)
    else await erasures.advance({ ...erasure, ...next })
    return 'done'
  })
  if (typeof left === 'string') return left
  if (storage.dropOverwritten !== undefined && !(await storage.dropOverwritten())) return 'held_up'
  await storage.transaction(({ erasures }) => erasures.finish(left.id))
  return 'done'
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

function nextPlace(
  place: ErasurePlace,
  rows: readonly ErasableRow[],
): Pick<Erasure, 'place' | 'after'> | undefined {
  const last = rows.at(-1)
  if (last !== undefined && rows.length === rowsMax) return { place, after: last.sequence }
  const next = erasurePlaces[erasurePlaces.indexOf(place) + 1]
  return next && { place: next, after: 0 }
}
