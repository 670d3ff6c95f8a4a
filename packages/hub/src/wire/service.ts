import { json, type Operations } from './operation.ts'
import { shape, type ShapeOf } from './schema.ts'

export const rootBody = shape.named(
  'Hub',
  shape.object({
    name: shape.constant('Watchbell'),
    description: shape.text(),
    links: shape.object({
      health: shape.uri(),
      readiness: shape.uri(),
      security_events: shape.uri(),
      access_evaluation: shape.uri(),
      authzen_configuration: shape.uri(),
      system_log: shape.uri(),
    }),
  }),
)
export type RootBody = ShapeOf<typeof rootBody>

export const healthBody = shape.named('Health', shape.object({ status: shape.constant('ok') }))
export const readinessBody = shape.named(
  'Readiness',
  shape.object({
    status: shape.constant('ready'),
    standby: shape.optional(shape.text('Why it takes no signals, when it is a standby.')),
    erasures: shape.optional(
      shape.object(
        {
          waiting: shape.integer('How many are not done.'),
          since: shape.time('When the oldest of them was asked for.'),
        },
        'Not there when all are done; a few seconds old at most.',
      ),
    ),
  }),
)
export const unreadinessBody = shape.named(
  'Unreadiness',
  shape.object({ status: shape.constant('unavailable'), reason: shape.text() }),
)
export type ReadinessBody = ShapeOf<typeof readinessBody>
export type UnreadinessBody = ShapeOf<typeof unreadinessBody>

const tag = 'Service'
const open = { access: 'anyone', unlimited: true } as const
const etag = { ETag: shape.text('Of this version of the document.') } as const

/** Health, metrics and description of the hub. */
export const serviceOperations = {
  'GET /': {
    id: 'getHub',
    tag,
    summary: 'Describe this server',
    access: 'anyone',
    apart: true,
    answers: {
      200: {
        description: 'As JSON, or as text for a browser.',
        content: { 'application/json': rootBody, 'text/plain': shape.text() },
      },
    },
  },
  'GET /favicon.ico': {
    id: 'getFavicon',
    tag,
    summary: 'Answer browsers, which request an icon unasked',
    access: 'anyone',
    apart: true,
    answers: { 204: { description: 'The hub has no icon.' } },
  },
  'GET /healthz': {
    id: 'getHealth',
    tag,
    summary: 'Liveness: whether the hub answers',
    ...open,
    answers: { 200: { description: 'The hub answers.', ...json(healthBody) } },
  },
  'GET /readyz': {
    id: 'getReadiness',
    tag,
    summary: 'Readiness: whether the storage answers and accepts writes',
    ...open,
    answers: {
      200: { description: 'The hub is ready.', ...json(readinessBody) },
      503: { description: 'The hub is not ready.', ...json(unreadinessBody) },
    },
  },
  'GET /openapi.json': {
    id: 'getOpenapi',
    tag,
    summary: 'This document',
    access: 'anyone',
    headers: { 'If-None-Match': shape.optional(shape.text('The ETag of a copy.')) },
    answers: {
      200: { description: 'The document.', ...json(shape.anyObject('OpenAPI 3.1.')), headers: etag },
      304: { description: 'The copy is up to date.', headers: etag },
    },
  },
  'GET /metrics': {
    id: 'getMetrics',
    tag,
    summary: 'All metrics, for Prometheus',
    description:
      'Served on an address of its own, when the settings name one. docs/metrics.md describes the metrics.',
    ...open,
    apart: true,
    listener: 'metrics',
    answers: {
      200: {
        description: 'The metrics.',
        content: { 'text/plain': shape.text() },
        headers: { 'Cache-Control': shape.text() },
      },
      500: { description: 'They could not be read.', content: { 'text/plain': shape.text() } },
    },
  },
} as const satisfies Operations
