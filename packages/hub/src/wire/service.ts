import { json, type Operations } from './operation.ts'
import {
  anyObject,
  constant,
  integer,
  named,
  object,
  optional,
  text,
  time,
  uri,
  type ShapeOf,
} from './schema.ts'

export const rootBody = named(
  'Hub',
  object({
    name: constant('Watchbell'),
    description: text(),
    links: object({
      health: uri(),
      readiness: uri(),
      security_events: uri(),
      access_evaluation: uri(),
      authzen_configuration: uri(),
      system_log: uri(),
    }),
  }),
)
export type RootBody = ShapeOf<typeof rootBody>

export const healthBody = named('Health', object({ status: constant('ok') }))
export const readinessBody = named(
  'Readiness',
  object({
    status: constant('ready'),
    standby: optional(text('Why it takes no signals, when it is a standby.')),
    erasures: optional(
      object(
        { waiting: integer('How many are not done.'), since: time('When the oldest of them was asked for.') },
        'Not there when all are done; a few seconds old at most.',
      ),
    ),
  }),
)
export const unreadinessBody = named(
  'Unreadiness',
  object({ status: constant('unavailable'), reason: text() }),
)
export type ReadinessBody = ShapeOf<typeof readinessBody>
export type UnreadinessBody = ShapeOf<typeof unreadinessBody>

const tag = 'Service'
const open = { access: 'anyone', unlimited: true } as const
const etag = { ETag: text('Of this version of the document.') } as const

/** Whether the hub is well, and what it is. */
export const serviceOperations = {
  'GET /': {
    id: 'getHub',
    tag,
    summary: 'Say what this is',
    access: 'anyone',
    apart: true,
    answers: {
      200: {
        description: 'As JSON, or as text for a browser.',
        content: { 'application/json': rootBody, 'text/plain': text() },
      },
    },
  },
  'GET /favicon.ico': {
    id: 'getFavicon',
    tag,
    summary: 'Browsers ask for it by themselves',
    access: 'anyone',
    apart: true,
    answers: { 204: { description: 'There is none.' } },
  },
  'GET /healthz': {
    id: 'getHealth',
    tag,
    summary: 'Say whether the hub answers at all',
    ...open,
    answers: { 200: { description: 'It does.', ...json(healthBody) } },
  },
  'GET /readyz': {
    id: 'getReadiness',
    tag,
    summary: 'Say whether the hub can take and answer something',
    ...open,
    answers: {
      200: { description: 'It can.', ...json(readinessBody) },
      503: { description: 'It cannot.', ...json(unreadinessBody) },
    },
  },
  'GET /openapi.json': {
    id: 'getOpenapi',
    tag,
    summary: 'This document',
    access: 'anyone',
    headers: { 'If-None-Match': optional(text('The ETag of a copy.')) },
    answers: {
      200: { description: 'The document.', ...json(anyObject('OpenAPI 3.1.')), headers: etag },
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
      200: { description: 'The metrics.', content: { 'text/plain': text() } },
      500: { description: 'They could not be read.', content: { 'text/plain': text() } },
    },
  },
} as const satisfies Operations
