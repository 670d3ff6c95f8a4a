import type { Actor } from '../base/actor.ts'
import { HubError } from '../base/hub-error.ts'
import type { Logger } from '@watchbell/receiver/base'
import type { Transaction } from '../base/transaction.ts'
import { createWorker, type Worker } from '../base/worker.ts'
import type { World } from '../base/world.ts'
import type { SecurityEvent } from '@watchbell/receiver/events'
import { userKey } from '../policy/sign-in-mark.ts'
import { termsOf } from '../signals/signal-terms.ts'
import type { Storage, Stores } from '../stores.ts'
import { askedOf, bareOf, subjectKinds, valueOf } from '../subjects/identifier.ts'
import {
  createSharedEraser,
  type ErasedText,
  type ErasureNames,
  type SharedEraser,
} from '../subjects/erasure.ts'
import {
  erasurePlaces,
  type ErasableRow,
  type ErasedRow,
  type Erasure,
  type ErasureBacklog,
  type ErasureNaming,
  type ErasurePage,
  type ErasurePlace,
  type ErasureQuery,
  type ErasureStore,
} from '../subjects/erasure-store.ts'
import type { Journal, Journaled } from '../journal/journal.ts'

export interface EraseDeps {
  readonly storage: Journaled<Pick<Storage, 'transaction' | 'stores' | 'dropOverwritten'>>
  readonly world: Pick<World, 'now' | 'newId'>
  readonly logger: Logger
  /** Erasures that are not done, at most: a request beyond them is refused. 1,000 unless given. */
  readonly waitingMax?: number
}

/** Erasures of subjects: what is known of one goes at once, its names in everything that was stored by a walk in the background. */
export interface Erasures extends AsyncDisposable {
  /**
   * Deletes what is known of a subject and queues the walk for its names. Asked for again, it is the same erasure.
   * @param id - of the subject; of one that is being erased also any of its names
   * @returns the erasure: its `state` says how far it has come
   * @throws HubError `subject.not_found`, `erasure.too_many_waiting`
   */
  erase(id: string, by: Actor): Promise<Erasure>
  /** @throws HubError `erasure.not_found` */
  get(id: string): Promise<Erasure>
  list(query: ErasureQuery): Promise<ErasurePage>
  backlog(): Promise<ErasureBacklog>
  /** Each round is one step of the walk. */
  readonly worker: Worker
}

const waitingMaxDefault = 1_000
/** Erasures that share one walk, and how many identifiers they have together; an erasure with more walks by itself. */
export const erasuresInWalkMax = 100
const identifiersInWalkMax = 1_000
/** Rows in one transaction: few enough that nobody waits long. */
const rowsMax = 200
/** How often other nodes look whether a walk was left to them. */
const idleMs = 60_000
/** Most readers that hold up the files are done soon; an export or a backup takes longer. */
const heldUpSoonMax = 10
const heldUpSoonMs = 200
const retryAfterS = 60

/** `held_up`: the files cannot yet be rid of what was overwritten, as somebody reads it. */
type Step = 'done' | 'nothing_left' | 'held_up'

export function createErasures(deps: EraseDeps): Erasures {
  const { storage, logger } = deps
  const { erasures } = storage.stores
  const walkEraser = createWalkEraser()
  let heldUp = 0
  const worker = createWorker({
    name: 'erasure',
    async runOnce() {
      const step = await eraseStep(deps, walkEraser)
      heldUp = step === 'held_up' ? heldUp + 1 : 0
      return step === 'done' ? 1 : 0
    },
    idleMs: () => (heldUp > 0 && heldUp < heldUpSoonMax ? heldUpSoonMs : idleMs),
    afterErrorMs: 10_000,
    logger,
  })

  return {
    worker,
    async erase(id, by) {
      const erasure = await storage.transaction((tx) => beginErasure(deps, tx, id, by))
      worker.wake()
      return erasure
    },
    async get(id) {
      const erasure = await erasures.find(id)
      if (erasure === undefined) throw new HubError('erasure.not_found', { facts: { id, type: 'Erasure' } })
      return erasure
    },
    list: (query) => erasures.list(query),
    backlog: () => erasures.backlog(),
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  }
}

async function beginErasure(
  { world, waitingMax = waitingMaxDefault }: EraseDeps,
  { stores: { subjects, erasures, signInMarks }, journal }: Transaction<Stores, Journal>,
  id: string,
  by: Actor,
): Promise<Erasure> {
  const subject = await subjects.find(id)
  if (subject === undefined) {
    const earlier = await earlierErasure(erasures, id, waitingMax)
    if (earlier === undefined) throw new HubError('subject.not_found', { facts: { id, type: 'Subject' } })
    return earlier
  }
  if ((await erasures.backlog()).count >= waitingMax) {
    throw new HubError('erasure.too_many_waiting', {
      detail: `${waitingMax} erasures wait already, which is as many as may. Ask again later; GET /v1/erasures shows them.`,
      retryAfterS,
    })
  }
  const erasureId = world.newId('era')
  const names: ErasureNames = {
    pseudonym: `erased-${erasureId}`,
    identifiers: subject.identifiers.map(({ identifier }) => identifier),
    ids: subject.identifiers.map(({ id }) => id),
    displayName: subject.loaded?.displayName,
  }
  await erasures.begin(subject.entity, {
    id: erasureId,
    subject,
    requestedAt: world.now(),
    requestedBy: by,
    names,
  })
  const asked = subject.identifiers.flatMap(({ identifier, id }) => [id, valueOf(identifier)]) // by a proxy
  await signInMarks.forgetUsers([...new Set(asked.map(userKey))])
  await journal.subjectErased(subject, erasureId, by)
  const begun = await erasures.find(erasureId)
  if (begun === undefined) throw new Error('The erasure was stored in this transaction.')
  return begun
}

