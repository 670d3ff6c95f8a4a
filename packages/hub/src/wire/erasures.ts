import { erasedThings, erasurePlaces, erasureStates, type ErasurePlace } from '../subjects/erasure-store.ts'
import { nextLink } from './common.ts'
import { json, type Operations } from './operation.ts'
import { shape, WireSchema, type ShapeOf } from './schema.ts'
import { subjectKind } from './subject-kind.ts'

const rows = shape.integer()

/** How many rows, by what they are. */
function counts<const Name extends string>(
  names: readonly Name[],
  description: string,
): WireSchema<Readonly<Record<Name, number>>> {
  const members = Object.fromEntries(names.map((name) => [name, rows])) as Readonly<Record<Name, typeof rows>>
  return new WireSchema(shape.object(members, description).json)
}

const places: readonly ('files' | ErasurePlace)[] = [...erasurePlaces, 'files']

/** The progress of an erasure. */
export const erasureBody = shape.named(
  'Erasure',
  shape.object({
    id: shape.text(),
    url: shape.uri('Where the erasure can be followed.'),
    state: shape.oneOf(erasureStates),
    subject: shape.object({ id: shape.text('The id that the entity had.'), kind: subjectKind }),
    requested_at: shape.time(),
    requested_by: shape.object({ id: shape.text(), type: shape.text(), display_name: shape.text() }),
    started_at: shape.nullable(shape.time('When its walk began.')),
    finished_at: shape.nullable(shape.time()),
    progress: shape.nullable(
      shape.object(
        {
          place: shape.oneOf(places, 'Where its walk is.'),
          places_done: shape.integer(),
          places: shape.integer(),
          rows: shape.integer('Rows that the walk has looked at.'),
        },
        'While it runs.',
      ),
    ),
    deleted: counts(erasedThings, 'Rows that were deleted when it was asked for.'),
    rewritten: counts(erasurePlaces, 'Rows that names were taken out of, by place.'),
  }),
)
export type ErasureBody = ShapeOf<typeof erasureBody>

export const erasurePage = shape.named(
  'ErasurePage',
  shape.object({
    erasures: shape.list(erasureBody, 'Newest first.'),
    next: shape.nullable(shape.uri('The next page.')),
  }),
)
export type ErasurePageBody = ShapeOf<typeof erasurePage>

/** The answers to a request for an erasure. */
export const erasureAnswers = {
  200: {
    description: 'It was asked for before, and is done.',
    ...json(erasureBody),
    headers: { Location: shape.uri() },
  },
  202: {
    description: 'It waits or runs; `Location` is where it can be followed.',
    ...json(erasureBody),
    headers: { Location: shape.uri() },
  },
} as const

const tag = 'Subjects'
const read = 'watchbell.subjects.read'

/** Erasures of subjects: their progress, and what was erased. */
export const erasureOperations = {
  'GET /v1/erasures': {
    id: 'listErasures',
    tag,
    summary: 'List erasures, newest first',
    access: read,
    query: {
      state: shape.optional(shape.oneOf(erasureStates)),
      limit: shape.optional(shape.integer('50 unless given.', { minimum: 1, maximum: 200 })),
      after: shape.optional(shape.integer('Where the last page ended.', { minimum: 1 })),
    },
    answers: {
      200: { description: 'A page.', ...json(erasurePage), headers: { Link: shape.optional(nextLink) } },
    },
    errors: ['request.invalid'],
  },
  'GET /v1/erasures/:id': {
    id: 'getErasure',
    tag,
    summary: 'Show how far an erasure has come',
    access: read,
    answers: { 200: { description: 'The erasure.', ...json(erasureBody) } },
    errors: ['erasure.not_found'],
  },
} as const satisfies Operations
