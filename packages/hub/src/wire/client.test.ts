import { expect, expectTypeOf, test } from 'vitest'
import { requestOf, type ResultOf } from './client.ts'
import type { ErasureBody } from './erasures.ts'
import type { SignalPageBody } from './signals.ts'

test('a call becomes method, path, query and body', () => {
  expect(requestOf('GET /v1/streams')).toEqual({ method: 'GET', path: '/v1/streams', body: undefined })
  expect(
    requestOf('GET /v1/signals', { query: { outcome: 'refused', limit: 5, after: undefined } }),
  ).toMatchObject({ path: '/v1/signals?outcome=refused&limit=5' })
  expect(requestOf('GET /v1/signals', { query: new URLSearchParams() })).toMatchObject({
    path: '/v1/signals',
  })
  expect(requestOf('PUT /v1/subjects/:id/risk', { params: { id: 'ada' }, body: { level: 'HIGH' } })).toEqual({
    method: 'PUT',
    path: '/v1/subjects/ada/risk',
    body: { level: 'HIGH' },
  })
})

test('a parameter cannot change the rest of the path', () => {
  const params = { id: '../x?y=1#z', reason: 'a/b%2F:id' }
  expect(requestOf('PUT /v1/subjects/:id/reasons/:reason/dismissal', { params }).path).toBe(
    '/v1/subjects/..%2Fx%3Fy%3D1%23z/reasons/a%2Fb%252F%3Aid/dismissal',
  )
})

test('arguments and results of a call have the types of the wire', () => {
  expectTypeOf<ResultOf<'GET /v1/signals'>>().toEqualTypeOf<SignalPageBody>()
  expectTypeOf<ResultOf<'DELETE /v1/subjects/:id'>>().toEqualTypeOf<ErasureBody>()
  expectTypeOf<ResultOf<'DELETE /v1/providers/:id/stream'>>().toEqualTypeOf<undefined>()
  // @ts-expect-error the path has a parameter
  requestOf('GET /v1/signals/:id')
  // @ts-expect-error there is no such level
  requestOf('PUT /v1/subjects/:id/risk', { params: { id: 'ada' }, body: { level: 'DIRE' } })
  // @ts-expect-error anybody may ask for it, so it is not called with a token
  expect(requestOf('GET /healthz').path).toBe('/healthz')
})