/** The erasure of a subject that is no longer known: by the id that it had; while its names are still kept, by them, too. */
async function earlierErasure(
  erasures: ErasureStore,
  asked: string,
  waitingMax: number,
): Promise<Erasure | undefined> {
  const bySubject = await erasures.ofSubject(asked)
  if (bySubject !== undefined) return bySubject
  const readings = subjectKinds.flatMap((kind) => askedOf(kind, asked) ?? [])
  const wanted = new Set(readings.flatMap(({ identifiers, bare }) => [...identifiers, bare]))
  const isAsked = ({ names }: ErasureNaming): boolean =>
    names.ids?.includes(asked) === true ||
    names.identifiers.some(
      (identifier) => wanted.has(identifier) || wanted.has(bareOf(identifier) ?? identifier),
    )
  const [found, ...others] = (await erasures.names(waitingMax)).filter(isAsked)
  return found === undefined || others.length > 0 ? undefined : erasures.find(found.id)
}

/** Names of a walk's erasures do not change, and an eraser takes time to make: it is kept until the walk ends. */
interface WalkEraser {
  of(ids: readonly string[], erasures: Pick<ErasureStore, 'names'>): Promise<SharedEraser>
  forget(): void
}

function createWalkEraser(): WalkEraser {
  let last: { readonly of: string; readonly eraser: SharedEraser } | undefined
  return {
    async of(ids, erasures) {
      const of = ids.join()
      if (last?.of !== of) {
        const people = await erasures.names(ids.length, ids)
        last = { of, eraser: createSharedEraser(people.map(({ names }) => names)) }
      }
      return last.eraser
    },
    forget() {
      last = undefined
    },
  }
}

/** One step, and nobody waits for another one: what is left is in the database, for any node. */
async function eraseStep({ storage, world }: EraseDeps, walkEraser: WalkEraser): Promise<Step> {
  const { erasures } = storage.stores
  if ((await erasures.backlog()).count === 0) return 'nothing_left'
  if (await storage.transaction(({ stores }) => walkOn(stores.erasures, walkEraser))) return 'done'
  const inFiles = await erasures.inFiles()
  if (inFiles.length > 0 && (storage.dropOverwritten === undefined || (await storage.dropOverwritten()))) {
    await storage.transaction(({ stores }) => stores.erasures.finish(inFiles, world.now()))
    return 'done'
  }
  if (await storage.transaction(({ stores }) => startWalk(stores.erasures, world.now()))) return 'done'
  return inFiles.length > 0 ? 'held_up' : 'nothing_left'
}

/** Takes the oldest erasures that wait into one walk, as many as may share it. @returns whether there is one now */
async function startWalk(erasures: ErasureStore, at: Date): Promise<boolean> {
  if ((await erasures.walk()) !== undefined) return true // another node was faster
  let identifiers = 0
  const waiting = await erasures.names(erasuresInWalkMax, 'waiting')
  const beyond = waiting.findIndex(
    ({ names }) => (identifiers += names.identifiers.length) > identifiersInWalkMax,
  )
  const together = waiting.slice(0, beyond === -1 ? waiting.length : Math.max(1, beyond))
  if (together.length === 0) return false
  await erasures.startWalk(
    together.map(({ id }) => id),
    at,
  )
  return true
}

/** The next rows of the walk, for all its erasures. @returns whether there is a walk */
async function walkOn(erasures: ErasureStore, walkEraser: WalkEraser): Promise<boolean> {
  const walk = await erasures.walk()
  if (walk === undefined) {
    walkEraser.forget()
    return false
  }
  const ids = walk.erasures.map(({ id }) => id)
  const eraser = await walkEraser.of(ids, erasures)
  const { place, after } = walk
  if (place === 'files') throw new Error('A walk that came to the files has ended.')
  const rows = await erasures.page(place, after, rowsMax)
  const erased = rows.flatMap((row) => erasedRow(eraser, row))
  await erasures.rewrite(place, erased)
  for (const [at, { id, rewritten }] of walk.erasures.entries()) {
    const count = erased.filter(({ whose }) => whose.has(at)).length
    if (count > 0) await erasures.count(id, { ...rewritten, [place]: rewritten[place] + count })
  }
  const lookedAt = walk.rows + rows.length
  const next = nextPlace(place, rows)
  if (next === undefined) await erasures.endWalk(lookedAt)
  else await erasures.advance({ ...next, rows: lookedAt })
  return true
}

function erasedRow(
  eraser: SharedEraser,
  { sequence, json, plain, issuer }: ErasableRow,
): readonly (ErasedRow & { readonly whose: ReadonlySet<number> })[] {
  const texts: Record<string, string> = {}
  const whose = new Set<number>()
  const keep = (column: string, erased: ErasedText | undefined): void => {
    if (erased === undefined) return
    texts[column] = erased.text
    for (const each of erased.whose) whose.add(each)
  }
  for (const [column, text] of Object.entries(json)) keep(column, eraser.json(text, issuer))
  for (const [column, text] of Object.entries(plain)) keep(column, eraser.plain(text))
  return whose.size === 0 ? [] : [{ sequence, texts, terms: goneTerms(json, texts), whose }]
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
): { readonly place: ErasurePlace; readonly after: number } | undefined {
  const last = rows.at(-1)
  if (last !== undefined && rows.length === rowsMax) return { place, after: last.sequence }
  const next = erasurePlaces[erasurePlaces.indexOf(place) + 1]
  return next && { place: next, after: 0 }
}
