import type { ReceiverWorld } from './receiver-world.ts'

/** The earliest time that it can be, going by all that the hub has seen: a clock that shows less was set back. */
export interface ClockFloor {
  /** Milliseconds since 1970. */
  at(): Promise<number>
}

export interface ClockFloorDeps {
  readonly world: Pick<ReceiverWorld, 'now' | 'monotonicMs'>
  /** Times that others or earlier runs of this hub have seen, each by a clock; asked for with each look. */
  readonly seen: () => Promise<readonly (Date | undefined)[]>
}

/** Notes this clock now, at the start of a hub, and with every look. */
export function createClockFloor({ world, seen }: ClockFloorDeps): ClockFloor {
  /** By how much the furthest of all clocks was ahead of the time that has passed since the process began. */
  let offset = world.now().getTime() - world.monotonicMs()
  const note = (time: number): void => {
    offset = Math.max(offset, time - world.monotonicMs())
  }
  return {
    async at() {
      note(world.now().getTime())
      for (const time of await seen()) if (time !== undefined) note(time.getTime())
      return offset + world.monotonicMs()
    },
  }
}
