import { expect, test } from 'vitest'
import { createBodyRoom } from './body-room.ts'

test('memory is released, and a small body counts as 4 KiB', () => {
  const room = createBodyRoom(20_000)
  const body = room.enter(() => undefined)
  body.hold(10)
  expect(room.held()).toBe(4_096)
  body.hold(10_000)
  expect(room.held()).toBe(10_000)
  body.release()
  body.release()
  expect(room.held()).toBe(0)
})

test('the oldest incomplete body is dropped at the limit', () => {
  const room = createBodyRoom(30_000)
  const gone: string[] = []
  const enter = (name: string) => {
    const body = room.enter(() => gone.push(name))
    body.hold(10_000)
    return body
  }
  enter('whole').complete()
  enter('slow')
  enter('slower')
  enter('new')
  expect(gone).toEqual(['slow'])
  expect(room.held()).toBe(30_000)
  enter('newer')
  expect(gone).toEqual(['slow', 'slower'])
})

test('a new body is refused when all others are complete', () => {
  const room = createBodyRoom(10_000)
  const whole = room.enter(() => undefined)
  whole.hold(10_000)
  whole.complete()
  const late = room.enter(() => undefined)
  expect(() => late.hold(1)).toThrow(expect.objectContaining({ code: 'hub.overloaded', retryAfterS: 1 }))
  late.release()
  whole.release()
  expect(room.held()).toBe(0)
})
